package seccomphome

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/support"
	"lodge/internal/loopback"
)

// Bad arguments get the same answers inside as outside.
func TestMalformed(t *testing.T) {
	cmd := exec.Command("/proc/self/exe", "-program", "malformed")
	plain, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSpace(string(plain)), "\n")
	for _, isolation := range []loopback.Isolation{loopback.Overlay, loopback.Strict} {
		h := newHome(t, isolation)
		got := strings.Split(self(t, h, "bad", "malformed").rest(), "\n")
		if len(got) != len(want) {
			t.Fatalf("%d lines, want %d; the last: %s", len(got), len(want), got[len(got)-1])
		}
		for i := range got {
			if got[i] == want[i] {
				continue
			}
			// Strict refuses at once what would come to nothing.
			if isolation == loopback.Strict && strings.HasSuffix(got[i], "ECONNREFUSED") {
				continue
			}
			t.Errorf("%s:\ninside  %s\noutside %s", isolation, got[i], want[i])
		}
	}
}

// A program that changes its address while it connects never gets out.
func TestFlippedAddress(t *testing.T) {
	h := newHome(t, loopback.Strict)
	out := outside(t)
	text := self(t, h, "hostile", "flip", "3000", fmt.Sprint(out)).rest()
	t.Log(text)
	if strings.Contains(text, "outside") {
		t.Error("it reached the server outside")
	}
	if !strings.Contains(text, "inside!") || !strings.Contains(text, "refused") {
		t.Error("it did not try everything")
	}
}

func TestParallelConnects(t *testing.T) {
	h := newHome(t, loopback.Strict)
	py(t, h, "web", `
s = socket(); s.bind(('127.0.0.1', 3000)); s.listen(512)
print('ready')
while True: s.accept()[0].close()`).expect("ready")
	clients := py(t, h, "client", `
results = []
def one():
    c = socket(); c.connect(('localhost', 3000)); results.append(c.recv(1)); c.close()
threads = [threading.Thread(target=one) for _ in range(200)]
for x in threads: x.start()
for x in threads: x.join()
print(len(results), set(results))`)
	if got := clients.rest(); got != "200 {b''}" {
		t.Error(got)
	}
	many := make([]*inside, 20)
	for i := range many {
		many[i] = py(t, h, "client", `
for _ in range(10):
    c = socket(); c.connect(('localhost', 3000)); c.recv(1); c.close()
print('ok')`)
	}
	for _, p := range many {
		if got := p.rest(); got != "ok" {
			t.Error(got)
		}
	}
}

// fullScript makes a server whose queue is full, so that a connect waits.
const fullScript = `
s = socket(); s.bind(('127.0.0.1', 3000)); s.listen(0)
full = []
for _ in range(3):
    c = socket(); c.setblocking(False); name(c.connect, ('127.0.0.1', 3000)); full.append(c)
def drain():
    s.settimeout(20)
    while True:
        try: s.accept()
        except OSError: return
`

// A connect that waits keeps nobody else waiting.
func TestBlockedConnect(t *testing.T) {
	h := newHome(t, loopback.Strict)
	p := py(t, h, "web", fullScript+`
done = []
def late():
    c = socket(); done.append(name(c.connect, ('127.0.0.1', 3000)) + ' ' + show(c.getpeername()))
x = threading.Thread(target=late); x.start()
for i in range(100):
    y = socket(); y.bind(('127.0.0.1', 0)); y.getsockname(); y.close()
print(done)
threading.Thread(target=drain, daemon=True).start()
x.join(); print(done)
c = socket(); c.settimeout(10); print(name(c.connect, ('127.0.0.1', 3000)))
`)
	for _, want := range []string{"[]", "['ok 127.0.0.1 3000']", "ok"} {
		p.expect(want)
	}
	if rest := p.rest(); rest != "" {
		t.Error(rest)
	}
}

func TestConnectTimeout(t *testing.T) {
	h := newHome(t, loopback.Strict)
	p := py(t, h, "web", fullScript+`
c = socket(); c.setsockopt(SOL_SOCKET, SO_SNDTIMEO, struct.pack('ll', 0, 200000)); print(name(c.connect, ('127.0.0.1', 3000)))
print(struct.unpack('ll', c.getsockopt(SOL_SOCKET, SO_SNDTIMEO, 16))[1] // 10000)
`)
	p.expect("EINPROGRESS")
	p.expect("20")
}

// A signal interrupts a connect that waits, or does not, as its handler says.
func TestSignalDuringConnect(t *testing.T) {
	perl := need(t, "perl")
	h := newHome(t, loopback.Strict)
	server := py(t, h, "web", fullScript+`
print('full'); sys.stdin.readline(); drain()`)
	server.expect("full")
	p := start(t, h, "client", perl, "-e", `use Socket; use POSIX; use Errno; $| = 1;
POSIX::sigaction(SIGALRM, POSIX::SigAction->new(sub { print "signal\n" }, POSIX::SigSet->new, 0));
socket(my $s, PF_INET, SOCK_STREAM, 0) or die; alarm 1;
print connect($s, pack_sockaddr_in(3000, INADDR_LOOPBACK)) ? "connected" : $!{EINTR} ? "interrupted" : "error $!", "\n";`)
	p.expect("signal")
	p.expect("interrupted")
	if p.rest(); p.wait() != 0 {
		t.Error(p.wait())
	}
	p = self(t, h, "client", "restarted", "127.0.0.1:3000")
	p.expect("signal")
	server.say("")
	p.expect("connected")
}

