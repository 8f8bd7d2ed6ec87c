package seccomphome

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/home/feed"
	"lodge/internal/loopback"
)

// reading is a tap of a home, read as fast as it can be.
type reading struct {
	t    testing.TB
	conn *net.UnixConn
	done chan struct{}

	mu     sync.Mutex // guards what follows
	opened map[uint64]feed.Opening
	bytes  map[uint64]*[2]bytes.Buffer
	ends   map[uint64]string
	refuse []feed.Opening
	had    feed.Count
	missed uint64
	totals *feed.Totals
}

// tapHome taps a home, and returns the other end of the feed.
func tapHome(t testing.TB, h *Home) *net.UnixConn {
	t.Helper()
	ours, theirs := socketPair(t)
	if err := h.Tap(theirs); err != nil {
		t.Fatal(err)
	}
	return ours
}

// socketPair returns two sockets that are connected. The first is closed with the test.
func socketPair(t testing.TB) (ours, theirs *net.UnixConn) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	var conns [2]*net.UnixConn
	for i, fd := range pair {
		f := os.NewFile(uintptr(fd), "tap")
		c, err := net.FileConn(f)
		_ = f.Close()
		if err != nil {
			t.Fatal(err)
		}
		conns[i] = c.(*net.UnixConn)
	}
	t.Cleanup(func() { _ = conns[0].Close() })
	return conns[0], conns[1]
}

// readTap taps a home and reads what it is told.
func readTap(t testing.TB, h *Home) *reading {
	t.Helper()
	r := &reading{
		t: t, conn: tapHome(t, h), done: make(chan struct{}),
		opened: map[uint64]feed.Opening{}, bytes: map[uint64]*[2]bytes.Buffer{}, ends: map[uint64]string{},
	}
	go r.run()
	return r
}

func (r *reading) run() {
	defer close(r.done)
	in := feed.NewReader(r.conn)
	for n := 0; ; n++ {
		h, payload, err := in.Next()
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				r.t.Error(err)
			}
			return
		}
		if (h.Kind == feed.Ready) != (n == 0) {
			r.t.Errorf("frame %d is of kind %d", n, h.Kind)
		}
		r.frame(h, payload)
	}
}

func (r *reading) frame(h feed.Header, payload []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.missed += h.Missing
	switch h.Kind {
	case feed.Opened, feed.Refused:
		o, err := h.Opening(payload)
		if err != nil {
			r.t.Error(err)
		}
		r.had.Add(0)
		if h.Kind == feed.Refused {
			r.refuse = append(r.refuse, o)
			return
		}
		r.opened[h.Connection], r.bytes[h.Connection] = o, new([2]bytes.Buffer)
	case feed.Data:
		r.had.Add(len(payload))
		r.bytes[h.Connection][h.Side].Write(payload)
	case feed.Closed:
		r.had.Add(0)
		r.ends[h.Connection] += "CS"[h.Side : h.Side+1]
	case feed.Reset:
		r.had.Add(0)
		r.ends[h.Connection] += "cs"[h.Side : h.Side+1]
	case feed.Counts:
		t, err := h.Totals(payload)
		if err != nil {
			r.t.Error(err)
		}
		r.totals = &t
	}
}

// end ends the tap, and checks that all is accounted for.
func (r *reading) end() feed.Totals {
	r.t.Helper()
	if err := r.conn.CloseWrite(); err != nil {
		r.t.Fatal(err)
	}
	<-r.done
	if r.totals == nil {
		r.t.Fatal("the feed ends without counts")
	}
	sum := feed.Count{Pieces: r.totals.Delivered.Pieces + r.totals.Outside.Pieces, Bytes: r.totals.Delivered.Bytes}
	for _, n := range r.totals.Lost {
		sum.Pieces += n.Pieces
		sum.Bytes += n.Bytes
	}
	if sum != r.totals.Seen || r.had != r.totals.Delivered {
		r.t.Errorf("seen %+v, accounted for %+v; delivered %+v, read %+v", r.totals.Seen, sum, r.totals.Delivered, r.had)
	}
	return *r.totals
}

