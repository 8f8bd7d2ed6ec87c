package seccomphome

import (
	"fmt"
	"strconv"
	"testing"

	"lodge/internal/loopback"
)

// isolateRows are ways out of a home that were found, and what they come to.
// OUT is the port of a server outside that answers "outside".
var isolateRows = []struct {
	name      string
	isolation loopback.Isolation // "" is both
	script    string
	want      []string
}{
	{name: "sendmsg, strict", isolation: loopback.Strict, script: `
s = socket(AF_INET, SOCK_DGRAM); s.settimeout(20); s.bind(('127.0.0.1', OUT))
c = socket(AF_INET, SOCK_DGRAM); c.settimeout(20); print(c.sendmsg([b'he', b'', b'llo'], [], 0, ('127.0.0.1', OUT)))
d, a = s.recvfrom(10); print(d, a[0] == HOME); print(s.sendmsg([b'answer'], [], 0, a)); print(c.recv(10))
s.close(); c.sendmsg([b'x'], [], 0, ('127.0.0.1', OUT)); c.connect(('127.0.0.1', OUT)); print(name(c.sendmsg, [b'y']))
p, q = socketpair(); send_fds(p, [b'fd'], [0]); print(recv_fds(q, 9, 1)[0])`,
		want: []string{"5", "b'hello' True", "6", "b'answer'", "1", "b'fd'"}},
	{name: "sendmmsg, strict", isolation: loopback.Strict, script: `
s = socket(AF_INET, SOCK_DGRAM); s.settimeout(20); s.bind(('127.0.0.1', OUT)); c = socket(AF_INET, SOCK_DGRAM)
to = ctypes.create_string_buffer(struct.pack('=H', 2) + struct.pack('>H', OUT) + bytes([127, 0, 0, 1]) + bytes(8), 16)
bufs = [ctypes.create_string_buffer(b) for b in (b'one', b'three')]; iovs = [ctypes.create_string_buffer(struct.pack('QQ', ctypes.addressof(b), len(b) - 1)) for b in bufs]
v = ctypes.create_string_buffer(b''.join(struct.pack('QIIQQQQiIIi', ctypes.addressof(to), 16, 0, ctypes.addressof(i), 1, 0, 0, 0, 0, 99, 0) for i in iovs))
print(ctypes.CDLL(None).sendmmsg(c.fileno(), v, 2, 0)); print(s.recv(10), s.recv(10), struct.unpack_from('I', v, 56)[0], struct.unpack_from('I', v, 120)[0])`,
		want: []string{"2", "b'one' b'three' 3 5"}},
	{name: "Fast Open by sendmsg", script: `
s = socket(); s.bind(('127.0.0.1', 3000)); s.listen(); c = socket(); print(c.sendmsg([b'fast'], [], MSG_FASTOPEN, ('127.0.0.1', 3000))); a, _ = s.accept(); a.settimeout(20); print(a.recv(10))
print(name(socket().sendmsg, [b'x'], [], MSG_FASTOPEN, ('127.0.0.1', 3001)))
c = socket(); c.setsockopt(IPPROTO_TCP, 30, 1); c.connect(('127.0.0.1', 3000)); print(c.send(b'later')); a, _ = s.accept(); a.settimeout(20); print(a.recv(10))`,
		want: []string{"4", "b'fast'", "ECONNREFUSED", "5", "b'later'"}},
	{name: "other loopback addresses, strict", isolation: loopback.Strict, script: `
s = socket(); s.bind(('127.0.0.2', 0)); s.listen(); print(name(socket().connect, s.getsockname()))
for a in ('127.0.0.2', '127.1.2.3', '127.64.9.9'):
    print(name(socket().connect, (a, OUT)), name(socket(AF_INET6).connect, ('::ffff:' + a, OUT)), name(socket(AF_INET, SOCK_DGRAM).connect, (a, OUT)), name(socket(AF_INET, SOCK_DGRAM).sendto, b'x', (a, OUT)), name(socket(AF_INET, SOCK_DGRAM).sendmsg, [b'x'], [], 0, (a, OUT)))
print(name(socket(AF_INET6).connect, ('fd6c:6f64:6765::7f40:909', OUT)))
s = socket(); s.bind((HOME, 3000)); s.listen(); print(name(socket().connect, (HOME, 3000)))`,
		want: []string{"ok", "ECONNREFUSED ECONNREFUSED ECONNREFUSED ECONNREFUSED ECONNREFUSED", "ECONNREFUSED ECONNREFUSED ECONNREFUSED ECONNREFUSED ECONNREFUSED",
			"ECONNREFUSED ECONNREFUSED ECONNREFUSED ECONNREFUSED ECONNREFUSED", "ECONNREFUSED", "ok"}},
	{name: "listen after a connect that was given up", script: `
def gave_up(bind, f=AF_INET, to='192.0.2.1'):
    s = socket(f); s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1); s.setblocking(False)
    if bind: s.bind(bind)
    s.connect_ex((to, 9)); ctypes.CDLL(None).connect(s.fileno(), struct.pack('=H14x', 0), 16); s.listen(5)
    table = '/proc/net/tcp' if f == AF_INET else '/proc/net/tcp6'; inode = str(os.fstat(s.fileno()).st_ino)
    at = [l.split()[1] for l in open(table) if l.split()[9] == inode and l.split()[3] == '0A']
    p = s.getsockname()[1]; print(len(at), at[0][:-5].strip('0') != '', name(socket().connect, ('127.0.0.1', p)), not bind or bind[1] in (0, p)); return s
keep = [gave_up(None), gave_up(('0.0.0.0', 3000)), gave_up(('0.0.0.0', 0)), gave_up(None, AF_INET6, '::ffff:192.0.2.1'), gave_up(('::', 3001), AF_INET6, '::ffff:192.0.2.1'), gave_up(None, AF_INET, '127.0.0.1')]`,
		want: []string{"1 True ok True", "1 True ok True", "1 True ok True", "1 True ok True", "1 True ok True", "1 True ok True"}},
	{name: "a connected socket stays connected", script: `
s = socket(); s.bind(('127.0.0.1', 3000)); s.listen(); c = socket(); c.bind(('0.0.0.0', 3001)); c.connect(('127.0.0.1', 3000)); a, _ = s.accept()
print(name(c.connect, ('192.0.2.1', 9)), name(c.connect, ('127.0.0.1', 3000)), name(c.listen), name(c.bind, ('127.0.0.1', 3005))); a.send(b'still'); c.settimeout(20); print(c.recv(9))`,
		want: []string{"EISCONN EISCONN EINVAL EINVAL", "b'still'"}},
	{name: "a second connect while the first is made", script: `
s = socket(); s.bind(('127.0.0.1', 3000)); s.listen(0); full = []
for _ in range(3):
    c = socket(); c.setblocking(False); c.connect_ex(('127.0.0.1', 3000)); full.append(c)
c = socket(); c.setblocking(False); print(name(c.connect, ('127.0.0.1', 3000)), name(c.connect, ('127.0.0.1', 3000)), name(c.connect, ('127.0.0.1', 3009)), name(c.listen), name(c.getpeername))
s.close(); print(name(c.connect, ('127.0.0.1', 3000)))`,
		want: []string{"EINPROGRESS EALREADY EALREADY EINVAL ENOTCONN", "EALREADY"}},
	{name: "UDP-Lite", script: `
try: s = socket(AF_INET, SOCK_DGRAM, 136)
except OSError: s = None
if s:
    s.settimeout(20); s.bind(('0.0.0.0', 3000)); inode = str(os.fstat(s.fileno()).st_ino); print([l.split()[1][:8] != '00000000' for l in open('/proc/net/udplite') if l.split()[9] == inode], show(s.getsockname()))
    c = socket(AF_INET, SOCK_DGRAM, 136); c.sendto(b'one', ('127.0.0.1', 3000)); print(s.recv(9)); c.connect(('127.0.0.1', 3000)); c.send(b'two'); print(s.recv(9))
else: print("[True] 127.0.0.1 3000"); print("b'one'"); print("b'two'")`,
		want: []string{"[True] 127.0.0.1 3000", "b'one'", "b'two'"}},
	{name: "bind with AF_UNSPEC", script: `
s = socket(); print(ctypes.CDLL(None).bind(s.fileno(), struct.pack('=H', 0) + struct.pack('>H', 3000) + bytes(12), 16)); s.listen(); print(show(s.getsockname()), name(socket().connect, ('127.0.0.1', 3000)))
libc = ctypes.CDLL(None, use_errno=True); print(libc.bind(socket().fileno(), struct.pack('=H', 0) + struct.pack('>H', 3000) + bytes([127, 0, 0, 1]) + bytes(8), 16))`,
		want: []string{"0", "127.0.0.1 3000 ok", "-1"}},
	{name: "protocols that a strict home does without", isolation: loopback.Strict, script: `
for f, k, p in ((AF_INET, SOCK_STREAM, 132), (AF_INET6, SOCK_SEQPACKET, 0), (AF_INET, 6, 33), (43, SOCK_STREAM, 0), (AF_UNIX, SOCK_SEQPACKET, 0)): print(name(lambda: socket(f, k, p).close()))`,
		want: []string{"EPROTONOSUPPORT", "EPROTONOSUPPORT", "EPROTONOSUPPORT", "EAFNOSUPPORT", "ok"}},
	{name: "32-bit calls of a 64-bit program", script: i386Calls + `
s = socket(); s.bind(('127.0.0.1', 3000)); s.listen()
if not works: print('ok ok'); print('same same'); sys.exit(0)
b, c, d = socket(), socket(), socket()
print('ok' if call(361, b.fileno(), inet('0.0.0.0', 3001), 16) == 0 else 'bind', 'ok' if call(362, c.fileno(), inet('127.0.0.1', 3000), 16) == 0 else 'connect')
want = 0 if ISOLATION == 'overlay' else -errno.ECONNREFUSED
direct, packed = call(362, socket().detach(), inet('127.0.0.1', OUT), 16), call(102, 3, words(d.fileno(), inet('127.0.0.1', OUT), 16), 0)
print('same' if direct == want else direct, 'same' if packed == want else packed)`,
		want: []string{"ok ok", "same same"}},
}

