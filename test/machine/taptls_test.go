package machine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"lodge/internal/elfcode"
)

// tlsLine is what these tests read of a line of `lodge tap --tls --json`.
type tlsLine struct {
	Kind, Target string
	Secure       bool
	Status       int
	Unknown      []string
	TLS          struct {
		Files []struct {
			Path, Library, Reason string
			Probed                bool
		}
		Probes, Seen, Delivered int
		LeftOut                 map[string]int `json:"left_out"`
		Lost                    map[string]int
	}
}

func tlsLines(t *testing.T, text string) (out []tlsLine) {
	t.Helper()
	for line := range bytes.Lines([]byte(text)) {
		var l tlsLine
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatalf("read a line of lodge tap: %v\n%s", err, line)
		}
		out = append(out, l)
	}
	return out
}

// python is a server of TLS by the machine's OpenSSL, which answers each request with 200.
// With "closed" as third argument nobody may look into its process.
const python = `import ctypes, http.server, ssl, sys
if sys.argv[2:] == ["closed"]:
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_): pass
c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
c.load_cert_chain("cert.pem", "key.pem")
s = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Answer)
s.socket = c.wrap_socket(s.socket, server_side=True, do_handshake_on_connect=False)
s.serve_forever()
`

// tlsServer is a server, and what its connections are expected to be for a user's tap.
type tlsServer struct {
	port    string
	process *running
}

func (u *user) tlsServer(name, port string, argv ...string) *tlsServer {
	u.t.Helper()
	s := &tlsServer{port, u.start("", name, argv...)}
	eventually(u.t, func() string {
		if got := get(s.url("started")); got != "200" {
			return got + s.process.text(s.process.errs)
		}
		return ""
	})
	return s
}

func (s *tlsServer) url(path string) string { return "https://127.0.0.1:" + s.port + "/" + path }

func (s *tlsServer) pid() int { return s.process.cmd.Process.Pid }

// ask fetches a page with curl, which has the machine's OpenSSL.
func (u *user) ask(s *tlsServer, version, path string) {
	u.t.Helper()
	u.do("", "curl", "-s", "-k", "--http1.1", "--tls-max", version, "-o", "/dev/null", s.url(path))
}

// TestTapTLS: lodge tap --tls of the whole machine, where all of its programs may be
// probed: as root, and as an ordinary user through the helper that `lodge setup` installs.
func TestTapTLS(t *testing.T) {
	dir := programs(t)
	lodge, peer := filepath.Join(dir, "lodge"), filepath.Join(dir, "tlspeer")
	root, u := newUser(t, 0), newUser(t, 12347)
	for _, who := range []*user{root, u} {
		if err := os.WriteFile(who.path("serve.py"), []byte(python), 0o644); err != nil {
			t.Fatal(err)
		}
		who.do("", "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
			"-subj", "/CN=localhost", "-days", "2", "-keyout", "key.pem", "-out", "cert.pem")
	}
	serve := func(who *user, name, port string, more ...string) *tlsServer {
		return who.tlsServer(name, port, append([]string{"/usr/bin/python3", "serve.py", port}, more...)...)
	}
	// All of them are there before the tap.
	users, closed := serve(u, "users", "5021"), serve(u, "closed", "5022", "closed")
	roots := serve(root, "roots", "5023")
	golang := u.tlsServer("golang", "5024", peer, "serve", "127.0.0.1:5024")

	t.Run("root", func(t *testing.T) {
		root.t, u.t = t, t
		tap := root.startTLS(lodge, roots, users)
		for _, v := range []string{"1.2", "1.3"} {
			u.ask(users, v, "item/users-"+v)
			root.ask(roots, v, "item/roots-"+v)
			u.ask(closed, v, "item/closed-"+v)
			u.ask(golang, v, "item/go-"+v)
		}
		lines := root.endTLS(lodge, tap, roots, users, golang)
		account := lines[len(lines)-1].TLS
		if len(account.LeftOut) > 0 || account.Seen != account.Delivered {
			t.Errorf("%+v", account)
		}
		decrypted(t, lines, "users", "roots", "closed", "go")
	})
	t.Run("held", func(t *testing.T) { tapHeld(t, root, lodge, roots) })
	t.Run("user", func(t *testing.T) {
		root.t, u.t = t, t
		root.do("", lodge, "setup")
		t.Cleanup(func() { root.do("", lodge, "setup", "--uninstall") })
		if !knowsSenders(t) {
			r := u.start("", "refused", lodge, "tap", "--tls")
			select {
			case <-r.done:
			case <-time.After(limit):
				t.Fatal("lodge tap --tls does not end")
			}
			if said := r.text(r.errs); r.cmd.ProcessState.ExitCode() != 1 || !strings.Contains(said, "6.6") || !strings.Contains(said, "hint") {
				t.Errorf("status %d: %s", r.cmd.ProcessState.ExitCode(), said)
			}
			if at, first := probedByte(t, users.pid()); first == breakpoint {
				t.Errorf("there is a probe at %s", at)
			}
			return
		}
		tap := u.startTLS(lodge, users)
		for _, v := range []string{"1.2", "1.3"} {
			// One end is the user's: its own process, or what it asks of another user's.
			root.ask(users, v, "item/users-"+v)
			u.ask(roots, v, "item/roots-"+v)
			root.ask(golang, v, "item/go-"+v)
			// Both ends are somebody else's for this purpose, or may not be looked into.
			root.ask(closed, v, "item/closed-"+v)
			root.ask(roots, v, "item/foreign-"+v)
		}
		lines := u.endTLS(lodge, tap, users, golang)
		decrypted(t, lines, "users", "roots", "go")
		for _, l := range lines {
			if strings.Contains(l.Target, "closed") || strings.Contains(l.Target, "foreign") {
				t.Errorf("decrypted with secrets of another user: %+v", l)
			}
		}
		account := lines[len(lines)-1].TLS
		if account.LeftOut["other_user"] == 0 || account.Seen != account.Delivered+account.LeftOut["other_user"] {
			t.Errorf("%+v", account)
		}
	})
}

