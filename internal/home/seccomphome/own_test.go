package seccomphome

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/home"
	"lodge/internal/loopback"
	"lodge/internal/mark"
)

// An orphan that cleared its environment before anybody saw it is known by its
// mark.
func TestMarkedOrphan(t *testing.T) {
	h := newHome(t, loopback.Overlay, func(s *home.Spec) {
		s.Mark = mark.Of(t.Name(), fmt.Sprint(os.Getpid()))
		if err := mark.Set(s.Mark); err != nil {
			t.Skip("marks cannot be had:", err)
		}
	})
	for _, service := range []string{"web", "db"} {
		p := py(t, h, service, `
r, w = os.pipe(); os.set_inheritable(w, True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve('/bin/sh', ['sh', '-c', 'echo x >&%d; exec sleep 1000' % w], {})
    os._exit(0)
os.wait(); os.read(r, 1); print('ready')`)
		p.expect("ready")
		p.wait()
	}
	pids, err := h.Pids("web")
	if err != nil || len(pids) != 1 {
		t.Fatalf("web: %v, %v", pids, err)
	}
	if err := h.Kill("web"); err != nil {
		t.Error(err)
	}
	if _, err := unix.Wait4(pids[0], nil, 0, nil); err != nil {
		t.Error(err)
	}
	if pids, err := h.Pids("db"); err != nil || len(pids) != 1 {
		t.Errorf("db: %v, %v", pids, err)
	}
}

// squatter listens at an address as another user, until the test ends.
func squatter(t *testing.T, uid uint32, at netip.AddrPort) {
	t.Helper()
	need(t, python)
	cmd := exec.Command(python, "-c", `
import socket, sys
while True:
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try: s.bind((sys.argv[1], int(sys.argv[2]))); s.listen(5); break
    except OSError: s.close()
print("x", flush=True); sys.stdin.read()`, at.Addr().String(), strconv.Itoa(int(at.Port())))
	cmd.Dir, cmd.Stderr = "/", os.Stderr
	if uid != uint32(os.Geteuid()) {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal("squatter:", err)
	}
}

func serviceAt(t *testing.T, h *Home, at netip.AddrPort) (string, bool) {
	t.Helper()
	list, err := h.Endpoints()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(e loopback.Endpoint) bool { return e.AddrPort() == at })
	if i < 0 {
		return "", false
	}
	return list[i].Service, true
}

// listensAndCloses listens on the port, and closes it at the first line of
// input; at the second it listens anew.
const listensAndCloses = `
def serve():
    s = socket(); s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1); s.bind(('0.0.0.0', int(sys.argv[1]))); s.listen(); return s
s = serve(); print('listens'); sys.stdin.readline()
s.close(); print('closed'); sys.stdin.readline()
c = socket(); print(name(c.connect, ('127.0.0.1', int(sys.argv[1]))))
sys.stdin.readline()`

// Who takes the address of a service that closed its socket is not the service,
// and programs inside are not led there. Another user's server is not listed.
func TestSquatter(t *testing.T) {
	for _, c := range []struct {
		name     string
		uid      uint32
		wildcard bool
	}{{"another user", 65534, false}, {"another user on all interfaces", 65534, true}, {"the same user", 0, false}} {
		t.Run(c.name, func(t *testing.T) {
			if os.Geteuid() != 0 && c.uid != 0 {
				t.Skip("needs root, to be another user")
			}
			h := newHome(t, loopback.Strict)
			// Nobody has the port at any address, so that it can be had at all.
			free, err := net.Listen("tcp4", "0.0.0.0:0")
			if err != nil {
				t.Fatal(err)
			}
			at := netip.AddrPortFrom(h.spec.IP4, netip.MustParseAddrPort(free.Addr().String()).Port())
			if err := free.Close(); err != nil {
				t.Fatal(err)
			}
			p := py(t, h, "web", listensAndCloses, strconv.Itoa(int(at.Port())))
			p.expect("listens")
			if service, ok := serviceAt(t, h, at); !ok || service != "web" {
				t.Fatalf("the service itself: %q, %v", service, ok)
			}
			for len(h.Changes()) > 0 {
				<-h.Changes()
			}
			p.say("")
			p.expect("closed")
			where := at
			if c.wildcard {
				where = netip.AddrPortFrom(netip.IPv4Unspecified(), at.Port())
			}
			uid := c.uid
			if uid == 0 {
				uid = uint32(os.Geteuid())
			}
			squatter(t, uid, where)
			<-h.Changes() // the engine notices by itself
			service, ok := serviceAt(t, h, at)
			if service != "" || ok == (c.uid != 0) {
				t.Errorf("who took its address: %q, %v", service, ok)
			}
			if c.uid != 0 {
				p.say("")
				p.expect("ECONNREFUSED")
			}
		})
	}
}

// An IPv6-only server is shown at the port that it asked for, and reached from
// outside at another.
func TestShownPort(t *testing.T) {
	h := newHome(t, loopback.Overlay)
	p := py(t, h, "web", `
s = socket(AF_INET6); s.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 1); s.bind(('::1', 3000)); s.listen(); print('listens'); s.accept(); print('accepted'); sys.stdin.readline()`)
	p.expect("listens")
	list, err := h.Endpoints()
	if err != nil || len(list) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	e := list[0]
	if e.Port != 3000 || e.RealPort == 0 || e.RealPort == 3000 || e.Service != "web" {
		t.Errorf("shown as %+v", e)
	}
	c, err := net.Dial("tcp", e.AddrPort().String())
	if err != nil {
		t.Fatal(err)
	}
	p.expect("accepted")
	_ = c.Close()
}
