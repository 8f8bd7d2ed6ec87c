package test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// autoServer binds its PORT only when it is told to, so that a test has the
// time between the choice of the port and the bind.
const autoServer = `
import http.server, os, time
print("port", os.environ["PORT"], flush=True)
while not os.path.exists("go"):
    time.sleep(0.02)
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), http.server.SimpleHTTPRequestHandler).serve_forever()
`

func TestAutoPort(t *testing.T) {
	python(t)
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("auto", "index.html", "page of auto", "auto.py", autoServer,
			"lodge.toml", config("web", systemPython+" auto.py", `port = "auto"`))
		up := p.start("up", "-d")
		var port uint16
		eventually(t, func() string {
			s, _ := p.service("web")
			if port = s.Port; port == 0 || s.State != "starting" {
				return fmt.Sprintf("ls shows no port: %+v", s)
			}
			return ""
		})
		if port < 49152 {
			t.Errorf("port %d is not a dynamic one", port)
		}
		for _, address := range []string{"127.0.0.1", "", "localhost"} {
			r := p.lodge("exec", "--", peerBin, "http", fmt.Sprintf("%s:%d", address, port), "thief")
			if r.code == 0 || !strings.Contains(r.stderr, "in use") {
				t.Errorf("another program binds %q port %d, which is leased: %v", address, port, r)
			}
		}
		p.write("go", "")
		if r := up.wait(); r.code != 0 {
			t.Fatal(r)
		}
		shows(t, p.home("tcp", port), "/", "page of auto")
		p.curl(fmt.Sprintf("http://localhost:%d/", port), "page of auto")
		// The lease outlives a restart.
		p.lodge("restart").ok(t)
		if s, _ := p.service("web"); s.Port != port || s.State != "ready" {
			t.Errorf("after a restart: %+v, want port %d", s, port)
		}
		p.curl(fmt.Sprintf("http://localhost:%d/", port), "page of auto")
	})
}

// listenServer takes its listening socket from lodge (sd_listen_fds(3)). At
// SIGTERM it finishes the request that it has and leaves the rest in the queue.
const listenServer = `
import os, select, signal, socket
assert os.environ["LISTEN_FDS"] == "1" and int(os.environ["LISTEN_PID"]) == os.getpid(), os.environ
listener = socket.socket(fileno=3)
r, w = os.pipe()
os.set_blocking(w, False)
signal.set_wakeup_fd(w)
signal.signal(signal.SIGTERM, lambda *args: None)
text = open("text").read().strip()
print("serving", text, os.environ["PORT"], flush=True)
while True:
    ready, _, _ = select.select([r, listener], [], [])
    if r in ready:
        break
    c, _ = listener.accept()
    c.recv(65536)
    body = ("%s of @ALONE@ by %d" % (text, os.getpid())).encode()
    c.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    c.close()
`

// hammer fetches from outside, again and again, until the test is done, and
// then tells how many fetches failed.
type hammer struct {
	mu     sync.Mutex
	pages  map[string]int // how often each text came
	errs   []error
	cancel context.CancelFunc
	done   sync.WaitGroup
}

func newHammer(at netip.AddrPort) *hammer {
	ctx, cancel := context.WithCancel(context.Background())
	h := &hammer{pages: make(map[string]int), cancel: cancel}
	for range 2 {
		h.done.Go(func() {
			for ctx.Err() == nil {
				page, err := get(at, "/")
				h.mu.Lock()
				if err != nil {
					h.errs = append(h.errs, err)
				} else {
					h.pages[page]++
				}
				h.mu.Unlock()
				select {
				case <-ctx.Done():
				case <-time.After(2 * time.Millisecond): // leave the processor to the server
				}
			}
		})
	}
	return h
}

func (h *hammer) stop() (pages map[string]int, err error) {
	h.cancel()
	h.done.Wait()
	return h.pages, errors.Join(h.errs...)
}

// saw waits until a page that begins with text has come.
func (h *hammer) saw(t *testing.T, text string) {
	t.Helper()
	eventually(t, func() string {
		h.mu.Lock()
		defer h.mu.Unlock()
		for p := range h.pages {
			if strings.HasPrefix(p, text) {
				return ""
			}
		}
		return fmt.Sprintf("no page that begins with %q among %v", text, h.pages)
	})
}

func TestListenRefusesNobody(t *testing.T) {
	python(t)
	eachEngine(t, func(t *testing.T, e *env) {
		ps := e.pair("server.py", listenServer, "text", "0",
			"lodge.toml", config("web", systemPython+" server.py", "listen = 8800"))
		serves(t, ps, 8800, "/", says("0 of"), "localhost")
		p := ps[0]
		h := newHammer(p.home("tcp", 8800))
		for _, text := range []string{"1", "2", "3"} {
			p.write("text", text)
			p.lodge("restart").ok(t)
			h.saw(t, text+" of one")
		}
		pages, err := h.stop()
		if err != nil {
			t.Errorf("a client saw errors while the service was restarted: %v", err)
		}
		if len(pages) < 4 {
			t.Errorf("pages %v, want those of four processes", pages)
		}
		p.curl("http://localhost:8800/", "3 of one")
	})
}

func TestWatchRefusesNobody(t *testing.T) {
	python(t)
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("watched", "server.py", listenServer, "text", "0", "ignored.txt", "", ".gitignore", "ignored.txt\n",
			"lodge.toml", config("web", systemPython+" server.py", "listen = 8810", `watch = ["text", "*.txt"]`))
		p.up()
		at := p.home("tcp", 8810)
		shows(t, at, "/", "0 of @ALONE@"[:5])
		h := newHammer(at)
		for _, text := range []string{"1", "2", "3"} {
			p.write("ignored.txt", text)
			p.write("text", text)
			h.saw(t, text+" of watched")
		}
		if _, err := h.stop(); err != nil {
			t.Errorf("a client saw errors while the service was restarted: %v", err)
		}
		s, _ := p.service("web")
		if s.Restarts != 3 {
			t.Errorf("%d restarts for three changes", s.Restarts)
		}
		if out := p.lodge("logs").ok(t); !strings.Contains(out, "[lodge] restarted: text changed") {
			t.Errorf("the log does not say why: %q", out)
		}
	})
}

// A program that knows nothing of LISTEN_FDS keeps its port over a restart
// where the engine can hold the socket open.
func TestHeldPortRefusesNobody(t *testing.T) {
	python(t)
	eachEngine(t, func(t *testing.T, e *env) {
		// It answers what it has accepted before it ends.
		server := strings.NewReplacer(
			`assert os.environ["LISTEN_FDS"] == "1" and int(os.environ["LISTEN_PID"]) == os.getpid(), os.environ`, "",
			`listener = socket.socket(fileno=3)`, `listener = socket.create_server(("127.0.0.1", 8820), backlog=128)`,
			`, os.environ["PORT"]`, "").Replace(listenServer)
		p := e.project("held", "server.py", server, "text", "0",
			"lodge.toml", config("web", systemPython+" server.py", `watch = ["text"]`))
		p.up()
		h := newHammer(p.home("tcp", 8820))
		for _, text := range []string{"1", "2"} {
			p.write("text", text)
			h.saw(t, text+" of held")
		}
		_, err := h.stop()
		if err != nil && strings.Contains(err.Error(), "refused") {
			t.Errorf("a client was refused while the service was restarted: %v", err)
		}
	})
}
