package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"lodge/internal/elfcode"
)

// Only copies of libraries and programs are probed here, in a directory of the test:
// nothing of the machine is.

// copies copies what matches the patterns into a directory, and returns how many there
// were. A name that is a symbolic link is that of the copy.
func (p *project) copies(dir string, patterns ...string) int {
	p.t.Helper()
	n := 0
	for _, pattern := range patterns {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			p.t.Fatal(err)
		}
		for _, path := range paths {
			b, err := os.ReadFile(path)
			if err != nil {
				p.t.Fatal(err)
			}
			to := filepath.Join(p.dir, dir, filepath.Base(path))
			p.mkdir(filepath.Dir(to))
			if err := os.WriteFile(to, b, 0o755); err != nil {
				p.t.Fatal(err)
			}
			n++
		}
	}
	return n
}

// certificate makes one for localhost.
func (p *project) certificate() {
	p.t.Helper()
	if out, err := p.beside("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
		"-keyout", filepath.Join(p.dir, "key.pem"), "-out", filepath.Join(p.dir, "cert.pem")).CombinedOutput(); err != nil {
		p.t.Fatalf("make a certificate: %v\n%s", err, out)
	}
}

// exports reports whether a file exports a function.
func exports(path, name string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	elf, err := elfcode.Open(f)
	if err != nil {
		return false
	}
	_, err = elf.Exported(name)
	return err == nil
}

// buildTLSPeer builds testdata/tlspeer.
func buildTLSPeer(t *testing.T, to string, args ...string) {
	t.Helper()
	build := exec.Command("go", append(append([]string{"build", "-trimpath", "-buildvcs=false", "-o", to}, args...), "./testdata/tlspeer")...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build a program: %v\n%s", err, out)
	}
}

const machineLibraries = "/usr/lib/*/"