// sees waits until the tap has seen something.
func (r *reading) sees(what string, ok func() bool) {
	r.t.Helper()
	waitFor(r.t, what, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return ok()
	})
}

const echoServer = `
s = socket(); s.bind(('127.0.0.1', 0)); s.listen(512)
print(s.getsockname()[1], flush=True)
def serve(c):
    while True:
        b = c.recv(65536)
        if not b: break
        c.sendall(b)
    c.close()
while True:
    c, a = s.accept()
    print('from', a[1], flush=True)
    threading.Thread(target=serve, args=(c,), daemon=True).start()
`

// TestRelay: a connection through the relay is what a direct one is to both programs, and
// the tap has its bytes, with the process that connected.
func TestRelay(t *testing.T) {
	for _, isolation := range []loopback.Isolation{loopback.Overlay, loopback.Strict} {
		t.Run(string(isolation), func(t *testing.T) {
			h := newHome(t, isolation)
			server := py(t, h, "api", echoServer)
			port := server.line()
			tap := readTap(t, h)
			client := py(t, h, "web", `
for family, host in ((AF_INET, '127.0.0.1'), (AF_INET6, '::1')):
    c = socket(family); c.connect((host, int(sys.argv[1])))
    print(show(c.getpeername()), c.getsockname()[1], flush=True)
    c.sendall(b'hello'); print(c.recv(10)); c.shutdown(SHUT_WR); print(c.recv(10)); c.close()
c = socket(); c.bind(('127.0.0.1', 0)); own = c.getsockname()[1]; c.connect(('localhost', int(sys.argv[1])))
print(own == c.getsockname()[1], c.getsockopt(SOL_SOCKET, SO_REUSEADDR), own, flush=True)
`, port)
			for _, host := range []string{"127.0.0.1", "::1"} {
				line := client.line()
				own, ok := strings.CutPrefix(line, host+" "+port+" ")
				if !ok {
					t.Fatalf("the client says %q", line)
				}
				client.expect("b'hello'")
				client.expect("b''")
				server.expect("from " + own)
			}
			own, ok := strings.CutPrefix(client.line(), "True 0 ")
			if !ok {
				t.Error("a bound client's address or option has changed")
			}
			server.expect("from " + own)
			client.wait()
			tap.sees("the ends of three connections", func() bool { return len(tap.ends[1]) == 2 && len(tap.ends[2]) == 2 && len(tap.ends[3]) == 2 })
			totals := tap.end()
			if len(totals.Lost) != 0 || totals.Outside.Pieces != 0 {
				t.Errorf("totals %+v", totals)
			}
			for n := uint64(1); n <= 3; n++ {
				o := tap.opened[n]
				if o.Process.PID != client.pid || o.Process.Start == 0 || !strings.HasPrefix(o.Process.Command, "python3 -c") || o.Process.UID != uint32(os.Geteuid()) ||
					o.ClientService != "web" || o.ServerService != "api" || o.Server.String() != h.spec.IP4.String()+":"+port {
					t.Errorf("connection %d: %+v", n, o)
				}
				want := ""
				if n < 3 {
					want = "hello"
				}
				if b := tap.bytes[n]; b[feed.Client].String() != want || b[feed.Server].String() != want {
					t.Errorf("connection %d: %q, %q", n, b[0].String(), b[1].String())
				}
				if tap.ends[n] != "CS" {
					t.Errorf("connection %d ends %q", n, tap.ends[n])
				}
			}
		})
	}
}

