package probe

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"lodge/internal/probe/answer"
)

// nobody is who runs the servers that do not want to be root.
const nobody = 65534

// ownAddress is a loopback address that no other test has, so that servers may
// have their usual ports. Homes are elsewhere (127.64.0.0/10).
func ownAddress() string {
	return fmt.Sprintf("127.%d.%d.%d", 128+rand.IntN(100), rand.IntN(256), 1+rand.IntN(254))
}

// program finds a program, or skips.
func program(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range []string{"/usr/bin", "/usr/sbin", "/bin", "/sbin"} {
		if path := filepath.Join(dir, name); exec.Command("test", "-x", path).Run() == nil {
			return path
		}
	}
	all, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(all) == 0 {
		t.Skipf("program %s is missing (hint: sh test/install)", name)
	}
	return all[len(all)-1]
}

// command is a program that runs as an ordinary user where the test is root's.
func command(dir string, asRoot bool, name string, args ...string) *exec.Cmd {
	c := exec.Command(name, args...)
	c.Dir, c.Env = dir, []string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "HOME=" + dir, "LC_ALL=C"}
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 && !asRoot {
		c.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	return c
}

// start runs a server until the test's end, and returns when it takes connections.
func start(t *testing.T, at string, c *exec.Cmd) {
	t.Helper()
	var out strings.Builder
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.Wait()
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(patience):
			t.Errorf("%s does not end", c.Path)
		}
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
		<-ended
	})
	tick, deadline := time.NewTicker(20*time.Millisecond), time.After(patience)
	defer tick.Stop()
	for {
		conn, err := net.Dial("tcp", at)
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-tick.C:
		case <-ended:
			t.Fatalf("%s ended: %s", c.Path, out.String())
		case <-deadline:
			t.Fatalf("%s does not listen on %s: %v", c.Path, at, err)
		}
	}
}

// place makes a directory that the servers may use.
func place(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lodge-probe")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	own(t, dir)
	return dir
}