// TLS is decrypted by what probes take of one end, for each library and version. The other
// end is one that is not probed.
func TestTapProbes(t *testing.T) {
	needRoot(t)
	curl := need(t, "curl")
	need(t, "openssl")
	python(t)
	t.Parallel()
	e := newEnv(t, ebpf)
	e.quiet()
	p := e.project("probed", "lodge.toml", config("open", "openssl s_server -accept 8443 -cert cert.pem -key key.pem -HTTP -quiet")+`[services.go]
command = "./probed/tlspeer serve localhost:8444"

[services.stripped]
command = "./probed/stripped serve localhost:8445"
`)
	p.certificate()
	p.mkdir(filepath.Join(p.dir, "probed"))
	buildTLSPeer(t, filepath.Join(p.dir, "probed", "tlspeer"))
	buildTLSPeer(t, filepath.Join(p.dir, "probed", "stripped"), "-ldflags=-s -w")
	if p.copies("probed/openssl", machineLibraries+"libssl.so.3", machineLibraries+"libcrypto.so.3") != 2 {
		t.Skip("OpenSSL 3 is missing (hint: sh test/install)")
	}
	gnutls := p.copies("probed/gnutls", machineLibraries+"libgnutls.so.30", machineLibraries+"libnettle.so.8")
	probed := func(dir string) string { return "LD_LIBRARY_PATH=" + filepath.Join(p.dir, "probed", dir) }
	type request struct{ name, target, command string }
	var requests []request
	for _, v := range []string{"1.2", "1.3"} {
		requests = append(requests,
			request{"OpenSSL " + v, "/openssl-" + v, probed("openssl") + " curl -s -k --http1.1 --tls-max " + v + " https://localhost:8443/openssl-" + v},
			request{"Python " + v, "/python-" + v, probed("openssl") + " " + systemPython + " ask.py " + v + " /python-" + v},
			request{"Go's server " + v, "/go-" + v, "curl -s -k --http1.1 --tls-max " + v + " https://localhost:8444/go-" + v},
			request{"Go's server, stripped, " + v, "/stripped-" + v, "curl -s -k --http1.1 --tls-max " + v + " https://localhost:8445/stripped-" + v},
			request{"Go's client, stripped, " + v, "/client-" + v, "./probed/stripped get https://localhost:8443/client-" + v + " " + v},
		)
	}
	if gnutls == 2 {
		requests = append(requests, request{"GnuTLS 1.3", "/gnutls-1.3", probed("gnutls") + " sh ask.sh --priority=NORMAL:-VERS-ALL:+VERS-TLS1.3"})
		p.write("gnutls-1.3", "HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n")
	}
	// Node.js has OpenSSL within, and exports its functions; Debian's uses the machine's.
	if node, err := filepath.EvalSymlinks("/usr/bin/node"); err == nil && exports(node, "EVP_KDF_derive") {
		p.copies("probed/node", node)
		p.write("ask.js", `const https = require("https");
const [version, path] = process.argv.slice(2);
https.get({host: "127.0.0.1", port: 8443, path, rejectUnauthorized: false, minVersion: "TLSv" + version, maxVersion: "TLSv" + version},
  r => r.on("data", b => console.log(b.toString())).on("error", () => {}));
`)
		for _, v := range []string{"1.2", "1.3"} {
			p.write("node-"+v, "HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n")
			requests = append(requests, request{"Node.js " + v, "/node-" + v, "./probed/node/" + filepath.Base(node) + " ask.js " + v + " /node-" + v})
		}
	}
	p.write("ask.py", `import http.client, ssl, sys
c = ssl.create_default_context()
c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
c.minimum_version = c.maximum_version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[sys.argv[1]]
h = http.client.HTTPSConnection("localhost", 8443, context=c)
h.request("GET", sys.argv[2])
print(h.getresponse().read())
`)
	p.write("ask.sh", `printf 'GET /gnutls-1.3 HTTP/1.0\r\n\r\n' | gnutls-cli --insecure --logfile=/dev/null "$1" -p 8443 localhost
`)
	for _, v := range []string{"1.2", "1.3"} {
		for _, name := range []string{"openssl-", "python-", "client-"} {
			p.write(name+v, "HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n")
		}
	}
	p.write("ready", "HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n")
	p.lodge("up", "-d").ok(t)
	home := e.ls().Projects[0].Home
	tap := p.tap([]string{curl, "-s", "-k", "https://" + home.String() + ":8443/ready"}, "--tls", "--tls-within", "probed", "--json", "-o", "run.pcapng")
	for _, r := range requests {
		if out := p.lodge("exec", "--", "sh", "-c", r.command); out.code != 0 && !strings.HasPrefix(r.name, "GnuTLS") {
			t.Errorf("%s: %v", r.name, out)
		}
	}
	tap.signal(syscall.SIGINT)
	r := tap.wait()
	if r.code != 130 {
		t.Fatal(r)
	}
	for where, out := range map[string]string{"live": r.stdout, "read again": p.lodge("tap", "-r", "run.pcapng", "--json").ok(t)} {
		for _, q := range requests {
			found := false
			for line := range strings.Lines(out) {
				found = found || strings.Contains(line, `"secure":true`) && strings.Contains(line, `"target":"`+q.target+`"`)
			}
			if !found {
				t.Errorf("%s: %s is not decrypted", where, q.name)
			}
		}
		if t.Failed() {
			t.Logf("%s:\n%s\n%s", where, out, r.stderr)
		}
	}
	list, account := tapLines(t, r.stdout)
	for _, l := range list {
		if l.Target == "/go-1.3" && (len(l.Client.Processes) == 0 || l.Client.Processes[0].Name != "curl" || len(l.Server.Processes) == 0 || l.Server.Processes[0].Name != "tlspeer") {
			t.Errorf("the processes of %s", l)
		}
	}
	if !account.Complete || account.TLS.Probes < 3 || account.TLS.Seen != account.TLS.Delivered || account.TLS.Delivered < 20 {
		t.Errorf("account: complete %v, %+v", account.Complete, account.TLS)
	}
	// The connection of which neither end is probed says what is there.
	for _, want := range []string{"no keys for this connection; ", "OpenSSL 3 in ", "--tls-within"} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("a connection without secrets does not say %q:\n%s", want, r.stdout)
		}
	}
}