// conduct does what programs do with connections, and prints what each sees.
const conduct = `
import selectors
def listening(backlog=16):
    s = socket(); s.bind(('127.0.0.1', 0)); s.listen(backlog); return s, s.getsockname()[1]
def pair():
    s, p = listening(); c = create_connection(('127.0.0.1', p)); a, _ = s.accept(); s.close(); c.settimeout(20); a.settimeout(20); return c, a
def free():
    s = socket(); s.bind(('127.0.0.1', 0)); p = s.getsockname()[1]; s.close(); return p
def all(c):
    out = b''
    try:
        while True:
            b = c.recv(65536)
            if not b: return out, 'end'
            out += b
    except OSError as e: return out, errno.errorcode.get(e.errno, str(e))
# refused
p = free()
print('refused', name(socket().connect, ('127.0.0.1', p)))
n = socket(); n.setblocking(False); r = n.connect_ex(('127.0.0.1', p))
select.select([], [n], [], 20); print('refused later', errno.errorcode[r], errno.errorcode[n.getsockopt(SOL_SOCKET, SO_ERROR) or r])
# not blocking
s, p = listening()
n = socket(); n.setblocking(False); r = n.connect_ex(('127.0.0.1', p))
print('not blocking', errno.errorcode.get(r, 0)); select.select([], [n], [], 20)
print(n.getsockopt(SOL_SOCKET, SO_ERROR), name(n.connect, ('127.0.0.1', p)), n.getpeername()[1] == p)
a, who = s.accept(); print('same port', who[1] == n.getsockname()[1], who[0])
# a queue that is full: the connect waits, or goes on
s, p = listening(0); waiting = []
for i in range(6):
    c = socket(); c.setblocking(False); waiting.append(errno.errorcode.get(c.connect_ex(('127.0.0.1', p)), 0)); waiting.append(c)
print('full', waiting[0::2])
# half-close, both ways
c, a = pair(); c.sendall(b'ask'); c.shutdown(SHUT_WR); print('half', all(a)); a.sendall(b'answer'); a.close(); print('half', all(c))
c, a = pair(); a.sendall(b'x'); a.shutdown(SHUT_WR); print('half server', all(c)); c.sendall(b'still'); c.close(); print(all(a))
# reset by the client, by the server, by unread data
for who in (0, 1):
    p = pair(); p[who].setsockopt(SOL_SOCKET, SO_LINGER, struct.pack('ii', 1, 0)); p[who].close(); print('reset', who, all(p[1 - who]))
c, a = pair(); c.sendall(b'unread')
select.select([a], [], [], 20); a.close(); print('unread', all(c)[1])
c, a = pair(); a.close(); all(c)
def write():
    for i in range(1000): c.sendall(b'x'); time.sleep(0.001)
print('write to a closed one', name(write) in ('EPIPE', 'ECONNRESET'))
# urgent data
c, a = pair(); a.setsockopt(SOL_SOCKET, SO_OOBINLINE, 0)
c.sendall(b'before'); c.send(b'!', MSG_OOB); c.sendall(b'after'); c.shutdown(SHUT_WR)
poll = select.poll(); poll.register(a, select.POLLPRI); poll.poll(20000)
print('urgent', a.recv(1, MSG_OOB), all(a))
# a client that is connected, and one that listens
s, p = listening(); c = create_connection(('127.0.0.1', p)); print('twice', name(c.connect, ('127.0.0.1', p)), name(s.connect, ('127.0.0.1', p)))
print('nodelay', c.getsockopt(IPPROTO_TCP, TCP_NODELAY))
# bounded: a writer whose reader does not read comes to a stop
c, a = pair(); c.setblocking(False); sent = 0
try:
    while sent < 1 << 30: sent += c.send(b'z' * 65536)
except BlockingIOError: print('stops', sent < 1 << 30)
c.setblocking(True); c.settimeout(20)
threading.Thread(target=lambda: c.shutdown(SHUT_WR)).start(); print(len(all(a)[0]) == sent)
# a name of its own, and a socket that is used again
c, a = pair(); c.close(); a.close()
s, p = listening(); c = socket(); c.bind(('127.0.0.1', 0)); own = c.getsockname()[1]; c.connect(('127.0.0.1', p)); a, who = s.accept(); print('bound', who[1] == own)
d = socket(); d.settimeout(0.0001 + 20); d.connect(('127.0.0.1', p)); print('timeout', d.gettimeout() > 20, d.getpeername()[1] == p)
print('fast open', name(lambda: socket().sendto(b'x', MSG_FASTOPEN, ('127.0.0.1', p))) != 'ECONNREFUSED')
`

