package seccomphome

import (
	"errors"
	"net"
	"strings"
	"testing"

	"lodge/internal/home/feed"
	"lodge/internal/loopback"
)

// options does with sockets what programs seldom do, and prints what both ends see of it.
const options = `
import array, tempfile
SO_COOKIE, SO_ZEROCOPY, SO_BINDTODEVICE, SO_REUSEPORT = 57, 60, 25, 15
TCP_USER_TIMEOUT, TCP_NOTSENT_LOWAT, TCP_MAXSEG, IP_BIND_ADDRESS_NO_PORT = 18, 25, 2, 24
def listening(family=AF_INET, host='127.0.0.1', port=0, before=lambda s: None):
    s = socket(family); s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    if family == AF_INET6: s.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 0)
    before(s); s.bind((host, port)); s.listen(16); return s, s.getsockname()[1]
def accept(s):
    s.settimeout(20); a, who = s.accept(); a.settimeout(20); return a, who
def pair(before=lambda c: None, server=lambda s: None):
    s, p = listening(before=server); c = socket(); before(c); c.connect(('127.0.0.1', p)); c.settimeout(20); a, _ = accept(s); s.close(); return c, a
def all(c):
    out = b''
    try:
        while True:
            b = c.recv(65536)
            if not b: return out, 'end'
            out += b
    except OSError as e: return out, errno.errorcode.get(e.errno, str(e))
def events(p):
    got = p.poll(20000)
    return sorted(e for _, e in got)

# options that are set before the connect stay, and those that are set after it
keep = [(SOL_SOCKET, SO_KEEPALIVE, 1), (IPPROTO_TCP, TCP_KEEPIDLE, 77), (IPPROTO_TCP, TCP_NODELAY, 1), (IPPROTO_TCP, TCP_CORK, 0), (IPPROTO_TCP, TCP_USER_TIMEOUT, 5000),
    (IPPROTO_TCP, TCP_SYNCNT, 3), (IPPROTO_TCP, TCP_LINGER2, 9), (IPPROTO_TCP, TCP_NOTSENT_LOWAT, 16384), (IPPROTO_TCP, TCP_QUICKACK, 1), (IPPROTO_IP, IP_TOS, 0x10), (IPPROTO_IP, IP_TTL, 33),
    (SOL_SOCKET, SO_PRIORITY, 3), (SOL_SOCKET, SO_RCVBUF, 30000), (SOL_SOCKET, SO_SNDBUF, 30000), (SOL_SOCKET, SO_RCVLOWAT, 5), (SOL_SOCKET, SO_OOBINLINE, 1), (SOL_SOCKET, SO_REUSEADDR, 1)]
def put(c):
    for level, option, value in keep: c.setsockopt(level, option, value)
def read(c): return [c.getsockopt(level, option) for level, option, _ in keep if option != TCP_QUICKACK or level != IPPROTO_TCP]
c = socket(); put(c); was = read(c); cookie = c.getsockopt(SOL_SOCKET, SO_COOKIE, 8)
s, p = listening(before=put); c.connect(('127.0.0.1', p)); a, _ = accept(s)
print('kept', was == read(c), cookie == c.getsockopt(SOL_SOCKET, SO_COOKIE, 8), read(a))
c, a = pair(); put(c); print('after', read(c)); c.sendall(b'12345'); print(a.recv(9))
print('credentials', struct.unpack('iii', c.getsockopt(SOL_SOCKET, SO_PEERCRED, 12)))
print('info', c.getsockopt(IPPROTO_TCP, TCP_INFO, 1), a.getsockopt(IPPROTO_TCP, TCP_INFO, 1), c.getsockopt(IPPROTO_TCP, TCP_MAXSEG) > 1000)
c = socket(); c.setsockopt(IPPROTO_TCP, 13, b'reno'); s, p = listening(); c.connect(('127.0.0.1', p)); print('congestion', c.getsockopt(IPPROTO_TCP, 13, 16).rstrip(b'\0'))

# not blocking, with each way to wait
for way in 'select', 'poll', 'epoll', 'edge':
    s, p = listening(); c = socket(); c.setblocking(False)
    e = select.epoll() if way in ('epoll', 'edge') else select.poll()
    if way == 'epoll': e.register(c, select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP)
    r = c.connect_ex(('127.0.0.1', p))
    if way == 'edge': e.register(c, select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET)
    if way == 'poll': e.register(c, select.POLLIN | select.POLLOUT)
    got = select.select([], [c], [], 20)[1] == [c] if way == 'select' else [v for _, v in (e.poll(20) if way != 'poll' else e.poll(20000))]
    print(way, errno.errorcode.get(r, r), got, c.getsockopt(SOL_SOCKET, SO_ERROR), c.connect_ex(('127.0.0.1', p)) and errno.errorcode[c.connect_ex(('127.0.0.1', p))])
    a, who = accept(s); print(way, who[1] == c.getsockname()[1], show(c.getpeername()) == '127.0.0.1 %d' % p, show(a.getsockname()) == '127.0.0.1 %d' % p)
    if way == 'epoll':
        a.sendall(b'x'); a.shutdown(SHUT_WR)
        while e.poll(20)[0][1] != select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP: time.sleep(0.01)
        print('rdhup', all(c))

# families
for server, host in ((AF_INET6, '::'), (AF_INET6, '::1'), (AF_INET, '0.0.0.0'), (AF_INET, '127.0.0.1')):
    for family, to in ((AF_INET, '127.0.0.1'), (AF_INET, '0.0.0.0'), (AF_INET6, '::1'), (AF_INET6, '::ffff:127.0.0.1'), (AF_INET6, '::')):
        s, p = listening(server, host); c = socket(family); c.settimeout(20); r = c.connect_ex((to, p))
        if r: print(host, to, errno.errorcode.get(r, r)); continue
        a, who = accept(s); print(host, to, show(c.getpeername()).replace(str(p), 'port'), c.getsockname()[0], who[0], who[1] == c.getsockname()[1], show(a.getpeername()) == show(who), show(a.getsockname()).replace(str(p), 'port'))

# the source: ports of the client's choice, options that share them
def free():
    s = socket(); s.bind(('127.0.0.1', 0)); p = s.getsockname()[1]; s.close(); return p
for how in 'chosen', 'any', 'reuse', 'share', 'late', 'device', 'mapped':
    s, p = listening(); c = socket(AF_INET6 if how == 'mapped' else AF_INET); own = free()
    if how == 'reuse': c.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    if how == 'share': c.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1)
    if how == 'late': c.setsockopt(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1); own = 0
    if how == 'device': c.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, b'lo'); own = 0
    host = {'any': '0.0.0.0', 'mapped': '::ffff:127.0.0.1'}.get(how, '127.0.0.1')
    if how != 'device': c.bind((host, own))
    c.connect(('::ffff:127.0.0.1' if how == 'mapped' else '127.0.0.1', p)); a, who = accept(s); mine = c.getsockname()
    print(how, own in (0, mine[1]), who[1] == mine[1], mine[0], c.getsockopt(SOL_SOCKET, SO_REUSEADDR), c.getsockopt(SOL_SOCKET, SO_REUSEPORT))
    if how in ('reuse', 'share'): # the same port once more, to another service
        s2, p2 = listening(); d = socket(); d.setsockopt(SOL_SOCKET, SO_REUSEADDR if how == 'reuse' else SO_REUSEPORT, 1)
        d.bind(('127.0.0.1', own)); print(how, name(d.connect, ('127.0.0.1', p2)), d.getsockname()[1] == own, accept(s2)[1][1] == own)
        e = socket(); e.setsockopt(SOL_SOCKET, SO_REUSEADDR if how == 'reuse' else SO_REUSEPORT, 1); e.bind(('127.0.0.1', own)); print(how, 'the same two', name(e.connect, ('127.0.0.1', p)))

# a socket that is disconnected, and connected to another one
libc = ctypes.CDLL(None, use_errno=True)
s, p = listening(); c = socket(); c.connect(('127.0.0.1', p)); a, _ = accept(s)
print('disconnect', libc.connect(c.fileno(), struct.pack('H14x', 0), 16), all(a)[1], name(c.getpeername))
s2, p2 = listening(); print(name(c.connect, ('127.0.0.1', p2)), c.getpeername()[1] == p2, accept(s2)[1][1] == c.getsockname()[1])
c = socket(); print('again', name(c.connect, ('127.0.0.1', free())), name(c.connect, ('127.0.0.1', p)), c.getpeername()[1] == p)

# reading: peek, low water, wait for all, how much there is
c, a = pair(lambda c: c.setsockopt(SOL_SOCKET, SO_RCVLOWAT, 4)); a.sendall(b'ab'); print('low', select.select([c], [], [], 0.05)[0] == []); a.sendall(b'cd')
print(select.select([c], [], [], 20)[0] == [c], c.recv(2, MSG_PEEK), c.recv(9, MSG_PEEK), c.recv(9))
threading.Timer(0.05, lambda: (a.sendall(b'gh'), a.close())).start(); a.sendall(b'ef'); print('wait', c.recv(4, MSG_WAITALL), c.recv(1))

# pieces that the kernel moves
with tempfile.TemporaryFile() as f:
    f.write(b'file' * 50000); f.flush(); c, a = pair()
    t = threading.Thread(target=lambda: (c.sendfile(f, 0), c.shutdown(SHUT_WR))); t.start(); print('sendfile', len(all(a)[0])); t.join()
r, w = os.pipe(); r2, w2 = os.pipe(); c, a = pair(); os.write(w, b'splice')
print('splice', os.splice(r, c.fileno(), 6), select.select([a], [], [], 20)[0] == [a], os.splice(a.fileno(), w2, 6), os.read(r2, 9))
c, a = pair(); c.setsockopt(SOL_SOCKET, SO_ZEROCOPY, 1); copied = False
try: c.send(b'z' * 40000, 0x4000000)
except OSError as e: # without a privilege, the user may pin no more memory than RLIMIT_MEMLOCK
    if e.errno != errno.ENOBUFS: raise
    copied = True; c.sendall(b'z' * 40000)
got = 0
while got < 40000: got += len(a.recv(65536))
q = select.poll(); q.register(c, 0)
print('zero copy', copied or events(q) == [select.POLLERR] and len(c.recvmsg(1, 200, MSG_ERRQUEUE)[1]) == 1, name(c.send, b'on'), a.recv(9))
c, a = pair(); print('vector', c.sendmsg([b'a', b'b' * 10, b'']), a.recvmsg_into([bytearray(4), bytearray(20)])[0])

# who else has it: a fork, a descriptor that is passed, a duplicate
s, p = listening(); c = socket(); r, w = os.pipe(); c.connect(('127.0.0.1', p)); a, who = accept(s)
if os.fork() == 0:
    c.sendall(b'child'); os.write(w, show(c.getpeername()).encode()); os._exit(0)
c.close(); os.wait(); print('fork', a.recv(9), a.recv(9), os.read(r, 99).decode() == '127.0.0.1 %d' % p)
one, two = socketpair(); c, a = pair(); c.sendall(b'passed')
if os.fork() == 0:
    _, fds, _, _ = recv_fds(two, 9, 1); d = socket(fileno=fds[0]); d.sendall(b'on'); print(d.getpeername()[0], flush=True); os._exit(0)
send_fds(one, [b'x'], [c.fileno()]); c.close(); os.wait(); print(all(a))
s, p = listening(); c = socket(); os.dup2(c.fileno(), 99); c.setblocking(False); c.connect_ex(('127.0.0.1', p)); d = socket(fileno=99); c.close(); select.select([], [d], [], 20); print('dup', accept(s)[1][1] == d.getsockname()[1])

# ends: what each side is told, and how a wait ends
c, a = pair(); e = select.poll(); e.register(a, select.POLLIN | 0x2000); c.shutdown(SHUT_WR); print('end', events(e)); a.close(); print(all(c))
c, a = pair(); c.shutdown(SHUT_RD); a.sendall(b'x'); time.sleep(0.05); print('read', c.recv(1), name(c.sendall, b'y'), a.recv(1))
c, a = pair(); e = select.poll(); e.register(a, select.POLLIN | 0x2000); c.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack('ii', 1, 0)); c.close()
print('reset', events(e), all(a)); print(name(a.send, b'x'), name(a.getpeername))
c, a = pair(); c.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack('ii', 1, 5)); c.sendall(b'last'); c.close(); print('linger', all(a))
c, a = pair(); c.shutdown(SHUT_RDWR); print('both', all(a), name(a.shutdown, SHUT_WR))

# a reset that comes while the other end does not read
for who in (0, 1):
    ends = pair(); one, other = ends[who], ends[1 - who]; one.setblocking(False)
    try:
        while True: one.send(b'z' * 65536)
    except BlockingIOError: pass
    one.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack('ii', 1, 0)); one.close()
    e = select.poll(); e.register(other, 0); print('unread', bool(events(e)[0] & select.POLLERR), all(other)[1])

# servers that wait for bytes, and clients that never come
s, p = listening(before=lambda s: s.setsockopt(IPPROTO_TCP, TCP_DEFER_ACCEPT, 5)); c = create_connection(('127.0.0.1', p)); c.sendall(b'x'); print('defer', accept(s)[0].recv(1))
print('length', libc.connect(socket().fileno(), struct.pack('HH', 2, 0), 4))
`