// held is a process that stands still in a probe: its parameters are on a page that is
// not given to it.
const held = `import ctypes, platform
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
fd = libc.syscall({"x86_64": 323, "aarch64": 282}[platform.machine()], 0o2000000)  # userfaultfd
api = (ctypes.c_uint64 * 3)(0xAA)
at = libc.mmap(None, 4096, 3, 0x22, -1, 0)
area = (ctypes.c_uint64 * 4)(at, 4096, 1)
if fd < 0 or libc.ioctl(fd, ctypes.c_ulong(0xC018AA3F), api) or libc.ioctl(fd, ctypes.c_ulong(0xC020AA00), area):
    raise OSError(ctypes.get_errno(), "userfaultfd")
crypto = ctypes.CDLL("libcrypto.so.3")
print("calls", flush=True)
crypto.EVP_KDF_derive(None, None, ctypes.c_size_t(0), ctypes.c_void_p(at))
print("returned", flush=True)
`

// tapHeld: a process that stands still in a probe may keep the kernel from taking it out,
// but not the tap from ending; and when it is gone, all is as before.
func tapHeld(t *testing.T, root *user, lodge string, s *tlsServer) {
	root.t = t
	if err := os.WriteFile(root.path("held.py"), []byte(held), 0o644); err != nil {
		t.Fatal(err)
	}
	tap := root.startTLS(lodge, s)
	p := root.start("", "held", "/usr/bin/python3", "held.py")
	eventually(t, func() string {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/wchan", p.cmd.Process.Pid))
		if err == nil && strings.Contains(string(b), "userfault") {
			return ""
		}
		return fmt.Sprintf("it does not stand still: %q, %v, %s", b, err, p.text(p.errs))
	})
	tap.end()
	// Not every kernel holds its probes for it.
	code, said := tap.cmd.ProcessState.ExitCode(), tap.text(tap.errs)
	if isHeld := strings.Contains(said, "the kernel holds probes") && strings.Contains(said, "hint"); code != 130 && (code != 1 || !isHeld) {
		t.Errorf("status %d: %s", code, said)
	}
	t.Logf("status %d: %s", code, said)
	if strings.Contains(p.text(p.out), "returned") {
		t.Error("the process was not held")
	}
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.done
	eventually(t, func() string {
		if at, first := probedByte(t, s.pid()); first == breakpoint {
			return "there is still a probe at " + at
		}
		return ""
	})
	root.endTLS(lodge, root.startTLS(lodge, s), s)
}

// startTLS starts a tap, and returns when it has decrypted something of each server.
func (u *user) startTLS(lodge string, servers ...*tlsServer) *running {
	u.t.Helper()
	tap := u.start("", "taptls", lodge, "tap", "--tls", "--json", "-o", "run.pcapng", "port=5021 or port=5022 or port=5023 or port=5024")
	for i, s := range servers {
		ready := "ready-" + strconv.Itoa(i)
		eventually(u.t, func() string {
			if u.ask(s, "1.3", ready); strings.Contains(tap.text(tap.out), `"/`+ready+`"`) {
				return ""
			}
			return "lodge tap --tls decrypts nothing: " + tap.text(tap.errs) + tap.text(tap.out)
		})
		if at, first := probedByte(u.t, s.pid()); first != breakpoint {
			u.t.Errorf("there is no probe at %s: %#x", at, first)
		}
	}
	return tap
}

