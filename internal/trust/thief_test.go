package trust

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// forged is a certificate that a thief signed with the key from the file.
type forged struct {
	what string
	name string // what a client asks for
	good bool   // one that must be accepted, to show that the test can tell
	pem  string // path of the chain
	port int    // where it is served

	requests atomic.Int32
}

// steal reads the file as a thief would, and forges.
func steal(t *testing.T, dir string) (root string, all []*forged) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, authorityFile))
	if err != nil {
		t.Fatal(err)
	}
	block, rest := pem.Decode(b)
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	key, signer := k.(*ecdsa.PrivateKey), Certificates(rest)[0]

	leaf := func(cn string, dns ...string) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: serial(), Subject: pkix.Name{CommonName: cn}, DNSNames: dns, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		}
	}
	address := func(ip string) *x509.Certificate {
		c := leaf("")
		c.IPAddresses = []net.IP{net.ParseIP(ip)}
		return c
	}
	with := func(c *x509.Certificate, f func(*x509.Certificate)) *x509.Certificate { f(c); return c }

	for _, c := range []struct {
		what, name string
		good       bool
		leaf       *x509.Certificate
		below      bool // signed by an authority that the thief makes
	}{
		{"a service's name", "web.shop.localhost", true, leaf("", "web.shop.localhost"), false},
		{"localhost itself", "localhost", true, leaf("localhost", "localhost"), false},
		{"a test name", "db.shop.test", true, leaf("", "db.shop.test"), false},
		{"a site", "example.com", false, leaf("", "example.com"), false},
		{"a site beside a name", "example.com", false, leaf("", "web.shop.localhost", "example.com"), false},
		{"a site as common name only", "example.com", false, leaf("example.com"), false},
		{"a site as common name beside a name", "example.com", false, leaf("example.com", "web.shop.localhost"), false},
		{"all of com", "example.com", false, leaf("", "*.com"), false},
		{"a name that ends alike", "xlocalhost", false, leaf("", "xlocalhost"), false},
		{"an address", "127.0.0.1", false, address("127.0.0.1"), false},
		{"an IPv6 address", "::1", false, address("::1"), false},
		{"a mail address", "web.shop.localhost", false, with(leaf("", "web.shop.localhost"), func(c *x509.Certificate) { c.EmailAddresses = []string{"ann@example.com"} }), false},
		{"a URI", "web.shop.localhost", false, with(leaf("", "web.shop.localhost"), func(c *x509.Certificate) {
			c.URIs = []*url.URL{{Scheme: "https", Host: "example.com", Path: "/"}}
		}), false},
		{"a site below an authority of the thief's", "example.com", false, leaf("", "example.com"), true},
		{"a name below an authority of the thief's", "web.shop.localhost", false, leaf("", "web.shop.localhost"), true},
	} {
		by, byKey, chain := signer, key, [][]byte{signer.Raw}
		if c.below {
			if byKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
				t.Fatal(err)
			}
			below := &x509.Certificate{
				SerialNumber: serial(), Subject: pkix.Name{CommonName: "thief"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
				IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
			}
			if by, err = sign(below, signer, byKey.Public(), key); err != nil {
				t.Fatal(err)
			}
			chain = [][]byte{by.Raw, signer.Raw}
		}
		leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := sign(c.leaf, by, leafKey.Public(), byKey)
		if err != nil {
			t.Fatal(err)
		}
		f := &forged{what: c.what, name: c.name, good: c.good, pem: filepath.Join(t.TempDir(), "chain.pem")}
		var text []byte
		chain = append([][]byte{cert.Raw}, chain...)
		for _, der := range chain {
			text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
		}
		if err := os.WriteFile(f.pem, text, 0o600); err != nil {
			t.Fatal(err)
		}
		f.serve(t, tls.Certificate{Certificate: chain, PrivateKey: leafKey})
		all = append(all, f)
	}
	return filepath.Join(dir, rootFile), all
}

func (f *forged) serve(t *testing.T, c tls.Certificate) {
	t.Helper()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{c}})
	if err != nil {
		t.Fatal(err)
	}
	f.port = ln.Addr().(*net.TCPAddr).Port
	s := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { f.requests.Add(1) }), ErrorLog: log.New(io.Discard, "", 0)}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(ln) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
}

