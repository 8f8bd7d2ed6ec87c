package supervisor

import (
	"strings"
	"testing"

	"lodge/internal/service"
)

// A service with a terminal has one for input and output, of a size, and what it
// says is kept as it says it.
func TestTerminal(t *testing.T) {
	r := newRig(t)
	r.define(r.spec("web", `test -t 0 && test -t 1 && test -t 2 && echo "on a terminal of $(stty size), $TERM"; `+forever,
		ready(service.Ready{Log: "on a terminal"}), func(s *service.Spec) { s.TTY, s.Env = true, []string{"TERM=dumb"} }))
	r.up()
	var text string
	for _, l := range r.store.Tail("web", 10) {
		text += l.Text + "\n"
	}
	if text != "on a terminal of 50 160, xterm-256color\n" {
		t.Errorf("got %q", text)
	}
	// Its end is its end, and the next life has one too.
	if err := r.Restart(r.ctx, nil); err != nil {
		t.Fatal(err)
	}
	r.stop()
}

func TestOwnDirectories(t *testing.T) {
	r := newRig(t)
	dir := r.dir + "/own/web/home"
	r.define(r.spec("web", `test -d own/web/home && stat -c %a own/web/home >mode; `+forever, ready(service.Ready{Command: []string{"test", "-e", "mode"}}),
		func(s *service.Spec) { s.MakeDirs = []string{dir} }))
	r.up()
	if got := strings.TrimSpace(r.file("mode")); got != "700" {
		t.Errorf("its mode is %q", got)
	}
	r.stop()
	r.define(r.spec("web", forever, func(s *service.Spec) { s.MakeDirs = []string{r.dir + "/mode/x"} }))
	fails(t, r.Up(r.ctx, nil), "web", "make its own directory")
}