// endTLS ends the tap, of which nothing is left, and returns its lines. What it wrote has
// the keys.
func (u *user) endTLS(lodge string, tap *running, servers ...*tlsServer) []tlsLine {
	u.t.Helper()
	tap.end()
	if code := tap.cmd.ProcessState.ExitCode(); code != 130 {
		u.t.Errorf("status %d: %s", code, tap.text(tap.errs))
	}
	for _, s := range servers {
		if at, first := probedByte(u.t, s.pid()); first == breakpoint {
			u.t.Errorf("after the tap, there is a probe at %s", at)
		}
		if got := get(s.url("after")); got != "200" {
			u.t.Errorf("after the tap: %s", got)
		}
	}
	lines := tlsLines(u.t, tap.text(tap.out))
	if len(lines) == 0 || lines[len(lines)-1].Kind != "account" {
		u.t.Fatalf("there is no account: %s", tap.text(tap.errs))
	}
	account := &lines[len(lines)-1].TLS
	u.t.Logf("%d probes, %d secrets seen, %d delivered, left out %v, lost %v", account.Probes, account.Seen, account.Delivered, account.LeftOut, account.Lost)
	if account.Probes == 0 || len(account.Lost) > 0 {
		u.t.Errorf("%+v", account)
	}
	count := func(lines []tlsLine) (n int) {
		for _, l := range lines {
			if l.Secure && strings.HasPrefix(l.Target, "/item/") {
				n++
			}
		}
		return n
	}
	again := tlsLines(u.t, u.do("", lodge, "tap", "-r", "run.pcapng", "--json"))
	if count(again) != count(lines) {
		u.t.Errorf("%d requests are decrypted in the file of packets, %d live", count(again), count(lines))
	}
	return lines
}

// decrypted checks that a request of each kind was decrypted with both versions of TLS.
func decrypted(t *testing.T, lines []tlsLine, kinds ...string) {
	t.Helper()
	for _, kind := range kinds {
		for _, v := range []string{"1.2", "1.3"} {
			target := "/item/" + kind + "-" + v
			found := false
			for _, l := range lines {
				found = found || l.Target == target && l.Secure && l.Status == 200
			}
			if !found {
				t.Errorf("%s is not decrypted", target)
			}
		}
	}
	if t.Failed() {
		for _, l := range lines {
			t.Logf("%+v", l)
		}
	}
}

// breakpoint is the instruction that the kernel writes for a probe (int3).
const breakpoint = 0xcc

// probedByte returns where the function that is probed is in the memory of a process, and the
// first byte of it there.
func probedByte(t *testing.T, pid int) (string, byte) {
	t.Helper()
	dir := "/proc/" + strconv.Itoa(pid)
	maps, err := os.ReadFile(dir + "/maps")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(maps)) {
		f := strings.Fields(line)
		if len(f) < 6 || !strings.Contains(f[1], "x") || !strings.HasPrefix(f[5], "/") {
			continue
		}
		at, ok := functionIn(f[5])
		var from, to, offset uint64
		if _, err := fmt.Sscanf(f[0]+" "+f[2], "%x-%x %x", &from, &to, &offset); err != nil {
			t.Fatal(err)
		}
		if !ok || at < offset || at >= offset+to-from {
			continue
		}
		mem, err := os.Open(dir + "/mem")
		if err != nil {
			t.Fatal(err)
		}
		defer mem.Close()
		var b [1]byte
		if _, err := mem.ReadAt(b[:], int64(from+at-offset)); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%#x in %s of process %d", at, f[5], pid), b[0]
	}
	t.Fatalf("process %d executes no file with a function that is probed:\n%s", pid, maps)
	return "", 0
}

// functionIn returns where a file has the function that is probed.
func functionIn(path string) (uint64, bool) {
	f, err := os.Open(path)
	if err != nil {
		return 0, false
	}
	defer f.Close()
	file, err := elfcode.Open(f)
	if err != nil {
		return 0, false
	}
	for _, find := range []func() (uint64, error){
		func() (uint64, error) { return file.Exported("EVP_KDF_derive") },
		func() (uint64, error) { return file.GoFunction("crypto/tls.(*Config).writeKeyLog") },
	} {
		if at, err := find(); err == nil {
			return at, true
		}
	}
	return 0, false
}
