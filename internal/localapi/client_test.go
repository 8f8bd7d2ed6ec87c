package localapi

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"lodge/internal/home"
	"lodge/internal/keeperapi"
	"lodge/internal/logs"
	"lodge/internal/loopback"
	"lodge/internal/unixsock"
)

// answering returns a client of a daemon that answers everything in one way.
func answering(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	ln, err := unixsock.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	c := New(path)
	t.Cleanup(func() { c.Close(); srv.Close(); <-done })
	return c
}

func TestAnswersThatAreErrors(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   string
		hint   string
	}{
		{"one of the API", 409, `{"message":"use engine ebpf: no","hint":"lodge doctor"}`, "use engine ebpf: no", "lodge doctor"},
		{"no JSON", 502, "Bad Gateway\nmore", "ask daemon: 502 Bad Gateway", ""},
		{"without a message", 404, `{"hint":"x"}`, "ask daemon: 404 Not Found", ""},
		{"empty", 500, "", "ask daemon: 500 Internal Server Error", ""},
		{"half an answer", 200, `{"version":"1`, "read the daemon's answer: unexpected EOF", ""},
		{"another answer", 200, `[]`, "read the daemon's answer: json: cannot unmarshal", ""},
	} {
		cl := answering(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(c.body))
		})
		_, err := cl.Info(context.Background())
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
		var e *Error
		if errors.As(err, &e) != (c.hint != "") || e != nil && e.Hint != c.hint {
			t.Errorf("%s: got %#v", c.name, err)
		}
	}
}

func TestWhatIsAsked(t *testing.T) {
	var asked []string
	cl := answering(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.RequestURI())
		_, _ = w.Write([]byte("{}"))
	})
	ctx := context.Background()
	_, err := cl.Info(ctx)
	_, err2 := cl.Projects(ctx, true)
	_, err3 := cl.Open(ctx, OpenRequest{Path: "/a"})
	_, err4 := cl.Doctor(ctx)
	if err := errors.Join(err, err2, err3, err4, cl.Down(ctx, "a/../b c")); err != nil {
		t.Fatal(err)
	}
	want := "GET /v1/info|GET /v1/projects?all=true|POST /v1/projects|GET /v1/doctor|POST /v1/projects/a%2F..%2Fb%20c/down"
	if got := strings.Join(asked, "|"); got != want {
		t.Errorf("got %s", got)
	}
}

func TestNoDaemon(t *testing.T) {
	cl := New(filepath.Join(t.TempDir(), "none"))
	defer cl.Close()
	_, err := cl.Info(context.Background())
	if !NotRunning(err) || !strings.HasPrefix(err.Error(), "ask daemon: ") {
		t.Errorf("got %v", err)
	}
	if NotRunning(errors.New("other")) || NotRunning(nil) {
		t.Error("any error is taken for it")
	}
}

func TestFromKeeper(t *testing.T) {
	k := keeperapi.Project{ID: "a-1", Name: "a", Dir: "/a", PID: 7, Engine: loopback.EBPF, EngineReason: "why", LogError: "full",
		Home: home.Spec{IP4: netip.MustParseAddr("127.83.20.7"), Isolation: loopback.Strict}}
	p := FromKeeper(k, "/s", "/l")
	if p.Home != "127.83.20.7" || p.Home6 != "" || p.Services == nil || p.State != "up" || p.Socket != "/s" || p.LogDir != "/l" ||
		p.KeeperPID != 7 || p.Isolation != loopback.Strict || p.LogError != "full" || p.Path != "/a" {
		t.Errorf("got %+v", p)
	}
	k.Home.IP6 = loopback.Home6(k.Home.IP4)
	if p := FromKeeper(k, "", ""); p.Home6 != "fd6c:6f64:6765::7f53:1407" {
		t.Errorf("got %+v", p)
	}
}

func TestReadLogsOfAProjectThatIsDown(t *testing.T) {
	dir := t.TempDir()
	st, err := logs.Open(dir, logs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"web", "db"} {
		w := st.Writer(s)
		_, _ = w.Write([]byte("from " + s + "\n"))
		_ = w.Close()
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	for services, want := range map[string]int{"": 2, "web": 1, "none": 0} {
		var got []string
		q := keeperapi.LogQuery{}
		if services != "" {
			q.Services = []string{services}
		}
		if err := ReadLogs(Project{LogDir: dir}, q, func(l logs.Line) error { got = append(got, l.Text); return nil }); err != nil || len(got) != want {
			t.Errorf("%q: %v, %v", services, got, err)
		}
	}
	stop := errors.New("enough")
	if err := ReadLogs(Project{LogDir: dir}, keeperapi.LogQuery{}, func(logs.Line) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}