// i386Calls defines call, which makes a system call of the 32-bit ABI by
// int $0x80. works is False where the machine has none.
const i386Calls = `
libc = ctypes.CDLL(None, use_errno=True); libc.mmap.restype = ctypes.c_void_p; libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
low = libc.mmap(None, 8192, 7, 0x62, -1, 0); code = bytes.fromhex('53' '89f8' '89f3' '4189c8' '89d1' '4489c2' 'cd80' '5b' 'c3'); ctypes.memmove(low, code, len(code))
call = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int)(low); room = low + 4096
def put(b):
    global room
    ctypes.memmove(room, b, len(b)); room += 64; return room - 64
def inet(ip, port): return put(struct.pack('=H', 2) + struct.pack('>H', port) + inet_aton(ip) + bytes(8))
def words(*w): return put(struct.pack('=%di' % len(w), *w))
child = os.fork()
if child == 0: os._exit(0 if call(20, 0, 0, 0) == os.getpid() else 1)
works = os.waitpid(child, 0)[1] == 0
`

func TestIsolation(t *testing.T) {
	for _, isolation := range []loopback.Isolation{loopback.Overlay, loopback.Strict} {
		for _, row := range isolateRows {
			if row.isolation != "" && row.isolation != isolation {
				continue
			}
			t.Run(string(isolation)+"/"+row.name, func(t *testing.T) {
				h := newHome(t, isolation)
				script := "OUT = " + strconv.Itoa(outside(t)) + "\nISOLATION = '" + string(isolation) + "'\nHOME = '" + h.spec.IP4.String() + "'" + row.script
				p := py(t, h, "web", script)
				for _, want := range row.want {
					if got := p.line(); got != want {
						t.Errorf("program said %q, want %q", got, want)
					}
				}
				if rest := p.rest(); rest != "" || p.wait() != 0 {
					t.Errorf("program ended with %v: %s", p.wait(), rest)
				}
			})
		}
	}
}