// TestStolenKey lets real verifiers look at what a thief of the key can sign:
// names below localhost and test, and nothing else.
func TestStolenKey(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "trust")
	open(t, dir, nil)
	root, all := steal(t, dir)

	// one runs a program for each certificate; its exit status is the verdict.
	one := func(args func(f *forged) []string) func(*testing.T) []string {
		return func(t *testing.T) []string {
			var said []string
			for _, f := range all {
				a := args(f)
				out, err := run(t, "", a[0], a[1:]...)
				if err != nil {
					out = "no " + out
				} else {
					out = "ok " + out
				}
				said = append(said, out)
			}
			return said
		}
	}
	// list runs a program once, with all names and ports on its input.
	list := func(program string, args ...string) func(*testing.T) []string {
		return func(t *testing.T) []string {
			var in strings.Builder
			for _, f := range all {
				fmt.Fprintln(&in, f.name, f.port)
			}
			out, err := run(t, in.String(), program, args...)
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			return strings.Split(strings.TrimSpace(out), "\n")
		}
	}
	isAddress := func(f *forged) bool { return net.ParseIP(f.name) != nil }

	// A browser takes its time, so it gets some of them.
	var some []*forged
	for _, f := range all {
		switch f.what {
		case "a service's name", "a test name", "a site", "a site beside a name", "a site as common name only", "an address", "a site below an authority of the thief's":
			some = append(some, f)
		}
	}
	for _, v := range []struct {
		name    string
		needs   string
		verdict func(*testing.T) []string
	}{
		{"openssl", "openssl", one(func(f *forged) []string {
			how := "-verify_hostname"
			if isAddress(f) {
				how = "-verify_ip"
			}
			return []string{"openssl", "verify", "-CAfile", root, "-untrusted", f.pem, "-purpose", "sslserver", how, f.name, f.pem}
		})},
		{"GnuTLS", "certtool", one(func(f *forged) []string {
			a := []string{"certtool", "--verify", "--load-ca-certificate", root, "--verify-purpose", "1.3.6.1.5.5.7.3.1", "--infile", f.pem}
			if !isAddress(f) { // certtool has no check of an address, but one of the chain
				a = append(a, "--verify-hostname", f.name)
			}
			return a
		})},
		{"curl", "curl", one(func(f *forged) []string {
			host := net.JoinHostPort(f.name, fmt.Sprint(f.port))
			a := []string{"curl", "-sS", "--noproxy", "*", "-m", "20", "--cacert", root, "https://" + host + "/"}
			if f.name == "::1" { // it is served on 127.0.0.1
				a = append(a, "--connect-to", host+":127.0.0.1:"+fmt.Sprint(f.port))
			} else if !isAddress(f) {
				a = append(a, "--resolve", host+":127.0.0.1")
			}
			return a
		})},
		{"NSS", "certutil", func(t *testing.T) []string { return nssVerdicts(t, root, all) }},
		{"Python", "python3", list("python3", "testdata/verify.py", root)},
		{"Node.js", "node", list("node", "testdata/verify.cjs", root)},
		{"Java", "java", list("java", "testdata/Verify.java", root)},
		{"Go", "", func(t *testing.T) []string { return goVerdicts(t, root, all) }},
		{"Chromium", "chromium", func(t *testing.T) []string { return chromiumVerdicts(t, root, some) }},
	} {
		t.Run(v.name, func(t *testing.T) {
			if v.needs != "" {
				if _, err := exec.LookPath(v.needs); err != nil {
					t.Skipf("%s is not installed", v.needs)
				}
			}
			said, of := v.verdict(t), all
			if v.name == "Chromium" {
				of = some
			}
			if len(said) != len(of) {
				t.Fatalf("%d verdicts for %d certificates: %q", len(said), len(of), said)
			}
			for i, f := range of {
				if v.name == "GnuTLS" && f.what == "a URI" {
					continue // GnuTLS 3.7 does not look at constraints of URIs; no program takes one for a server's name
				}
				if strings.HasPrefix(said[i], "ok") != f.good {
					t.Errorf("%s (%s): %s", f.what, f.name, said[i])
				}
			}
		})
	}

	t.Run("other purposes", func(t *testing.T) {
		if _, err := exec.LookPath("openssl"); err != nil {
			t.Skip("openssl is not installed")
		}
		for _, purpose := range []string{"sslclient", "smimesign", "smimeencrypt", "timestampsign"} {
			if out, err := run(t, "", "openssl", "verify", "-CAfile", root, "-untrusted", all[0].pem, "-purpose", purpose, all[0].pem); err == nil {
				t.Errorf("%s: %s", purpose, out)
			}
		}
	})
}

