package trust

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// bundleOf makes a file with n certificates, as a system's is.
func bundleOf(t *testing.T, n int) string {
	t.Helper()
	var b []byte
	for range n {
		m, err := makeMaterial("system@host", "ff", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, "# a certificate\n"...)
		b = append(b, encodeCertificate(m.root)...)
	}
	path := filepath.Join(openTemp(t), "system.crt")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// openTemp returns a temporary directory that every user may look into.
func openTemp(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "trust")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func keys(env []string) string {
	var all []string
	for _, kv := range env {
		k, _, _ := strings.Cut(kv, "=")
		all = append(all, k)
	}
	return strings.Join(all, " ")
}

func TestEnv(t *testing.T) {
	dir := filepath.Join(openTemp(t), "trust")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	a := open(t, dir, nil)
	system := bundleOf(t, 3)
	bundles := []string{"/nonexistent", system}
	const all = "NODE_EXTRA_CA_CERTS DENO_CERT SSL_CERT_FILE REQUESTS_CA_BUNDLE GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"

	env, err := a.env([]string{"PATH=/bin"}, bundles)
	if err != nil || keys(env) != all {
		t.Fatalf("%v, %v", env, err)
	}
	for _, kv := range env {
		k, path, _ := strings.Cut(kv, "=")
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		certs := Certificates(b)
		want := 4
		if k == "NODE_EXTRA_CA_CERTS" || k == "DENO_CERT" {
			want = 1
		}
		if len(certs) != want || !slices.ContainsFunc(certs, a.Root().Equal) {
			t.Errorf("%s has %d certificates", k, len(certs))
		}
	}
	bundle := filepath.Join(dir, bundleFile)
	before, err := os.Stat(bundle)
	if err != nil || before.Mode().Perm() != 0o644 {
		t.Fatalf("%v, %v", before, err)
	}

	// Written again only where the system's has changed.
	if _, err := a.env(nil, bundles); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.Stat(bundle); !os.SameFile(before, after) {
		t.Error("written for nothing")
	}
	system2 := bundleOf(t, 5)
	if _, err := a.env(nil, []string{system2}); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(bundle); len(Certificates(b)) != 6 {
		t.Error("the system's have changed, and the bundle has not")
	}

	// What is set stays.
	for _, c := range []struct{ have, want string }{
		{"NODE_EXTRA_CA_CERTS=/x", "DENO_CERT SSL_CERT_FILE REQUESTS_CA_BUNDLE GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"},
		{"SSL_CERT_FILE=/x", "NODE_EXTRA_CA_CERTS DENO_CERT REQUESTS_CA_BUNDLE GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"},
		{"SSL_CERT_DIR=/x", "NODE_EXTRA_CA_CERTS DENO_CERT REQUESTS_CA_BUNDLE GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"},
		{"SSL_CERT_FILE=", "NODE_EXTRA_CA_CERTS DENO_CERT REQUESTS_CA_BUNDLE GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"}, // a person wants none
		{"CURL_CA_BUNDLE=/x", "NODE_EXTRA_CA_CERTS DENO_CERT SSL_CERT_FILE GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"},
		{"REQUESTS_CA_BUNDLE=/x", "NODE_EXTRA_CA_CERTS DENO_CERT SSL_CERT_FILE GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"},
	} {
		if env, err := a.env([]string{c.have}, bundles); err != nil || keys(env) != c.want {
			t.Errorf("%s: %v, %v", c.have, env, err)
		}
	}

	// Nothing replaces what a program trusts where the system's is not known.
	empty := filepath.Join(openTemp(t), "empty")
	if err := os.WriteFile(empty, []byte("no certificates"), 0o644); err != nil {
		t.Fatal(err)
	}
	if env, err := a.env(nil, []string{empty}); err != nil || keys(env) != "NODE_EXTRA_CA_CERTS DENO_CERT" {
		t.Errorf("%v, %v", env, err)
	}

	// Where the system has the root, its own file is named.
	b, err := os.ReadFile(system)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(system, append(b, a.PEM()...), 0o644); err != nil {
		t.Fatal(err)
	}
	env, err = a.env(nil, bundles)
	if err != nil || !slices.Contains(env, "SSL_CERT_FILE="+system) {
		t.Errorf("%v, %v", env, err)
	}
}

func TestEnvOfRootInAPrivateDirectory(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("it is about root")
	}
	private := filepath.Join(openTemp(t), "state")
	if err := os.Mkdir(private, 0o700); err != nil {
		t.Fatal(err)
	}
	a := open(t, filepath.Join(private, "trust"), nil)
	if env, err := a.env(nil, []string{bundleOf(t, 1)}); err != nil || keys(env) != "NODE_EXTRA_CA_CERTS DENO_CERT" {
		t.Errorf("%v, %v", env, err)
	}
}
