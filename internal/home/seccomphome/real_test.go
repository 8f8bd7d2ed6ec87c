package seccomphome

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lodge/internal/home"
	"lodge/internal/loopback"
)

const javaServer = `
import com.sun.net.httpserver.*; import java.net.*; import java.nio.file.*;
public class Serve { public static void main(String[] a) throws Exception {
  HttpServer s = HttpServer.create(new InetSocketAddress(8000), 0);
  byte[] b = Files.readAllBytes(Path.of("index.html"));
  s.createContext("/", x -> { x.sendResponseHeaders(200, b.length); x.getResponseBody().write(b); x.close(); });
  s.start(); } }
`

const nodeServer = `require('http').createServer((q, r) => r.end(require('fs').readFileSync('index.html'))).listen(8000)`

const nginxConfig = `
daemon off; master_process on; worker_processes 2; pid DIR/nginx.pid; error_log stderr;
events {}
http {
  access_log off; client_body_temp_path DIR; proxy_temp_path DIR; fastcgi_temp_path DIR; uwsgi_temp_path DIR; scgi_temp_path DIR;
  server { listen 8000; listen [::]:8000; root DIR; }
}
`

// Servers as they come, twice at once on one port, each asked from inside by
// curl and from outside by its home's address.
func TestServers(t *testing.T) {
	for _, test := range []struct {
		name, program string
		args          []string
		files         map[string]string
		slow          bool
	}{
		{name: "python on 0.0.0.0", program: python, args: []string{"-m", "http.server", "--bind", "0.0.0.0", "8000"}},
		{name: "python on ::", program: python, args: []string{"-m", "http.server", "--bind", "::", "8000"}},
		{name: "node", program: "node", args: []string{"-e", nodeServer}},
		{name: "java", program: "java", args: []string{"-Xmx64m", "Serve.java"}, files: map[string]string{"Serve.java": javaServer}, slow: true},
		{name: "nginx", program: "nginx", args: []string{"-p", "DIR", "-c", "DIR/nginx.conf"}, files: map[string]string{"nginx.conf": nginxConfig}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.slow && testing.Short() {
				t.Skip("slow, and this is -short")
			}
			t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/usr/bin")
			path := need(t, test.program)
			curl := need(t, "curl")
			var homes [2]*Home
			for i := range homes {
				h := newHome(t, loopback.Strict)
				homes[i] = h
				dir := worldDir(t)
				want := fmt.Sprint("page of ", i)
				for name, text := range test.files {
					writeFile(t, filepath.Join(dir, name), strings.ReplaceAll(text, "DIR", dir))
				}
				writeFile(t, filepath.Join(dir, "index.html"), want)
				args := []string{test.program}
				for _, a := range test.args {
					args = append(args, strings.ReplaceAll(a, "DIR", dir))
				}
				log := filepath.Join(dir, "log")
				out, err := os.Create(log)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := tryStart(t, h, home.Command{Service: "web", Path: path, Args: args, Dir: dir, Files: []*os.File{nil, out, out},
					Env: []string{"PATH=/usr/bin:/bin:/usr/sbin", "HOME=" + dir}}); err != nil {
					t.Fatal(err)
				}
				_ = out.Close()
				t.Cleanup(func() {
					if text, err := os.ReadFile(log); t.Failed() && err == nil {
						t.Logf("log of %d: %s", i, text)
					}
				})
			}
			for i, h := range homes {
				waitFor(t, "the server to listen", func() bool {
					list, err := h.Endpoints()
					if err != nil {
						t.Fatal(err)
					}
					for _, e := range list {
						if e.IP == h.spec.IP4 && e.Port == 8000 && e.Service == "web" {
							return true
						}
					}
					return false
				})
				want := fmt.Sprint("page of ", i)
				if got := get(t, fmt.Sprintf("http://%v:8000/", h.spec.IP4)); got != want {
					t.Errorf("outside: %q, want %q", got, want)
				}
				names := []string{"localhost", "127.0.0.1", "[::1]"}
				for _, name := range names {
					if got := start(t, h, "client", curl, "-sS", "-m", "20", "--noproxy", "*", "http://"+name+":8000/").rest(); got != want {
						t.Errorf("inside by %s: %q, want %q", name, got, want)
					}
				}
			}
		})
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	c := http.Client{Timeout: deadline, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// worldDir is a directory that servers which give root up can read.
func worldDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lodge-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestRedis(t *testing.T) {
	server, cli := need(t, "redis-server"), need(t, "redis-cli")
	var homes [2]*Home
	for i := range homes {
		homes[i] = newHome(t, loopback.Strict)
		p := start(t, homes[i], "db", server, "--save", "", "--dir", worldDir(t))
		for !strings.Contains(p.line(), "Ready to accept connections") {
		}
	}
	for i, h := range homes {
		if got := start(t, h, "cli", cli, "set", "who", fmt.Sprint(i)).rest(); got != "OK" {
			t.Error(got)
		}
	}
	for i, h := range homes {
		for _, name := range []string{"127.0.0.1", "localhost", "::1"} {
			if got := start(t, h, "cli", cli, "-h", name, "get", "who").rest(); got != fmt.Sprint(i) {
				t.Errorf("home %d by %s: %s", i, name, got)
			}
		}
		list, err := h.Endpoints()
		if err != nil || len(list) != 2 {
			t.Errorf("endpoints %v, %v", list, err)
		}
	}
}

// A Go program needs no C library, and uses Multipath TCP where there is some.
func TestGoProgram(t *testing.T) {
	var homes [2]*Home
	for i := range homes {
		homes[i] = newHome(t, loopback.Strict)
		for _, test := range []struct{ listen, shown string }{{":3000", "[::1]:3000"}, {"127.0.0.1:3001", "127.0.0.1:3001"}, {"[::1]:3002", "[::1]:3002"}} {
			p := self(t, homes[i], "web", "serve", test.listen, fmt.Sprint("go ", i))
			p.expect("listening " + test.shown)
		}
	}
	for i, h := range homes {
		p := self(t, h, "client", "serve", "127.0.0.1:0", "", "localhost:3000", "127.0.0.1:3000", "[::1]:3000", "127.0.0.1:3001", "[::1]:3002")
		_ = p.line()
		for _, want := range []string{"", "127.0.0.1:3000", "[::1]:3000", "127.0.0.1:3001", "[::1]:3002"} {
			if got := p.line(); !strings.HasSuffix(got, fmt.Sprint(want, " go ", i)) {
				t.Errorf("home %d: %q, want %s", i, got, want)
			}
		}
		list, err := h.Endpoints()
		if err != nil || len(list) != 4 {
			t.Errorf("endpoints %v, %v", list, err)
		}
	}
}

// A set-user-ID program has no effect inside.
func TestSetUserID(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root has nothing to gain; the run as an ordinary user tests this")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// Made by TestAsOrdinaryUser.
	id := filepath.Join(filepath.Dir(exe), "setuid-id")
	plain, err := exec.Command(id, "-u").Output()
	if err != nil || strings.TrimSpace(string(plain)) != "0" {
		t.Skipf("no set-user-ID program here that works outside: %s %v", plain, err)
	}
	h := newHome(t, loopback.Overlay)
	if got := start(t, h, "web", id, "-u").rest(); got != fmt.Sprint(os.Getuid()) {
		t.Errorf("user %s", got)
	}
}

// The whole of it again for somebody who is not root.
func TestAsOrdinaryUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("this is the run as an ordinary user")
	}
	setpriv := need(t, "setpriv")
	dir := worldDir(t)
	exe := filepath.Join(dir, "seccomphome.test")
	copyFile(t, "/proc/self/exe", exe, 0o755)
	copyFile(t, need(t, "id"), filepath.Join(dir, "setuid-id"), 0o4755)
	args := []string{"--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", exe, "-test.timeout=240s"}
	if testing.Verbose() {
		args = append(args, "-test.v")
	}
	if testing.Short() {
		args = append(args, "-test.short")
	}
	cmd := exec.Command(setpriv, args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin", "TMPDIR=" + os.TempDir()}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	} else if testing.Verbose() {
		t.Logf("%s", out)
	}
}