func run(t *testing.T, stdin, program string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, program, args...)
	c.Stdin = strings.NewReader(stdin)
	var out, errOut bytes.Buffer
	c.Stdout, c.Stderr = &out, &errOut
	err := c.Run()
	if err != nil {
		return out.String() + errOut.String(), err
	}
	return out.String(), nil
}

func goVerdicts(t *testing.T, root string, all []*forged) []string {
	t.Helper()
	b, err := os.ReadFile(root)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(b)
	var said []string
	for _, f := range all {
		c, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", f.port), &tls.Config{RootCAs: pool, ServerName: f.name})
		if err != nil {
			said = append(said, "no "+err.Error())
			continue
		}
		_ = c.Close()
		said = append(said, "ok")
	}
	return said
}

// nssVerdicts asks NSS itself, which Firefox's own verifier is not.
func nssVerdicts(t *testing.T, root string, all []*forged) []string {
	t.Helper()
	db := "sql:" + t.TempDir()
	must := func(args ...string) {
		t.Helper()
		if out, err := run(t, "", "certutil", append([]string{"-d", db}, args...)...); err != nil {
			t.Fatalf("certutil %v: %v: %s", args, err, out)
		}
	}
	must("-N", "--empty-password")
	must("-A", "-n", "root", "-t", "C,,", "-a", "-i", root)
	var said []string
	for i, f := range all {
		b, err := os.ReadFile(f.pem)
		if err != nil {
			t.Fatal(err)
		}
		for j, c := range Certificates(b) {
			path := filepath.Join(t.TempDir(), "one.pem")
			if err := os.WriteFile(path, encodeCertificate(c), 0o600); err != nil {
				t.Fatal(err)
			}
			must("-A", "-n", fmt.Sprintf("c%d-%d", i, j), "-t", ",,", "-a", "-i", path)
		}
		// It knows no name that is asked for, so where the certificate alone is
		// right for some name it says yes: then the name must be in it.
		out, err := run(t, "", "certutil", "-d", db, "-V", "-u", "V", "-n", fmt.Sprintf("c%d-0", i))
		switch leaf := Certificates(b)[0]; {
		case err != nil:
			said = append(said, "no "+out)
		case leaf.VerifyHostname(f.name) != nil:
			said = append(said, "no: it has not that name")
		default:
			said = append(said, "ok "+out)
		}
	}
	return said
}

func chromiumVerdicts(t *testing.T, root string, all []*forged) []string {
	t.Helper()
	if _, err := exec.LookPath("certutil"); err != nil {
		t.Skip("certutil is not installed")
	}
	home := t.TempDir()
	db := filepath.Join(home, ".pki/nssdb")
	if err := os.MkdirAll(db, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"-N", "--empty-password"}, {"-A", "-n", "root", "-t", "C,,", "-a", "-i", root}} {
		if out, err := run(t, "", "certutil", append([]string{"-d", "sql:" + db}, args...)...); err != nil {
			t.Fatalf("certutil: %v: %s", err, out)
		}
	}
	var said []string
	for _, f := range all {
		f.requests.Store(0)
		args := []string{
			"HOME=" + home, "chromium", "--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
			"--no-proxy-server", "--user-data-dir=" + filepath.Join(home, "profile"), "--host-resolver-rules=MAP * 127.0.0.1", "--enable-logging=stderr", "--dump-dom",
		}
		if os.Geteuid() == 0 {
			args = append(args, "--no-sandbox")
		}
		out, err := run(t, "", "env", append(args, "https://"+net.JoinHostPort(f.name, fmt.Sprint(f.port))+"/")...)
		if err != nil {
			t.Fatalf("chromium: %v: %s", err, out)
		}
		if f.requests.Load() > 0 {
			said = append(said, "ok")
		} else {
			said = append(said, "no request")
		}
	}
	return said
}