// TestRelayConduct: programs see the same through the relay as without it: errors, ends,
// half-closed connections, resets, urgent data, waiting.
func TestRelayConduct(t *testing.T) {
	for _, isolation := range []loopback.Isolation{loopback.Overlay, loopback.Strict} {
		t.Run(string(isolation), func(t *testing.T) {
			h := newHome(t, isolation)
			want := py(t, h, "direct", conduct).rest()
			tap := readTap(t, h)
			got := py(t, h, "relayed", conduct).rest()
			totals := tap.end()
			if got != want {
				t.Errorf("through the relay:\n%s\ndirect:\n%s", got, want)
			}
			if !strings.Contains(want, "fast open True") || len(tap.opened) < 10 || len(tap.refuse) < 2 || totals.Lost[feed.Backlog].Pieces == 0 {
				t.Errorf("%d connections, %d refused, %+v\n%s", len(tap.opened), len(tap.refuse), totals, want)
			}
			for why := range totals.Lost {
				if why != feed.Backlog {
					t.Errorf("lost: %s", why)
				}
			}
		})
	}
}

// stream sends so many bytes both ways at once, and prints their hashes.
const stream = `
import hashlib
s = socket(); s.bind(('127.0.0.1', 0)); s.listen()
size = int(sys.argv[1]); block = os.urandom(1 << 20)
def send(c):
    h = hashlib.sha256(); left = size
    while left:
        b = block[:min(left, len(block))]; h.update(b); c.sendall(b); left -= len(b)
    c.shutdown(SHUT_WR); return h.hexdigest()
def recv(c):
    h = hashlib.sha256()
    while True:
        b = c.recv(1 << 20)
        if not b: return h.hexdigest()
        h.update(b)
c = create_connection(s.getsockname()); a, _ = s.accept()
out = {}
def note(k, f, c): out[k] = f(c)
ts = [threading.Thread(target=note, args=x) for x in (('c', send, c), ('s', send, a), ('gots', recv, c), ('gotc', recv, a))]
[t.start() for t in ts]; [t.join() for t in ts]
print(out['c'] == out['gotc'], out['s'] == out['gots'], out['c'], out['s'], flush=True)
`

// TestRelayStream: large transfers arrive byte for byte, and the tap has all of them, or
// knows how many it lacks.
func TestRelayStream(t *testing.T) {
	h := newHome(t, loopback.Overlay)
	tap := readTap(t, h)
	const size = 48 << 20
	p := py(t, h, "db", stream, strconv.Itoa(size))
	said := strings.Fields(p.rest())
	if len(said) != 4 || said[0] != "True" || said[1] != "True" {
		t.Fatalf("the program says %q", said)
	}
	tap.sees("both ends", func() bool { return len(tap.ends[1]) == 2 })
	totals := tap.end()
	lost := totals.Lost[feed.QueueFull].Bytes
	if sum := tap.had.Bytes + lost; sum != 2*size || tap.missed != lost {
		t.Errorf("%d bytes are accounted for, of which %d are lost, and %d missing in streams", sum, lost, tap.missed)
	}
	if lost == 0 {
		for side, want := range said[2:] {
			sum := sha256.Sum256(tap.bytes[1][side].Bytes())
			if got := hex.EncodeToString(sum[:]); got != want {
				t.Errorf("side %d: the tap has other bytes", side)
			}
		}
	}
}