func copyFile(t testing.TB, from, to string, mode os.FileMode) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o755); err != nil {
		t.Fatal(err)
	}
	special := mode & 0o4000
	mode &= 0o777
	if special != 0 {
		mode |= os.ModeSetuid
	}
	if err := os.Chmod(to, mode); err != nil {
		t.Fatal(err)
	}
}

// A TCP client that bound to the wildcard address reaches other machines. It
// runs in a network namespace of its own, where such an address can be made.
func TestLeaveHome(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root for a network namespace")
	}
	if _, err := net.Dial("tcp", "198.51.100.1:1"); err == nil || !strings.Contains(err.Error(), "refused") {
		unshare, ip := need(t, "unshare"), need(t, "ip")
		cmd := exec.Command(unshare, "-n", "sh", "-c", ip+" link set lo up && "+ip+" addr add 198.51.100.1/32 dev lo && exec /proc/self/exe -test.run='^TestLeaveHome$' -test.v")
		cmd.Args[4] = strings.ReplaceAll(cmd.Args[4], "/proc/self/exe", os.Args[0])
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	h := newHome(t, loopback.Strict)
	l, err := net.Listen("tcp4", "198.51.100.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	p := py(t, h, "web", fmt.Sprintf(`
import fcntl
for bind in [('0.0.0.0', 0), ('0.0.0.0', 7001), None, ('127.0.0.1', 0)]:
    c = socket(); c.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1); c.settimeout(20)
    if bind: c.bind(bind); at = c.getsockname()
    print(name(c.connect, ('198.51.100.1', %d)))
    print(c.recv(100).decode(), c.getsockname()[1] == (bind and bind[1] or c.getsockname()[1]), fcntl.fcntl(c, fcntl.F_GETFD), c.getsockopt(IPPROTO_TCP, TCP_NODELAY))
`, port))
	for _, want := range []string{"198.51.100.1", "198.51.100.1", "198.51.100.1", h.spec.IP4.String()} {
		p.expect("ok")
		if err := l.(*net.TCPListener).SetDeadline(time.Now().Add(deadline)); err != nil {
			t.Fatal(err)
		}
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		from, _, _ := strings.Cut(c.RemoteAddr().String(), ":")
		_, _ = c.Write([]byte(from))
		_ = c.Close()
		p.expect(want + " True 1 1")
	}
}
