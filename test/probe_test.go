package test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestProbe asks from inside, where localhost is the project's home, and from
// outside, where a home is an address of this machine like any other.
func TestProbe(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		var ps [2]*project
		for i, name := range []string{"main", "fix"} {
			ps[i] = e.project(name, "lodge.toml", config("web", peerBin+" http :8000 'page of "+name+"'"))
			ps[i].up()
		}
		type report struct {
			Result string `json:"result"`
			IP     string `json:"ip"`
			Answer struct {
				HTTP struct {
					Status int    `json:"status"`
					Body   string `json:"body"`
				} `json:"http"`
			} `json:"answer"`
		}
		for _, p := range ps {
			home := p.home("tcp", 8000)
			for _, text := range []string{p.exec(lodgeBin, "probe", "--json", "8000"), p.lodge("probe", "--json", home.String()).ok(t)} {
				var r report
				if err := json.Unmarshal([]byte(text), &r); err != nil || r.Result != "answered" || r.Answer.HTTP.Status != 200 || !strings.HasPrefix(r.Answer.HTTP.Body, "page of "+p.name) {
					t.Errorf("%s: %v\n%s", p.name, err, text)
				}
			}
			if got := p.exec(lodgeBin, "probe", "-n", "50", "-c", "5", "http://localhost:8000/"); !strings.Contains(got, "50 × GET / in ") || !strings.Contains(got, "all succeeded") {
				t.Errorf("%s: %s", p.name, got)
			}
		}
	})
}

// lodge becomes lodged for it, in the same process: a signal ends the command, which
// prints what it has measured, and nobody takes it for the daemon.
func TestProbeInterrupted(t *testing.T) {
	t.Parallel()
	e := newEnv(t, seccomp)
	for signal, code := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		var requests atomic.Int64
		third := make(chan struct{})
		srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			if requests.Add(1) == 3 {
				close(third)
			}
		}))
		p := e.start(e.base, "probe", "-n", "1000000000", "-c", "1", "--duration", "1h", srv.URL+"/x")
		select {
		case <-third:
		case <-time.After(commandLimit):
			t.Fatalf("no requests come: %s", p.stderr())
		}
		if ps := e.lodges("probe"); len(ps) != 1 || ps[0].pid != p.cmd.Process.Pid || ps[0].cmdline[0] != e.bin+"d" {
			t.Errorf("probe runs as %v, want lodged in process %d", ps, p.cmd.Process.Pid)
		}
		if ps := e.lodges("daemon"); len(ps) != 0 {
			t.Errorf("a daemon runs: %v", ps)
		}
		p.signal(signal)
		r := p.wait()
		srv.Close()
		if r.code != code || !strings.Contains(r.stdout, " × GET /x in ") || !strings.Contains(r.stdout, "all succeeded; interrupted\n") || r.stderr != "" {
			t.Errorf("%v: %v", signal, r)
		}
	}
}

// Without lodged beside lodge, the error says so.
func TestProbeWithoutLodged(t *testing.T) {
	t.Parallel()
	e := newEnv(t, seccomp)
	lodged, aside := e.bin+"d", e.bin+"d.aside"
	if err := os.Rename(lodged, aside); err != nil {
		t.Fatal(err)
	}
	r := e.lodge(e.base, "probe", "80")
	if err := os.Rename(aside, lodged); err != nil { // for the end of the test
		t.Fatal(err)
	}
	if want := "lodge: start " + e.bin + "d: no such file or directory (hint: lodge, lodged, lodge-keeper and lodge-helper belong into one directory: "; r.code != 1 || r.stdout != "" || !strings.HasPrefix(r.stderr, want) {
		t.Errorf("%v", r)
	}
}

// Where lodge-keeper is not beside them, lodged is the keeper.
func TestWithoutKeeperProgram(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		if err := os.Remove(filepath.Join(e.base, "lodge-keeper")); err != nil {
			t.Fatal(err)
		}
		p := e.project("shop", "lodge.toml", config("web", peerBin+" http localhost:3000 'a page'"))
		p.up()
		if got := p.exec(peerBin, "get", "http://localhost:3000/"); !strings.Contains(got, "a page") {
			t.Errorf("inside: %s", got)
		}
		if ps := e.lodges("keeper"); len(ps) != 1 {
			t.Errorf("keepers: %v", ps)
		}
	})
}