// TestRelayStoppedReader: a tap that does not read slows no program, and what it lacks is
// counted when it reads again.
func TestRelayStoppedReader(t *testing.T) {
	h := newHome(t, loopback.Overlay)
	conn := tapHome(t, h)
	if said := py(t, h, "db", stream, strconv.Itoa(24<<20)).rest(); !strings.HasPrefix(said, "True True ") {
		t.Fatalf("the program says %q", said)
	}
	py(t, h, "db", "p = socket(); p.bind(('127.0.0.1', 0)); p.listen(); [create_connection(p.getsockname()).close() for i in range(100)]").rest()
	r := &reading{
		t: t, conn: conn, done: make(chan struct{}),
		opened: map[uint64]feed.Opening{}, bytes: map[uint64]*[2]bytes.Buffer{}, ends: map[uint64]string{},
	}
	go r.run()
	totals := r.end()
	if lost := totals.Lost[feed.QueueFull]; lost.Bytes < 24<<20 || r.missed != lost.Bytes || totals.Seen.Bytes != 48<<20 {
		t.Errorf("totals %+v, missing %d", totals, r.missed)
	}
	if len(r.opened) == 0 {
		t.Error("no connection was told of")
	}
}

// TestRelayManyConnections: two thousand connections, at once and one after another.
func TestRelayManyConnections(t *testing.T) {
	const script = `
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
s = socket(); s.bind(('127.0.0.1', 0)); s.listen(4096); open = []
for i in range(1000):
    c = create_connection(s.getsockname()); a, who = s.accept(); open.append((c, a))
    assert who[1] == c.getsockname()[1]
for i, (c, a) in enumerate(open): c.sendall(b'%d' % i)
for i, (c, a) in enumerate(open): assert a.recv(10) == b'%d' % i
for c, a in open: c.close(); assert a.recv(1) == b''; a.close()
for i in range(1000):
    c = create_connection(s.getsockname()); a, _ = s.accept(); c.sendall(b'x'); assert a.recv(1) == b'x'
    if i % 2: c.close(); a.close()
    else: a.close(); c.close()
print('done')
`
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil || files.Cur < 8192 {
		t.Skipf("too few descriptors: %d, %v", files.Cur, err)
	}
	h := newHome(t, loopback.Overlay)
	tap := readTap(t, h)
	if said := py(t, h, "db", script).rest(); said != "done" {
		t.Fatal(said)
	}
	totals := tap.end()
	tap.mu.Lock()
	defer tap.mu.Unlock()
	lost := uint64(0)
	for _, n := range totals.Lost {
		lost += n.Pieces
	}
	if got := uint64(len(tap.opened)) + lost; got != 2000 || lost > 20 {
		t.Errorf("%d connections, of which %d were not led through the relay: %+v", got, lost, totals.Lost)
	}
}

// TestRelayEnds: a connection goes on after its tap, also when that was killed, and new
// ones are direct then; a further tap sees new ones again.
func TestRelayEnds(t *testing.T) {
	for _, killed := range []bool{false, true} {
		t.Run(fmt.Sprintf("killed=%v", killed), func(t *testing.T) {
			h := newHome(t, loopback.Overlay)
			server := py(t, h, "api", echoServer)
			port := server.line()
			tap := readTap(t, h)
			client := py(t, h, "web", `
c = None
for line in sys.stdin:
    if line == 'new\n':
        c = create_connection(('127.0.0.1', int(sys.argv[1])))
    c.sendall(b'hello'); assert c.recv(10) == b'hello'; print(c.getsockname()[1], c.getpeername()[1], flush=True)
`, port)
			say := func(what string) (own uint16) {
				t.Helper()
				client.say(what)
				var peer string
				line := client.line()
				if _, err := fmt.Sscan(line, &own, &peer); err != nil || peer != port {
					t.Fatalf("the client says %q", line)
				}
				return own
			}
			first := say("new")
			if !relayed(t, first) {
				t.Error("the first connection does not go through the relay")
			}
			if killed {
				_ = tap.conn.Close()
				<-tap.done
			} else {
				tap.end()
			}
			waitFor(t, "the end of the relay", func() bool { return !h.relay.On() })
			if own := say("again"); own != first || !relayed(t, own) {
				t.Error("the first connection is another")
			}
			if own := say("new"); relayed(t, own) {
				t.Error("a connection after the tap goes through the relay")
			}
			tap = readTap(t, h)
			if own := say("new"); !relayed(t, own) {
				t.Error("a connection of the second tap does not go through the relay")
			}
			tap.sees("the bytes", func() bool { return len(tap.opened) == 1 && tap.had.Bytes == 10 })
			tap.end()
		})
	}
}

