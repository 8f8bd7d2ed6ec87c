package seccomphome

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
)

// No connection is refused while a server that knows nothing of it restarts.
func TestHold(t *testing.T) {
	for name, server := range map[string]string{
		"plain": `
s = socket(); s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)`,
		"without SO_REUSEADDR": `
s = socket()`,
		"dual stack": `
s = socket(AF_INET6); s.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 0)`,
		"IPv6 only": `
s = socket(AF_INET6); s.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 1)`,
		"Multipath TCP": `
s = socket(AF_INET, SOCK_STREAM, 262)`,
		"non-blocking, kept over exec": `
s = socket(); s.setblocking(False); os.set_inheritable(s.fileno(), True)`,
	} {
		t.Run(name, func(t *testing.T) { testHold(t, server) })
	}
}

func testHold(t *testing.T, script string) {
	h := newHome(t, loopback.Strict)
	script += `
import fcntl
flags = [s.getblocking(), os.get_inheritable(s.fileno())]
s.bind(('::' if s.family == AF_INET6 else '0.0.0.0', 3000))
s.listen(200)
print('ready', show(s.getsockname()), s.getblocking() == flags[0], os.get_inheritable(s.fileno()) == flags[1])
while True:
    r, _, _ = select.select([s, sys.stdin], [], [])
    if sys.stdin in r: break
    c, a = s.accept(); c.send(sys.argv[1].encode()); c.close()
print('end')`
	old := py(t, h, "web", script, "old")
	ready := old.line()
	other := py(t, h, "other", "s = socket(); s.bind(('127.0.0.1', 4000)); s.listen(); print('ready'); sys.stdin.readline()")
	other.expect("ready")
	list, err := h.Endpoints()
	if err != nil || len(list) != 2 {
		t.Fatalf("endpoints %v, %v", list, err)
	}
	at := list[0].AddrPort()
	if at.Port() == 4000 {
		at = list[1].AddrPort()
	}
	seen := make(map[string]int)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	first := make(chan struct{}, 1)
	both := make(chan struct{})
	wg.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			c, err := net.DialTimeout("tcp", at.String(), deadline)
			if err != nil {
				t.Error("connect:", err)
				return
			}
			_ = c.SetDeadline(time.Now().Add(deadline))
			b, err := io.ReadAll(c)
			_ = c.Close()
			if err != nil {
				t.Error("read:", err)
				return
			}
			select {
			case first <- struct{}{}:
			default:
			}
			if seen[string(b)]++; len(seen) == 2 && seen["new"] == 20 {
				close(both)
			}
		}
	})
	<-first
	n, err := h.Hold("web")
	if err != nil || n != 1 {
		t.Fatal("Hold:", n, err)
	}
	old.say("")
	old.wait()
	// A second restart before the new process listens keeps what is kept.
	if n, err := h.Hold("web"); err != nil || n != 1 {
		t.Fatal("Hold again:", n, err)
	}
	if list, err := h.Endpoints(); err != nil || len(list) != 1 {
		t.Errorf("endpoints while held: %v, %v", list, err)
	}
	fresh := py(t, h, "web", script, "new")
	if got := fresh.line(); got != ready {
		t.Errorf("the new server said %q, the old one %q", got, ready)
	}
	select {
	case <-both:
	case <-time.After(deadline):
		fresh.say("")
		t.Error("no answer from the new server: ", fresh.rest())
	}
	close(stop)
	wg.Wait()
	t.Log(seen)
	if list, err := h.Endpoints(); err != nil || len(list) != 2 {
		t.Errorf("endpoints after: %v, %v", list, err)
	}
	if h.holds.Has(at) {
		t.Error("still held")
	}
	// Once it is taken it is the program's alone: it ends with it.
	fresh.say("")
	fresh.wait()
	if c, err := net.Dial("tcp", at.String()); err == nil {
		_ = c.Close()
		t.Error("somebody still listens")
	}
}

func TestUnhold(t *testing.T) {
	h := newHome(t, loopback.Strict)
	p := py(t, h, "web", `
s = socket(); s.bind(('127.0.0.1', 3000)); s.listen(); print('ready'); sys.stdin.readline()`)
	p.expect("ready")
	before := descriptors(t)
	for range 3 { // again is not twice
		if n, err := h.Hold("web"); err != nil || n != 1 {
			t.Fatal(n, err)
		}
	}
	if n, err := h.Hold("none"); err != nil || n != 0 {
		t.Error(n, err)
	}
	if err := unix.Kill(p.pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.wait()
	at := fmt.Sprintf("%v:3000", h.spec.IP4)
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal("while held:", err)
	}
	_ = c.Close()
	// A program that wants another kind of socket gets its own.
	if got := py(t, h, "web", `
s = socket(AF_INET6); s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1); s.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 0); print(name(s.bind, ('::', 3000))); print(name(s.listen))`).rest(); got != "ok\nok" {
		t.Error(got)
	}
	if n, err := h.Hold("web"); err != nil || n != 0 {
		t.Error(n, err)
	}
	h.Unhold("web")
	if c, err := net.Dial("tcp", at); err == nil {
		_ = c.Close()
		t.Error("somebody still listens")
	}
	waitFor(t, "our descriptors to be closed", func() bool { return descriptors(t) <= before })
}
