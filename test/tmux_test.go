package test

import (
	"context"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// screen is a terminal that a person of this environment sits at: tmux, of a
// server of its own, with a shell in it.
type screen struct {
	e      *env
	socket string
	dir    string
}

// screen starts a shell in dir on a terminal of 80 by 24.
func (e *env) screen(dir string) *screen {
	e.t.Helper()
	need(e.t, "tmux")
	need(e.t, "bash")
	s := &screen{e: e, socket: filepath.Join(e.base, "tmux"), dir: dir}
	// What the shell starts with is only what is named here.
	shell := "exec env -i HOME=" + e.base + " TERM=screen LC_ALL=C.UTF-8 PATH=" + testPath + ":" + filepath.Dir(e.bin) +
		" XDG_RUNTIME_DIR=" + e.runtime + " XDG_STATE_HOME=" + e.state + " PS1='$ ' bash --norc --noprofile"
	s.tmux("new-session", "-d", "-x", "80", "-y", "24", shell)
	e.t.Cleanup(func() { s.tmux("kill-server") })
	s.await(`(?m)^\$`)
	return s
}

func (s *screen) tmux(args ...string) string {
	s.e.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), commandLimit)
	defer cancel()
	cmd := s.e.command(ctx, s.dir, append([]string{"tmux", "-u", "-S", s.socket, "-f", "/dev/null"}, args...)...)
	cmd.Env = []string{"PATH=" + testPath, "HOME=" + s.e.base, "LC_ALL=C.UTF-8", "SHELL=/bin/sh"}
	return finish(s.e.t, ctx, cmd).ok(s.e.t)
}

// text is what is on the screen.
func (s *screen) text() string {
	s.e.t.Helper()
	return s.tmux("capture-pane", "-p")
}

// await waits until the screen matches.
func (s *screen) await(pattern string) string {
	s.e.t.Helper()
	re := regexp.MustCompile(pattern)
	var text string
	eventually(s.e.t, func() string {
		if text = s.text(); re.MatchString(text) {
			return ""
		}
		return "want " + pattern + " on the screen\n" + text
	})
	return text
}

// keys presses keys by their names in tmux.
func (s *screen) keys(keys ...string) {
	s.e.t.Helper()
	s.tmux(append([]string{"send-keys"}, keys...)...)
}

// line types a line.
func (s *screen) line(text string) {
	s.e.t.Helper()
	s.tmux("send-keys", "-l", text)
	s.keys("Enter")
}

func (s *screen) resize(columns, rows int) {
	s.e.t.Helper()
	s.tmux("resize-window", "-x", itoa(columns), "-y", itoa(rows))
}

// width checks that no line is wider than the screen.
func (s *screen) width(t *testing.T, columns int) {
	t.Helper()
	for l := range strings.SplitSeq(s.text(), "\n") {
		if n := len([]rune(l)); n > columns {
			t.Errorf("a line of %d on a screen of %d: %q", n, columns, l)
		}
	}
}