func own(t *testing.T, paths ...string) {
	t.Helper()
	for _, p := range paths {
		if os.Geteuid() != 0 {
			continue
		}
		if err := os.Chown(p, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	own(t, path)
	return path
}

// keyPair writes a certificate for ip and its key as files.
func keyPair(t *testing.T, dir, ip string) (cert, key string, roots *x509.CertPool) {
	t.Helper()
	pair, roots := certificate(t, func(c *x509.Certificate) { c.IPAddresses = append(c.IPAddresses, net.ParseIP(ip)) })
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert = write(t, filepath.Join(dir, "cert.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]})))
	key = write(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	return cert, key, roots
}

// ask probes what was started.
func ask(t *testing.T, address string, opts Options) *answer.Answer {
	t.Helper()
	target, err := ParseTarget(address)
	if err != nil {
		t.Fatal(err)
	}
	r := find(t, target, opts)
	if r.Result != Answered {
		t.Fatalf("%s: %+v", address, r)
	}
	return r.Answer
}

func TestRealPython(t *testing.T) {
	ip, dir := ownAddress(), place(t)
	start(t, ip+":8000", command(dir, false, program(t, "python3"), "-m", "http.server", "--bind", ip, "8000"))
	a := ask(t, ip+":8000", Options{})
	if a.Protocol != "http" || a.HTTP.Status != 200 || a.Product != "SimpleHTTP" || a.HTTP.Version != "1.0" {
		t.Errorf("%+v", a)
	}
	if a := ask(t, ip+":8000/none", Options{}); a.HTTP.Status != 404 || a.HTTP.Path != "/none" || len(a.Offers) != 0 {
		t.Errorf("%+v", a)
	}
}

func TestRealRedis(t *testing.T) {
	redis := program(t, "redis-server")
	ip, dir := ownAddress(), place(t)
	for _, port := range []string{"6379", "7777"} { // found by the hint, and without one
		start(t, ip+":"+port, command(dir, false, redis, "--bind", ip, "--port", port, "--save", "", "--protected-mode", "no"))
		if a := ask(t, ip+":"+port, Options{}); a.Protocol != "redis" || a.Product != "Redis" || !startsWithDigit(a.Version) || a.Auth != "none" {
			t.Errorf("%+v", a)
		}
	}
	start(t, ip+":6380", command(dir, false, redis, "--bind", ip, "--port", "6380", "--save", "", "--requirepass", "secret"))
	if a := ask(t, ip+":6380", Options{}); a.Protocol != "redis" || a.Auth != "required" {
		t.Errorf("%+v", a)
	}
}

func startsWithDigit(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }

func TestRealMemcached(t *testing.T) {
	ip := ownAddress()
	for _, port := range []string{"11211", "7777"} {
		start(t, ip+":"+port, command(place(t), false, program(t, "memcached"), "-l", ip, "-p", port, "-U", "0"))
		if a := ask(t, ip+":"+port, Options{}); a.Protocol != "memcached" || !startsWithDigit(a.Version) {
			t.Errorf("%+v", a)
		}
	}
}

func TestRealNginx(t *testing.T) {
	nginx := program(t, "nginx")
	ip, dir := ownAddress(), place(t)
	cert, key, roots := keyPair(t, dir, ip)
	conf := write(t, filepath.Join(dir, "nginx.conf"), fmt.Sprintf(`
daemon off; pid %[1]s/pid; error_log stderr;
events { }
http {
	access_log off;
	client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
	server { listen %[2]s:8080; location / { return 200 "hello\n"; } }
	server { listen %[2]s:7777 ssl; ssl_certificate %[3]s; ssl_certificate_key %[4]s; location / { return 200 "hello\n"; } }
	server { listen %[2]s:8443 ssl http2; ssl_certificate %[3]s; ssl_certificate_key %[4]s; location / { return 302 /login; } }
}`, dir, ip, cert, key))
	start(t, ip+":8443", command(dir, false, nginx, "-p", dir, "-e", "stderr", "-c", conf))
	if a := ask(t, ip+":8080", Options{}); a.Protocol != "http" || a.Product != "nginx" || a.HTTP.Status != 200 || a.HTTP.Body != `hello\n` || a.TLS != nil {
		t.Errorf("%+v, %+v", a, a.HTTP)
	}
	// Without a scheme or a hint: a plain request first, which nginx refuses.
	if a := ask(t, ip+":7777", Options{Roots: roots}); a.Protocol != "http" || a.HTTP.Status != 200 || a.TLS == nil || !a.TLS.Trusted || a.TLS.ALPN != "http/1.1" || !strings.HasPrefix(a.TLS.Version, "TLS 1.") {
		t.Errorf("%+v, %+v, %+v", a, a.HTTP, a.TLS)
	}
	a := ask(t, "https://"+ip+":8443/x", Options{})
	if a.Protocol != "h2" || a.HTTP.Status != 302 || !strings.HasSuffix(a.HTTP.Location, "/login") || a.TLS == nil || a.TLS.Trusted || a.TLS.Problem != "its issuer is not trusted here" || !slices.Contains(a.TLS.Certificate.Names, ip) {
		t.Errorf("%+v, %+v, %+v", a, a.HTTP, a.TLS)
	}
	for _, address := range []string{"http://" + ip + ":8080/", "https://" + ip + ":7777/"} {
		target, err := ParseTarget(address)
		if err != nil {
			t.Fatal(err)
		}
		s := run(t, t.Context(), target, LoadOptions{Mode: ModeHTTP, Count: 2500, Concurrency: 4})
		if s.Succeeded != 2500 || s.Statuses["200"] != 2500 || s.Connections < 4 || s.Connections > 12 { // nginx ends one after 1000 requests
			t.Errorf("%s: %+v", address, s)
		}
	}
}

func TestRealSSH(t *testing.T) {
	sshd, keygen := program(t, "sshd"), program(t, "ssh-keygen")
	ip, dir := ownAddress(), place(t)
	key := filepath.Join(dir, "key")
	if out, err := command(dir, false, keygen, "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	conf := write(t, filepath.Join(dir, "conf"), fmt.Sprintf("ListenAddress %s:2222\nHostKey %s\nPidFile none\nUsePAM no\nStrictModes no\n", ip, key))
	start(t, ip+":2222", command(dir, false, sshd, "-D", "-e", "-f", conf))
	if a := ask(t, ip+":2222", Options{}); a.Protocol != "ssh" || a.Product != "OpenSSH" || !startsWithDigit(a.Version) {
		t.Errorf("%+v", a)
	}
}

func TestRealDNS(t *testing.T) {
	dnsmasq := program(t, "dnsmasq")
	ip, dir := ownAddress(), place(t)
	conf := write(t, filepath.Join(dir, "conf"), "no-resolv\nno-hosts\nbind-interfaces\nlisten-address="+ip+"\nport=5353\npid-file=\n")
	start(t, ip+":5353", command(dir, false, dnsmasq, "--keep-in-foreground", "--conf-file="+conf, "--log-facility=-"))
	for _, udp := range []bool{false, true} {
		if a := ask(t, ip+":5353", Options{UDP: udp}); a.Protocol != "dns" || a.Product != "dnsmasq" || !startsWithDigit(a.Version) {
			t.Errorf("UDP %v: %+v", udp, a)
		}
	}
}

func TestRealPostgreSQL(t *testing.T) {
	postgres, initdb := newest(program(t, "postgres")), newest(program(t, "initdb"))
	ip, dir := ownAddress(), place(t)
	data := filepath.Join(dir, "data")
	password := write(t, filepath.Join(dir, "password"), "secret\n")
	if out, err := command(dir, false, initdb, "-D", data, "-A", "scram-sha-256", "--pwfile", password, "-U", "me", "--no-sync", "--locale=C", "-E", "UTF8").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	write(t, filepath.Join(data, "pg_hba.conf"), "host all me 127.0.0.0/8 trust\nhost all ann 127.0.0.0/8 scram-sha-256\nhostssl all eve 127.0.0.0/8 md5\n")
	cert, key, roots := keyPair(t, dir, ip)
	server := func(t *testing.T, port string, more ...string) {
		args := append([]string{"-D", data, "-h", ip, "-k", dir, "-c", "fsync=off", "-p", port}, more...)
		start(t, ip+":"+port, command(dir, false, postgres, args...))
		tick, deadline := time.NewTicker(50*time.Millisecond), time.After(patience)
		defer tick.Stop()
		for ask(t, ip+":"+port, Options{User: "me"}).RefusalCode == "57P03" { // it is starting up
			select {
			case <-tick.C:
			case <-deadline:
				t.Fatal("it does not get ready")
			}
		}
	}
	t.Run("no TLS", func(t *testing.T) {
		server(t, "5432")
		if a := ask(t, ip+":5432", Options{User: "me"}); a.Protocol != "postgresql" || a.Auth != "none" || !startsWithDigit(a.Version) || a.User != "me" || a.Refusal != "" {
			t.Errorf("%+v", a)
		}
		if a := ask(t, ip+":5432", Options{User: "ann"}); a.Auth != "scram-sha-256" || a.Refusal != "" || a.TLS != nil {
			t.Errorf("%+v", a)
		}
		if a := ask(t, ip+":5432", Options{User: "eve"}); a.RefusalCode != "28000" || !strings.Contains(a.Refusal, "no pg_hba.conf entry") {
			t.Errorf("%+v", a)
		}
	})
	t.Run("TLS", func(t *testing.T) { // and no hint
		server(t, "7777", "-c", "ssl=on", "-c", "ssl_cert_file="+cert, "-c", "ssl_key_file="+key)
		a := ask(t, ip+":7777", Options{User: "eve", Roots: roots})
		if a.Protocol != "postgresql" || !slices.Contains(a.Offers, "tls") || a.TLS == nil || !a.TLS.Trusted || !strings.HasPrefix(a.Auth, "scram-sha-256") {
			t.Errorf("%+v, %+v", a, a.TLS)
		}
	})
}

// newest prefers the server's own directory to wrappers.
func newest(path string) string {
	if all, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + filepath.Base(path)); len(all) > 0 {
		return all[len(all)-1]
	}
	return path
}
