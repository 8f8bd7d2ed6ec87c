package test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
)

// outsider is a server on the machine's own localhost, on a port that the
// kernel chose.
func outsider(t *testing.T, network, address, text string) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen(network, address)
	if err != nil {
		t.Skipf("listen on %s: %v", address, err)
	}
	s := &httptest.Server{Listener: ln, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(text)) // the client tells
	})}}
	s.Start()
	t.Cleanup(s.Close)
	at, err := netip.ParseAddrPort(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestOverlayAndStrict(t *testing.T) {
	need(t, "curl")
	eachEngine(t, func(t *testing.T, e *env) {
		machine := outsider(t, "tcp4", "127.0.0.1:0", "the machine's")
		six := outsider(t, "tcp6", "[::1]:0", "the machine's, IPv6")
		port, port6 := strconv.Itoa(int(machine.Port())), strconv.Itoa(int(six.Port()))
		overlay := e.project("overlay")
		strict := e.project("strict", "lodge.toml", "version = 1\nisolation = \"strict\"\n[services.idle]\ncommand = \"sleep 1000\"\nready = false\n")
		fetch := func(p *project, host, port string) result {
			t.Helper()
			return p.lodge("exec", "--", "curl", "-sS", "--max-time", "20", "--noproxy", "*", "http://"+host+":"+port+"/")
		}
		for _, h := range []string{"localhost", "127.0.0.1", "0.0.0.0"} {
			if got := fetch(overlay, h, port).ok(t); got != "the machine's" {
				t.Errorf("overlay, %s: %q", h, got)
			}
			if r := fetch(strict, h, port); r.code != 7 {
				t.Errorf("strict, %s: want curl's status 7, could not connect: %v", h, r)
			}
			if r := strict.lodge("exec", "--", peerBin, "tcp", h+":"+port, "x"); r.code != 1 || !strings.Contains(r.stderr, "connection refused") {
				t.Errorf("strict, %s: want connection refused: %v", h, r)
			}
		}
		if got := fetch(overlay, "[::1]", port6).ok(t); got != "the machine's, IPv6" {
			t.Errorf("overlay, ::1: %q", got)
		}
		if r := fetch(strict, "[::1]", port6); r.code != 7 {
			t.Errorf("strict, ::1: want curl's status 7: %v", r)
		}
		if q, _ := strict.info(); q.Isolation != "strict" && len(e.ls().Projects) > 0 {
			t.Errorf("ls says isolation %q", q.Isolation)
		}
		// The flag does what the file does.
		flag := e.project("flag")
		if r := flag.lodge("exec", "--isolation", "strict", "--", "curl", "-sS", "--noproxy", "*", "http://127.0.0.1:"+port); r.code != 7 {
			t.Errorf("--isolation strict: want curl's status 7: %v", r)
		}
		// Whoever listens inside hides the machine's, and is gone when it is gone.
		overlay.write("lodge.toml", config("web", peerBin+" http :"+port+" 'the home'"))
		overlay.up()
		if got := fetch(overlay, "localhost", port).ok(t); !strings.HasPrefix(got, "the home") {
			t.Errorf("overlay with a listener inside: %q", got)
		}
		if got, err := get(machine, "/"); err != nil || got != "the machine's" {
			t.Errorf("the machine's own: %q, %v", got, err)
		}
		overlay.lodge("down", "web").ok(t)
		if got := fetch(overlay, "localhost", port).ok(t); got != "the machine's" {
			t.Errorf("overlay after the listener inside ended: %q", got)
		}
		// Other addresses are left alone, other homes among them.
		strict.write("lodge.toml", "version = 1\nisolation = \"strict\"\n"+strings.TrimPrefix(config("web", peerBin+" http :8600 strict"), "version = 1\n"))
		strict.up()
		home := strict.home("tcp", 8600)
		if got := fetch(overlay, home.Addr().String(), "8600").ok(t); !strings.HasPrefix(got, "strict") {
			t.Errorf("from one home to another by its address: %q", got)
		}
	})
}