// ownSockets returns the TCP sockets over IPv4 of this process, which is the keeper here, as
// /proc/net/tcp has them (proc(5)): the local address, the other one, and the state.
func ownSockets(t *testing.T) (list [][]string) {
	t.Helper()
	inodes := map[string]bool{}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil {
			inodes[strings.TrimSuffix(strings.TrimPrefix(to, "socket:["), "]")] = true
		}
	}
	b, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 9 && inodes[f[9]] {
			list = append(list, f[1:4])
		}
	}
	return list
}

// relayed reports whether the socket that a service sees at a client's port is the keeper's.
func relayed(t *testing.T, own uint16) bool {
	t.Helper()
	for _, s := range ownSockets(t) {
		if s[0] == fmt.Sprintf("0100007F:%04X", own) && !strings.HasPrefix(s[1], "0100007F:") {
			return true
		}
	}
	return false
}

// TestRelayTurnsStrangersAway: who comes by itself to where programs are led is cut off,
// and reaches no service.
func TestRelayTurnsStrangersAway(t *testing.T) {
	h := newHome(t, loopback.Overlay)
	server := py(t, h, "api", echoServer)
	port := server.line()
	tap := readTap(t, h)
	client := py(t, h, "web", "c = create_connection(('127.0.0.1', int(sys.argv[1]))); print(c.getsockname()[1], flush=True); sys.stdin.readline(); c.sendall(b'x'); print(c.recv(1))", port)
	own, err := strconv.ParseUint(client.line(), 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	server.expect(fmt.Sprintf("from %d", own))
	var entry uint64
	for _, s := range ownSockets(t) {
		const listens = "0A"
		if hex, ok := strings.CutPrefix(s[0], "0100007F:"); ok && s[2] == listens {
			if entry, err = strconv.ParseUint(hex, 16, 16); err != nil {
				t.Fatal(err)
			}
		}
	}
	if entry == 0 || !relayed(t, uint16(own)) {
		t.Fatal("the client is not connected to the relay")
	}
	at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(entry)).String()
	for range 300 {
		c, err := net.Dial("tcp4", at)
		if errors.Is(err, unix.ECONNRESET) {
			continue // it was fast
		}
		if err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(make([]byte, 1)); err == nil || n > 0 {
			t.Errorf("a stranger reads %d bytes", n)
		}
		_ = c.Close()
	}
	client.say("go on")
	client.expect("b'x'")
	client.wait()
	tap.end()
	if len(tap.opened) != 1 {
		t.Errorf("%d connections", len(tap.opened))
	}
}

// TestRelayHomeCloses: a home that is closed tells its taps what they have, also one that
// does not read.
func TestRelayHomeCloses(t *testing.T) {
	h := newHome(t, loopback.Overlay)
	tap, idle := readTap(t, h), tapHome(t, h)
	py(t, h, "db", stream, "20000000").rest()
	h.relay.Close()
	<-tap.done
	if tap.totals == nil {
		t.Error("there are no counts")
	}
	_ = idle.Close()
	if _, theirs := socketPair(t); h.Tap(theirs) == nil {
		t.Error("a relay that is closed is tapped")
	}
}