// A program that is killed while it waits leaves nothing behind.
func TestKilledDuringConnect(t *testing.T) {
	h := newHome(t, loopback.Strict)
	p := py(t, h, "web", fullScript+`
def stuck(): c = socket(); c.connect(('127.0.0.1', 3000))
for _ in range(5): threading.Thread(target=stuck, daemon=True).start()
time.sleep(0.3)
print('stuck'); sys.stdin.readline()`)
	p.expect("stuck")
	if err := unix.Kill(p.pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.wait()
	waitFor(t, "the listener's end", func() bool {
		return h.listeners.count() == 0
	})
}

// What the engine cannot do, as the package says.
func TestLimits(t *testing.T) {
	for _, test := range []struct{ name, script, want string }{
		{"a datagram's sender", `
s = socket(AF_INET, SOCK_DGRAM); s.bind(('127.0.0.1', 3000)); c = socket(AF_INET, SOCK_DGRAM); c.bind(('127.0.0.1', 3001)); c.sendto(b'x', ('127.0.0.1', 3000))
print(s.recvfrom(10)[1] == (HOME, 3001))`, "True"},
		{"the peer that accept gives", `
s = socket(); s.bind(('127.0.0.1', 3000)); s.listen(); c = socket(); c.bind(('127.0.0.1', 3001)); c.connect(('127.0.0.1', 3000))
a, peer = s.accept(); print(peer == (HOME, 3001), show(a.getpeername()))`, "True 127.0.0.1 3001"},
		{"io_uring", `
libc = ctypes.CDLL(None, use_errno=True); print(libc.syscall(425, 8, ctypes.create_string_buffer(200)), errno.errorcode[ctypes.get_errno()])`, "-1 ENOSYS"},
		{"a UDP client's wildcard address", `
c = socket(AF_INET, SOCK_DGRAM); c.bind(('0.0.0.0', 0)); print(c.getsockname()[0])`, "0.0.0.0"},
		{"no_new_privs", `
print(libc_prctl(39))`, "1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHome(t, loopback.Strict)
			p := py(t, h, "web", fmt.Sprintf("OUT = %d\nHOME = '%v'\ndef libc_prctl(n): return ctypes.CDLL(None).prctl(n, 0, 0, 0, 0)", outside(t), h.spec.IP4)+test.script)
			if got := p.rest(); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

func TestNoHomeInAHome(t *testing.T) {
	h := newHome(t, loopback.Overlay)
	got := start(t, h, "web", "/proc/self/exe", "-test.run=^TestProbe$", "-test.v").rest()
	if !strings.Contains(got, "already inside a home") {
		t.Error(got)
	}
}

func TestProbe(t *testing.T) {
	ok, reason := support.Check()
	t.Log(ok, reason)
	if ok != (reason == "") {
		t.Error(ok, reason)
	}
}

// A process that cannot be looked into (see undumpable.go). To root it is a
// process like any other.
func TestUndumpable(t *testing.T) {
	for _, isolation := range []loopback.Isolation{loopback.Overlay, loopback.Strict} {
		t.Run(string(isolation), func(t *testing.T) {
			h := newHome(t, isolation)
			got := strings.Fields(py(t, h, "agent", fmt.Sprintf("OUT = %d", outside(t))+`
import tempfile
print(ctypes.CDLL(None).prctl(4, 0, 0, 0, 0))
s = socket(); print(name(s.bind, ('0.0.0.0', 3000)))
d = tempfile.mkdtemp(); u = socket(AF_UNIX); print(name(u.bind, d + '/' + 's' * 40)); print(name(u.listen))
print(name(socket().connect, ('127.0.0.1', OUT)))
print(name(socket(AF_INET, SOCK_DGRAM).sendto, b'x', ('127.0.0.1', OUT)))
print(socket().getsockname()[0])
os.path.exists(d + '/' + 's' * 40) and os.unlink(d + '/' + 's' * 40); os.rmdir(d)
`).rest())
			want := "0 EACCES ok ok ok 1 0.0.0.0"
			switch {
			case os.Getuid() == 0 && isolation == loopback.Strict:
				want = "0 ok ok ok ECONNREFUSED 1 0.0.0.0"
			case os.Getuid() == 0:
				want = "0 ok ok ok ok 1 0.0.0.0"
			case isolation == loopback.Strict:
				want = "0 EACCES EACCES EACCES EACCES EACCES 0.0.0.0"
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%v, want %s", got, want)
			}
		})
	}
}
