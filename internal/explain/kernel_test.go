package explain

import (
	"strings"
	"testing"
)

// TestUnseenOwner: a holder that may not be seen is not reported as none.
func TestUnseenOwner(t *testing.T) {
	_, r := explained(t, "127.0.0.1:14300")
	if len(r.Listeners) != 0 {
		t.Fatal("somebody listens")
	}
	listen(t, "tcp4", "127.0.0.1:14300")
	f, _ := explained(t, "listen tcp 127.0.0.1:14300: bind: address already in use")
	f.Rows[0].Processes, f.Rows[0].Unknown, f.Rows[0].User = nil, true, "postgres"
	f.UID = 1000
	r = Report(f)
	if r.Answer != "A process of user postgres that may not be seen from here already listens on 127.0.0.1:14300." || !strings.Contains(r.Causes[0].Hint, "as root") || len(Victims(f)) != 0 {
		t.Errorf("%+v", r)
	}
}