// TestRelayOptions: options, ways to wait, families, chosen ports, what passes descriptors
// on, and the ends of connections are the same through the relay as without it.
func TestRelayOptions(t *testing.T) {
	for _, isolation := range []loopback.Isolation{loopback.Overlay, loopback.Strict} {
		t.Run(string(isolation), func(t *testing.T) {
			h := newHome(t, isolation)
			want := py(t, h, "direct", options).rest()
			tap := readTap(t, h)
			got := py(t, h, "relayed", options).rest()
			totals := tap.end()
			if got != want {
				a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
				for i := range min(len(a), len(b)) {
					if a[i] != b[i] {
						t.Errorf("relayed %s\ndirect  %s", a[i], b[i])
					}
				}
				t.Errorf("%d lines through the relay, %d directly:\n%s", len(a), len(b), got)
			}
			if !strings.Contains(want, "\nlength ") || len(tap.opened) < 50 {
				t.Errorf("%d connections, %+v\n%s", len(tap.opened), totals, want)
			}
			for why := range totals.Lost {
				// The port that a disconnected socket had may be another's by then.
				if why != feed.QueueFull && why != feed.Address {
					t.Errorf("lost: %s %+v", why, totals.Lost[why])
				}
			}
		})
	}
}

// TestRelayManyServices: services come and go, more of them than the relay has entries.
func TestRelayManyServices(t *testing.T) {
	const script = `
open = []
for i in range(400):
    s = socket(); s.bind(('127.0.0.1', 0)); s.listen()
    c = create_connection(s.getsockname()); a, _ = s.accept(); c.sendall(b'x'); assert a.recv(1) == b'x'
    c.close(); assert a.recv(1) == b''
    if i % 8: a.close()
    else: open.append(a)
    s.close()
print('done')
`
	h := newHome(t, loopback.Overlay)
	tap := readTap(t, h)
	if said := py(t, h, "test", script).rest(); said != "done" {
		t.Fatal(said)
	}
	if totals := tap.end(); len(totals.Lost) != 0 || len(tap.opened) != 400 {
		t.Errorf("%d connections, %+v", len(tap.opened), totals)
	}
	waitFor(t, "the listeners of the relay to be closed", func() bool { return listening(t) == 0 })
}

// listening counts the listening sockets of this process over IPv4.
func listening(t *testing.T) (n int) {
	t.Helper()
	for _, s := range ownSockets(t) {
		const listens = "0A"
		if s[2] == listens {
			n++
		}
	}
	return n
}

// TestRelayManyTaps: a home has a bounded number of taps, and takes new ones when others
// have ended.
func TestRelayManyTaps(t *testing.T) {
	h := newHome(t, loopback.Overlay)
	var err error
	var taps []*net.UnixConn
	for err == nil && len(taps) < 100 {
		ours, theirs := socketPair(t)
		if err = h.Tap(theirs); err == nil {
			taps = append(taps, ours)
		}
	}
	if !errors.Is(err, feed.ErrTooMany) || len(taps) == 0 {
		t.Fatalf("%d taps: %v", len(taps), err)
	}
	for _, c := range taps {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	waitFor(t, "the taps to end", func() bool { return !h.relay.On() })
	last := readTap(t, h)
	py(t, h, "db", "p = socket(); p.bind(('127.0.0.1', 0)); p.listen(); create_connection(p.getsockname()).close()").rest()
	last.sees("a connection", func() bool { return len(last.opened) == 1 })
	last.end()
}
