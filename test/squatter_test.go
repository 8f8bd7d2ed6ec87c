package test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// restless serves TCP and UDP, on the next port, while a file called listen is there, and closes
// its sockets when it is not.
const restless = `import http.server, os, socket, sys, threading, time
port = int(sys.argv[1])
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"the service")
    do_HEAD = do_GET
    def log_message(self, *a): pass
def udp(u):
    u.settimeout(.02) # a socket that is being read from is not closed by another thread
    while os.path.exists("listen"):
        try: b, at = u.recvfrom(100); u.sendto(b"the service\n", at)
        except TimeoutError: pass
    u.close()
while True:
    while not os.path.exists("listen"): time.sleep(.01)
    s = http.server.ThreadingHTTPServer(("0.0.0.0", port), H)
    threading.Thread(target=s.serve_forever, args=(.01,)).start()
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("0.0.0.0", port + 1))
    t = threading.Thread(target=udp, args=(u,)); t.start()
    while os.path.exists("listen"): time.sleep(.01)
    s.shutdown(); s.server_close(); t.join()
`

// squat takes a TCP and the next UDP port of an address, as another user.
const squat = `import http.server, socket, sys, threading, time
at, port = sys.argv[1], int(sys.argv[2])
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"MALLORY")
    do_HEAD = do_GET
    def log_message(self, *a): pass
def have(make):
    while True:
        try: return make()
        except OSError: time.sleep(.01)
def datagrams():
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try: u.bind((at, port + 1)); return u
    except OSError: u.close(); raise
s = have(lambda: http.server.ThreadingHTTPServer((at, port), H))
u = have(datagrams)
threading.Thread(target=s.serve_forever).start()
print("x", flush=True)
while True:
    b, at = u.recvfrom(100); u.sendto(b"MALLORY\n", at)
`

// A service closes its sockets while it lives, and another user takes their
// addresses. Nobody is led there: neither by a name over HTTPS nor by TLS, and
// no list has the sockets of the other as the service's.
func TestAnotherUserTakesAnAddress(t *testing.T) { anotherTakesAll(t, 28460) }

// anotherTakesAll is that test. On all addresses a port is everybody's: nobody
// else uses the four from port on.
func anotherTakesAll(t *testing.T, port uint16, opts ...option) {
	t.Helper()
	needRoot(t)
	python(t)
	eachEngine(t, func(t *testing.T, e *env) {
		port := port
		if e.engine == seccomp {
			port += 2
		}
		p := e.project("squat", "serve.py", restless, "listen", "", "lodge.toml", config("web", fmt.Sprint(systemPython, " serve.py ", port)))
		p.up()
		at := p.home("tcp", port)
		p.home("udp", port+1)
		for _, squats := range []netip.Addr{at.Addr(), netip.IPv4Unspecified()} {
			p.anotherTakes(at, squats)
		}
		p.lodge("down").ok(t)
	}, opts...)
}

// anotherTakes lets another user take the service's ports, at its address at or
// at all of them, and give them back.
func (p *project) anotherTakes(at netip.AddrPort, squats netip.Addr) {
	p.t.Helper()
	url := p.urlOf("web")
	if got, err := fetch(p.byName(1), url); err != nil || got != "the service" {
		p.t.Fatalf("before: %q, %v", got, err)
	}
	if err := os.Remove(filepath.Join(p.dir, "listen")); err != nil {
		p.t.Fatal(err)
	}
	stop := p.squatter(netip.AddrPortFrom(squats, at.Port()))
	if got, err := get(at, "/"); err != nil || got != "MALLORY" {
		p.t.Fatalf("the other user's server: %q, %v", got, err)
	}
	p.isNowhere(at, squats)
	answers := make(chan string, 3)
	for version := range 2 {
		c := p.byName(version + 1)
		go func() {
			got, err := fetch(c, url)
			answers <- fmt.Sprint(got, err)
		}()
	}
	go func() { answers <- overTLS(url) }()
	p.isNowhere(at, squats)
	stop()
	p.write("listen", "")
	for range 3 {
		if got := <-answers; !strings.HasPrefix(got, "the service<nil>") {
			p.t.Errorf("squatter at %s: a request meanwhile: %q", squats, got)
		}
	}
	p.up()
}

// squatter takes a TCP port and the next UDP port for a user who is nobody else, and
// returns what ends it.
func (e *env) squatter(at netip.AddrPort) (stop func()) {
	e.t.Helper()
	cmd := hostCommand(systemPython, "-c", squat, at.Addr().String(), fmt.Sprint(at.Port()))
	uid := uint32(freshUID())
	cmd.Dir, cmd.Stderr = "/", os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	out, err := cmd.StdoutPipe()
	if err != nil {
		e.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		e.t.Fatal(err)
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	}
	e.t.Cleanup(stop)
	if _, err := out.Read(make([]byte, 1)); err != nil {
		e.t.Fatal("take the address:", err)
	}
	return stop
}

// isNowhere checks that no list has a socket at the service's address, or at
// the address that somebody else took, as the service's.
func (p *project) isNowhere(at netip.AddrPort, taken netip.Addr) {
	p.t.Helper()
	eventually(p.t, func() string {
		s, _ := p.service("web")
		if s.State != "starting" || len(s.Endpoints) > 0 {
			return fmt.Sprintf("it is %s, with endpoints %+v", s.State, s.Endpoints)
		}
		return ""
	})
	var table struct {
		Rows []struct {
			Local struct {
				IP   netip.Addr `json:"ip"`
				Port uint16     `json:"port"`
			} `json:"local"`
			Service string `json:"service"`
		} `json:"sockets"`
	}
	out := p.lodge("ports", "--json").ok(p.t)
	if err := json.Unmarshal([]byte(out), &table); err != nil {
		p.t.Fatal(err)
	}
	found := 0
	for _, r := range table.Rows {
		if (r.Local.IP == at.Addr() || r.Local.IP == taken) && (r.Local.Port == at.Port() || r.Local.Port == at.Port()+1) {
			found++
			if r.Service != "" {
				p.t.Errorf("ports has %+v", r)
			}
		}
	}
	if found < 2 { // connections are listed too
		p.t.Errorf("ports has %d of the other user's sockets: %s", found, out)
	}
	if got := p.lodge("explain", "web").ok(p.t); !strings.Contains(got, "listens nowhere now") {
		p.t.Errorf("explain: %s", got)
	}
}

// overTLS asks by TLS alone, without HTTP in the handshake (ALPN), so that the
// two connections are joined.
func overTLS(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return err.Error()
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	c, err := tls.Dial("tcp", net.JoinHostPort("127.0.0.1", port), &tls.Config{ServerName: u.Hostname(), InsecureSkipVerify: true, NextProtos: []string{"x"}}) //nolint:gosec // what it says is what counts
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		return err.Error()
	}
	b, err := io.ReadAll(c)
	_, body, _ := strings.Cut(string(b), "\r\n\r\n")
	return fmt.Sprint(body, err)
}
