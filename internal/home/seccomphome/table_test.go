package seccomphome

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"lodge/internal/loopback"
)

// outside is a server of the machine's own localhost, TCP and UDP on one
// port, that says "outside" to whoever comes.
func outside(t testing.TB) (port int) {
	t.Helper()
	var l net.Listener
	var u net.PacketConn
	for range 50 {
		var err error
		if l, err = net.Listen("tcp4", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		port = l.Addr().(*net.TCPAddr).Port
		if u, err = net.ListenPacket("udp4", l.Addr().String()); err == nil {
			break
		}
		_ = l.Close()
	}
	if u == nil {
		t.Fatal("no port that is free for TCP and UDP")
	}
	done := make(chan struct{}, 2)
	t.Cleanup(func() { _ = l.Close(); _ = u.Close(); <-done; <-done })
	go func() {
		defer func() { done <- struct{}{} }()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("outside"))
			_ = c.Close()
		}
	}()
	go func() {
		defer func() { done <- struct{}{} }()
		b := make([]byte, 100)
		for {
			_, from, err := u.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = u.WriteTo([]byte("outside"), from)
		}
	}()
	return port
}

// The rows of the table "What a home does". OUT in a script is the port of a
// server outside; HOME in what is wanted is the home's address. A script ends
// with a line from us, so that its sockets are there while they are looked at.
var rows = []struct {
	name      string
	isolation loopback.Isolation // "" is both
	script    string
	want      []string
	endpoints []string
}{
	{name: "bind 127.0.0.1", script: `
s = socket(); s.bind(('127.0.0.1', 3000)); s.listen(); print(show(s.getsockname()))`,
		want: []string{"127.0.0.1 3000"}, endpoints: []string{"tcp HOME:3000"}},
	{name: "bind 0.0.0.0", script: `
s = socket(); s.bind(('0.0.0.0', 3000)); s.listen(); print(show(s.getsockname()))`,
		want: []string{"127.0.0.1 3000"}, endpoints: []string{"tcp HOME:3000"}},
	{name: "bind ::", script: `
s = socket(AF_INET6); s.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 0); s.bind(('::', 3000)); s.listen(); print(show(s.getsockname()))`,
		want: []string{"::1 3000"}, endpoints: []string{"tcp HOME:3000"}},
	{name: "bind ::1", script: `
s = socket(AF_INET6); s.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 0); s.bind(('::1', 3000)); s.listen(); print(show(s.getsockname()))`,
		want: []string{"::1 3000"}, endpoints: []string{"tcp HOME:3000"}},
	{name: "bind ::ffff:127.0.0.1", script: `
s = socket(AF_INET6); s.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 0); s.bind(('::ffff:127.0.0.1', 3000)); s.listen(); print(show(s.getsockname()))`,
		want: []string{"::ffff:127.0.0.1 3000"}, endpoints: []string{"tcp HOME:3000"}},
	{name: "bind ::ffff:0.0.0.0", script: `
s = socket(AF_INET6); s.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 0); s.bind(('::ffff:0.0.0.0', 3000)); s.listen(); print(show(s.getsockname()))`,
		want: []string{"::ffff:127.0.0.1 3000"}, endpoints: []string{"tcp HOME:3000"}},
	{name: "IPv6-only", script: `
s = socket(AF_INET6); s.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 1); s.bind(('::', 3000)); s.listen(); print(show(s.getsockname()))
c = socket(AF_INET6); c.connect(('::1', 3000)); print(show(c.getpeername())); a, _ = s.accept(); print(show(a.getsockname()))
print(name(socket().connect, ('127.0.0.1', 3000)))
t = socket(AF_INET6); t.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 1); print(name(t.bind, ('::1', 3000)))`,
		want: []string{"::1 3000", "::1 3000", "::1 3000", "ECONNREFUSED", "EADDRINUSE"}, endpoints: []string{"tcp [::1]:*"}},
	{name: "IPv4 and IPv6-only on one port", script: `
s = socket(); s.bind(('0.0.0.0', 3000)); s.listen(); t = socket(AF_INET6); t.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 1); t.bind(('::', 3000)); t.listen()
c = socket(AF_INET6); c.connect(('::1', 3000)); print(show(t.accept()[0].getsockname()))
c = socket(); c.connect(('127.0.0.1', 3000)); print(show(s.accept()[0].getsockname()))`,
		want: []string{"::1 3000", "127.0.0.1 3000"}, endpoints: []string{"tcp HOME:3000", "tcp [::1]:*"}},
	{name: "127.0.0.1, then ::1 that is not IPv6-only", script: `
s = socket(); s.bind(('127.0.0.1', 3000)); s.listen(); t = socket(AF_INET6); t.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 0); print(name(t.bind, ('::1', 3000))); t.listen()
c = socket(AF_INET6); c.connect(('::1', 3000)); print(show(t.accept()[0].getsockname()))`,
		want: []string{"ok", "::1 3000"}, endpoints: []string{"tcp HOME:3000", "tcp [::1]:*"}},
	{name: "IPv6-only client to a server on IPv4", script: `
s = socket(); s.bind(('127.0.0.1', 3000)); s.listen()
c = socket(AF_INET6); c.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 1); print(name(c.connect, ('::1', 3000)))`,
		want: []string{"ok"}},
	{name: "bind port 0", script: `
s = socket(); s.bind(('0.0.0.0', 0)); s.listen(); a = s.getsockname(); print(a[0], a[1] > 0)
c = socket(); print(name(c.connect, ('127.0.0.1', a[1])))
s = socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[0])
s = socket(AF_INET6); s.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 1); s.bind(('::1', 0)); s.listen(); a = s.getsockname(); print(a[0])
print(name(socket(AF_INET6).connect, ('::1', a[1])))`,
		want: []string{"127.0.0.1 True", "ok", "127.0.0.1", "::1", "ok"}},
	{name: "listen without bind", script: `
s = socket(); s.listen(); a = s.getsockname(); print(a[0]); print(name(socket().connect, ('127.0.0.1', a[1])))
t = socket(AF_INET6); t.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 0); t.listen(); print(t.getsockname()[0])
u = socket(AF_INET6); u.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 1); u.listen(); a = u.getsockname(); print(a[0]); print(name(socket(AF_INET6).connect, ('::1', a[1])))`,
		want: []string{"127.0.0.1", "ok", "::ffff:127.0.0.1", "::1", "ok"}, endpoints: []string{"tcp HOME:*", "tcp HOME:*", "tcp [::1]:*"}},
	{name: "UDP send without bind", script: `
s = socket(AF_INET, SOCK_DGRAM); s.bind(('127.0.0.1', 3000)); s.settimeout(20)
c = socket(AF_INET, SOCK_DGRAM); c.settimeout(20); print(c.sendto(b'hello', ('127.0.0.1', 3000)))
d, a = s.recvfrom(100); print(d, a[0] == HOME); s.sendto(b'answer', a); print(c.recvfrom(100)[0])`,
		want: []string{"5", "b'hello' True", "b'answer'"}, endpoints: []string{"udp HOME:3000"}},
	{name: "UDP connect", script: `
s = socket(AF_INET, SOCK_DGRAM); s.bind(('0.0.0.0', 3000)); s.settimeout(20)
c = socket(AF_INET, SOCK_DGRAM); c.settimeout(20); c.connect(('localhost', 3000)); print(show(c.getpeername()), c.getsockname()[0]); c.send(b'hello')
d, a = s.recvfrom(100); print(d); s.sendto(b'answer', a); print(c.recv(100))
c.connect(('localhost', 3000)); print(c.send(b'x'))`,
		want: []string{"127.0.0.1 3000 127.0.0.1", "b'hello'", "b'answer'", "1"}, endpoints: []string{"udp HOME:3000"}},
	{name: "UDP pair that is connected both ways", script: `
a = socket(AF_INET, SOCK_DGRAM); a.bind(('127.0.0.1', 3000)); b = socket(AF_INET, SOCK_DGRAM); b.bind(('127.0.0.1', 3001))
print(name(a.connect, ('127.0.0.1', 3001))); print(name(b.connect, ('127.0.0.1', 3000))); b.settimeout(20); a.send(b'x'); print(b.recv(10))`,
		want: []string{"ok", "ok", "b'x'"}},
	{name: "UDP over IPv6", script: `
s = socket(AF_INET6, SOCK_DGRAM); s.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 0); s.bind(('::', 3000)); s.settimeout(20)
c = socket(AF_INET6, SOCK_DGRAM); c.settimeout(20); c.sendto(b'hello', ('::1', 3000)); d, a = s.recvfrom(100); print(d); s.sendto(b'answer', a); print(c.recvfrom(100)[0])
c = socket(AF_INET6, SOCK_DGRAM); c.connect(('::1', 3000)); print(show(c.getpeername()), c.getsockname()[0]); c.send(b'again'); print(s.recv(100))
c = socket(AF_INET, SOCK_DGRAM); c.sendto(b'four', ('127.0.0.1', 3000)); print(s.recv(100))
t = socket(AF_INET6, SOCK_DGRAM); t.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 1); t.bind(('::1', 3001)); t.settimeout(20); c = socket(AF_INET6, SOCK_DGRAM); c.sendto(b'only', ('::1', 3001)); print(t.recv(100))`,
		want: []string{"b'hello'", "b'answer'", "::1 3000 ::1", "b'again'", "b'four'", "b'only'"}},
	{name: "UDP client at the wildcard address is answered by its port", script: `
c = socket(AF_INET, SOCK_DGRAM); c.settimeout(20); c.bind(('0.0.0.0', 0)); p = c.getsockname()[1]
s = socket(AF_INET, SOCK_DGRAM); s.sendto(b'hi', ('127.0.0.1', p)); print(c.recv(10))`,
		want: []string{"b'hi'"}},
	{name: "connect by every name of localhost", script: `
s = socket(AF_INET6); s.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 0); s.bind(('::', 3000)); s.listen()
for f, a in [(AF_INET, '127.0.0.1'), (AF_INET, '0.0.0.0'), (AF_INET6, '::1'), (AF_INET6, '::'), (AF_INET6, '::ffff:127.0.0.1'), (AF_INET6, '::ffff:0.0.0.0')]:
    c = socket(f); c.connect((a, 3000)); print(show(c.getpeername()), c.getsockname()[0]); s.accept()[0].close(); c.close()`,
		want: []string{"127.0.0.1 3000 127.0.0.1", "127.0.0.1 3000 127.0.0.1", "::1 3000 ::1", "::1 3000 ::1", "::ffff:127.0.0.1 3000 ::ffff:127.0.0.1", "::ffff:127.0.0.1 3000 ::ffff:127.0.0.1"}},
	{name: "nobody inside: the machine's own", isolation: loopback.Overlay, script: `
c = socket(); c.connect(('127.0.0.1', OUT)); print(c.recv(100), show(c.getpeername()) == '127.0.0.1 %d' % OUT)
c = socket(AF_INET6); c.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 0); c.connect(('::ffff:127.0.0.1', OUT)); print(c.recv(100))
c = socket(AF_INET, SOCK_DGRAM); c.settimeout(20); c.sendto(b'x', ('127.0.0.1', OUT)); print(c.recv(100))
c = socket(AF_INET, SOCK_DGRAM); c.settimeout(20); c.connect(('127.0.0.1', OUT)); c.send(b'x'); print(c.recv(100))
s = socket(); s.bind(('127.0.0.1', OUT)); s.listen(); c = socket(); c.connect(('127.0.0.1', OUT)); s.accept()[0].send(b'inside'); print(c.recv(100))
s.close(); c = socket(); c.connect(('127.0.0.1', OUT)); print(c.recv(100))`,
		want: []string{"b'outside' True", "b'outside'", "b'outside'", "b'outside'", "b'inside'", "b'outside'"}},
	{name: "nobody inside: refused", isolation: loopback.Strict, script: `
for f, a in [(AF_INET, '127.0.0.1'), (AF_INET, '0.0.0.0'), (AF_INET6, '::1'), (AF_INET6, '::'), (AF_INET6, '::ffff:127.0.0.1'), (AF_INET6, '::ffff:0.0.0.0')]:
    print(name(socket(f).connect, (a, OUT)), name(socket(f, SOCK_DGRAM).connect, (a, OUT)), name(socket(f, SOCK_DGRAM).sendto, b'x', (a, OUT)))
c = socket(); c.setblocking(False); print(name(c.connect, ('127.0.0.1', OUT))); select.select([], [c], [], 20); print(errno.errorcode[c.getsockopt(SOL_SOCKET, SO_ERROR)])
print(name(socket().sendto, b'x', MSG_FASTOPEN, ('127.0.0.1', OUT)))
print(name(socket().sendmsg, [b'x'], [], MSG_FASTOPEN, ('127.0.0.1', OUT)))`,
		want: []string{"ECONNREFUSED ok 1", "ECONNREFUSED ok 1", "ECONNREFUSED ok 1", "ECONNREFUSED ok 1",
			"ECONNREFUSED ok 1", "ECONNREFUSED ok 1", "EINPROGRESS", "ECONNREFUSED", "ECONNREFUSED", "ECONNREFUSED"}},
	{name: "another address", script: `
s = socket(); s.bind(('127.0.0.2', 0)); s.listen(); a = s.getsockname(); print(a[0]); c = socket(); c.connect(a); print(show(c.getpeername()) == show(a))
c = socket(AF_INET, SOCK_DGRAM); c.connect(('127.0.0.53', 53)); print(show(c.getpeername()))`,
		want: []string{"127.0.0.2", "True", "127.0.0.53 53"}},
	{name: "non-blocking connect", script: `
s = socket(); s.bind(('127.0.0.1', 3000)); s.listen(); c = socket(); c.setblocking(False); print(name(c.connect, ('127.0.0.1', 3000)))
select.select([], [c], [], 20); print(c.getsockopt(SOL_SOCKET, SO_ERROR), show(c.getpeername()))`,
		want: []string{"EINPROGRESS", "0 127.0.0.1 3000"}},
	{name: "TCP Fast Open", script: `
s = socket(); s.bind(('127.0.0.1', 3000)); s.listen(); c = socket(); print(c.sendto(b'fast', MSG_FASTOPEN, ('127.0.0.1', 3000))); a, _ = s.accept(); a.settimeout(20); print(a.recv(10))
c = socket(); c.setblocking(False); print(name(c.sendto, b'fast', MSG_FASTOPEN, ('127.0.0.1', 3000)) in ('4', 'EINPROGRESS'))`,
		want: []string{"4", "b'fast'", "True"}},
	{name: "reconnect and disconnect", script: `
s = socket(AF_INET, SOCK_DGRAM); s.bind(('127.0.0.1', 3000)); c = socket(AF_INET, SOCK_DGRAM); c.connect(('127.0.0.1', 3000))
libc = ctypes.CDLL(None, use_errno=True); print(libc.connect(c.fileno(), struct.pack('H14x', 0), 16)); print(name(c.getpeername))
c = socket(); print(name(c.getpeername)); print(name(c.connect, ('127.0.0.1', 3002)))`,
		want: []string{"0", "ENOTCONN", "ENOTCONN", "ECONNREFUSED"}},
	{name: "taken port", script: `
s = socket(); s.bind(('127.0.0.1', 3000)); s.listen(); print(name(socket().bind, ('0.0.0.0', 3000))); print(name(socket(AF_INET6).bind, ('::', 3000)))`,
		want: []string{"EADDRINUSE", "EADDRINUSE"}},
	{name: "Unix, netlink and socketpair", script: `
import tempfile
d = tempfile.mkdtemp(); s = socket(AF_UNIX); s.bind(d + '/s'); s.listen(); c = socket(AF_UNIX); c.connect(d + '/s'); print(s.getsockname() == d + '/s', c.getpeername() == d + '/s')
pid, = struct.unpack('i8x', s.accept()[0].getsockopt(SOL_SOCKET, SO_PEERCRED, 12)); print(pid == os.getpid()); os.unlink(d + '/s'); os.rmdir(d)
s = socket(AF_UNIX, SOCK_DGRAM); s.bind('\0lodge-%d' % os.getpid()); c = socket(AF_UNIX, SOCK_DGRAM); print(c.sendto(b'abc', s.getsockname())); print(s.recv(10))
n = socket(AF_NETLINK, SOCK_RAW, 0); n.bind((0, 0)); print(n.getsockname()[0] > 0)`,
		want: []string{"True True", "True", "3", "b'abc'", "True"}},
}