// A program that swaps its message's address while it sends never gets out.
func TestFlippedMessage(t *testing.T) {
	h := newHome(t, loopback.Strict)
	got := py(t, h, "hostile", fmt.Sprintf("OUT = %d", outside(t))+`
to = ctypes.create_string_buffer(struct.pack('=H', 2) + struct.pack('>H', OUT) + bytes([127, 0, 0, 1]) + bytes(8), 16)
data = ctypes.create_string_buffer(b'x'); iov = ctypes.create_string_buffer(struct.pack('QQ', ctypes.addressof(data), 1))
head = ctypes.create_string_buffer(struct.pack('QIIQQQQiI', 0, 16, 0, ctypes.addressof(iov), 1, 0, 0, 0, 0)); word = ctypes.c_uint64.from_buffer(head)
stop = False
def flip():
    while not stop: word.value = ctypes.addressof(to); word.value = 0
x = threading.Thread(target=flip); x.start(); libc = ctypes.CDLL(None); c = socket(AF_INET, SOCK_DGRAM)
sent = tried = 0; end = time.monotonic() + 60
while tried < 300 or not sent and time.monotonic() < end:  # on a busy machine the other thread may not have come to it
    tried += 1; sent += libc.sendmsg(c.fileno(), head, MSG_DONTWAIT) == 1
stop = True; x.join()
print(sent > 0, select.select([c], [], [], 0)[0])`).rest()
	if got != "True []" {
		t.Errorf("%s, want some sent and no answer from outside", got)
	}
}
