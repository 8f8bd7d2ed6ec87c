package trust

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// systemBundles are where Linux systems keep all their certificates in one
// file, as in Go's crypto/x509/root_linux.go.
func systemBundles() []string {
	return []string{
		"/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Arch, Alpine
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora, RHEL
		"/etc/pki/tls/certs/ca-bundle.crt",                  // older Fedora and RHEL
		"/etc/ssl/ca-bundle.pem",                            // openSUSE
		"/etc/pki/tls/cacert.pem",
		"/etc/ssl/cert.pem",
	}
}

// Env returns the variables, as KEY=value, that make a child process trust the
// authority; have is the environment that the child has otherwise, or only the names in
// it, and what is set there, if only to nothing, is never set again.
// docs/design/trust.md says why these and no others.
//
// Variables that add to what a program trusts are always given. Those that
// replace it get a file with the system's certificates and the root: it is
// written into the authority's directory and again where the system's have
// changed, and it is the system's own file where that has the root. They are
// left out where the system's file is not found, and where another user could
// not read it, since a program that then changes its user would trust no certificate.
func (a *Authority) Env(have []string) ([]string, error) {
	return a.env(have, systemBundles())
}

func (a *Authority) env(have, bundles []string) ([]string, error) {
	set := func(keys ...string) bool {
		return slices.ContainsFunc(have, func(kv string) bool {
			key, _, _ := strings.Cut(kv, "=")
			return slices.Contains(keys, key)
		})
	}
	m := a.material()
	if err := a.publish(m); err != nil {
		return nil, err
	}
	var env []string
	for _, key := range []string{"NODE_EXTRA_CA_CERTS", "DENO_CERT"} {
		if !set(key) {
			env = append(env, key+"="+a.RootPath())
		}
	}
	bundle, err := a.bundle(m, bundles)
	if err != nil || bundle == "" {
		return env, err
	}
	for _, v := range []struct {
		key    string
		unless []string // other variables with which a person says the same
	}{
		{"SSL_CERT_FILE", []string{"SSL_CERT_DIR"}},
		{"REQUESTS_CA_BUNDLE", []string{"CURL_CA_BUNDLE"}},
		{"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", nil},
	} {
		if !set(append(v.unless, v.key)...) {
			env = append(env, v.key+"="+bundle)
		}
	}
	return env, nil
}

// bundle returns the path of a file with the system's certificates and the root,
// or "" where there is none that is safe to name.
func (a *Authority) bundle(m *material, bundles []string) (string, error) {
	for _, path := range bundles {
		system, _, err := readBounded(path)
		if err != nil {
			continue
		}
		certs := Certificates(system)
		if len(certs) == 0 {
			continue
		}
		if slices.ContainsFunc(certs, m.root.Equal) {
			return path, nil
		}
		if os.Geteuid() == 0 && !openToAll(a.dir) {
			return "", nil
		}
		want := slices.Concat(bytes.TrimRight(system, "\n"), []byte("\n"), encodeCertificate(m.root))
		out := filepath.Join(a.dir, bundleFile)
		if have, _, err := readBounded(out); err == nil && bytes.Equal(have, want) {
			return out, nil
		}
		return out, writeWhole(out, want, 0o644)
	}
	return "", nil
}

// openToAll reports whether any user may look up files in a directory.
func openToAll(dir string) bool {
	for {
		fi, err := os.Stat(dir)
		if err != nil || fi.Mode().Perm()&0o001 == 0 {
			return errors.Is(err, fs.ErrNotExist)
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return true
		}
		dir = parent
	}
}