func TestTable(t *testing.T) {
	for _, isolation := range []loopback.Isolation{loopback.Overlay, loopback.Strict} {
		for _, row := range rows {
			if row.isolation != "" && row.isolation != isolation {
				continue
			}
			t.Run(string(isolation)+"/"+row.name, func(t *testing.T) {
				h := newHome(t, isolation)
				out := outside(t)
				script := "OUT = " + strconv.Itoa(out) + "\nHOME = '" + h.spec.IP4.String() + "'" + row.script + "\nsys.stdin.readline()\n"
				p := py(t, h, "web", script)
				for _, want := range row.want {
					if got := p.line(); got != want {
						t.Errorf("program said %q, want %q", got, want)
					}
				}
				if row.endpoints != nil {
					checkEndpoints(t, h, row.endpoints)
				}
				p.say("")
				if rest := p.rest(); rest != "" || p.wait() != 0 {
					t.Errorf("program ended with %v: %s", p.wait(), rest)
				}
				waitFor(t, "the end of its endpoints", func() bool {
					list, err := h.Endpoints()
					if err != nil {
						t.Fatal(err)
					}
					return len(list) == 0
				})
			})
		}
	}
}

func checkEndpoints(t *testing.T, h *Home, want []string) {
	t.Helper()
	list, err := h.Endpoints()
	if err != nil {
		t.Fatal(err)
	}
	left := make(map[string]int)
	for _, w := range want {
		left[strings.ReplaceAll(w, "HOME", h.spec.IP4.String())]++
	}
	for _, e := range list {
		if e.Service != "web" {
			t.Errorf("endpoint %v of service %q", e, e.Service)
		}
		any := string(e.Protocol) + " " + strings.TrimSuffix(netip.AddrPortFrom(e.IP, 0).String(), "0") + "*"
		switch {
		case left[e.String()] > 0:
			left[e.String()]--
		case left[any] > 0:
			left[any]--
		default:
			t.Errorf("unexpected endpoint %v", e)
		}
	}
	for w, n := range left {
		if n != 0 {
			t.Errorf("endpoint %s is missing in %v", w, list)
		}
	}
}