// A tap that is killed leaves no probe behind.
func TestTapProbesKilled(t *testing.T) {
	needRoot(t)
	need(t, "curl")
	need(t, "openssl")
	t.Parallel()
	e := newEnv(t, ebpf)
	e.quiet()
	p := e.project("killed", "lodge.toml", config("go", "./probed/tlspeer serve localhost:8444"))
	p.mkdir(filepath.Join(p.dir, "probed"))
	binary := filepath.Join(p.dir, "probed", "tlspeer")
	buildTLSPeer(t, binary)
	p.lodge("up", "-d").ok(t)
	home := e.ls().Projects[0].Home
	ask := []string{"curl", "-s", "-k", "https://" + home.String() + ":8444/ready"}
	tap := p.tap(ask, "--tls", "--tls-within", "probed", "--json")
	at, code := p.probedCode(binary)
	if code[0] != 0xcc {
		t.Fatalf("the server has no breakpoint at %#x: %x", at, code)
	}
	tap.signal(syscall.SIGKILL)
	tap.wait()
	eventually(t, func() string {
		if _, code := p.probedCode(binary); code[0] == 0xcc {
			return fmt.Sprintf("a breakpoint is left at %#x", at)
		}
		return ""
	})
	if out, err := p.beside(ask...).CombinedOutput(); err != nil {
		t.Errorf("after the tap: %v\n%s", err, out)
	}
}

// probedCode returns where the function that is probed in a Go program stands in its
// file, and the first bytes of it in the memory of a process that executes it.
func (p *project) probedCode(binary string) (at uint64, code []byte) {
	p.t.Helper()
	f, err := os.Open(binary)
	if err != nil {
		p.t.Fatal(err)
	}
	defer f.Close()
	elf, err := elfcode.Open(f)
	if err == nil {
		at, err = elf.GoFunction("crypto/tls.(*Config).writeKeyLog")
	}
	if err != nil {
		p.t.Fatal(err)
	}
	exes, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, exe := range exes {
		if to, err := os.Readlink(exe); err != nil || to != binary {
			continue
		}
		maps, err := os.ReadFile(filepath.Join(filepath.Dir(exe), "maps"))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(maps)) {
			var from, to, offset uint64
			var access string
			if n, _ := fmt.Sscanf(line, "%x-%x %s %x", &from, &to, &access, &offset); n != 4 || at < offset || at >= offset+to-from || access != "r-xp" || !strings.Contains(line, binary) {
				continue
			}
			mem, err := os.Open(filepath.Join(filepath.Dir(exe), "mem"))
			if err != nil {
				p.t.Fatal(err)
			}
			defer mem.Close()
			code = make([]byte, 8)
			if _, err := mem.ReadAt(code, int64(from+at-offset)); err != nil {
				p.t.Fatal(err)
			}
			return at, code
		}
	}
	p.t.Fatalf("no process executes %s", binary)
	return 0, nil
}

func TestTapProbesUsage(t *testing.T) {
	t.Parallel()
	e := newEnv(t, seccomp)
	p := e.project("usage")
	for _, args := range [][]string{
		{"-r", "run.pcapng", "--tls"},
		{"--tls-within", "."},
		{"--packets", "-o", "run.pcapng", "--tls"},
	} {
		if r := p.lodge(append([]string{"tap"}, args...)...); r.code != 2 || !strings.Contains(r.stderr, "--tls") && !strings.Contains(r.stderr, "--packets") {
			t.Errorf("%v: %v", args, r)
		}
	}
}
