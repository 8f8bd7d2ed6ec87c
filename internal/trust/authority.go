package trust

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// ErrNone is the cause where there is no authority yet.
var ErrNone = errors.New("there is no authority yet")

// Options say where an authority lives.
type Options struct {
	// Dir is a directory of the authority's own, absolute. It is made with mode
	// 0700 where it is missing.
	Dir string
	// Now returns the time; nil is time.Now.
	Now func() time.Time
}

// Authority is a user's certificate authority. It is safe for use by many
// goroutines, and follows its file when another process renews it.
type Authority struct {
	dir string
	now func() time.Time

	current atomic.Pointer[loaded]
	looked  atomic.Int64 // when the file was last looked at, in Unix seconds

	mu       sync.Mutex // guards warnings, and loading
	warnings []string
}

// loaded is what one content of the file gave.
type loaded struct {
	*material
	stamp stamp
}

// Open returns the authority in the directory and makes one where there is none.
// Where several processes do so at once, they get the same. A file that cannot
// be used is set aside, and an authority that has expired is replaced; both
// are said in Warnings. A file or directory of another user is an error with
// the cause ErrForeign.
func Open(o Options) (*Authority, error) {
	a := newAuthority(o)
	if err := openDir(a.dir); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	l, err := a.loadOrMake()
	if err != nil {
		return nil, err
	}
	a.take(l)
	return a, nil
}

// Look returns the authority in the directory and changes nothing: where there is
// none that can be used now, the error's cause is ErrNone.
func Look(o Options) (*Authority, error) {
	a := newAuthority(o)
	a.mu.Lock()
	defer a.mu.Unlock()
	l, err := a.load()
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("look in %s: %w", a.dir, ErrNone)
	}
	if err != nil {
		return nil, err
	}
	a.take(l)
	return a, nil
}

func newAuthority(o Options) *Authority {
	a := &Authority{dir: o.Dir, now: o.Now}
	if a.now == nil {
		a.now = time.Now
	}
	return a
}

// Renew makes a new authority in the place of the one that is there. What
// trusts the old one does not trust it.
func (a *Authority) Renew() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	unlock, err := lock(a.dir)
	if err != nil {
		return err
	}
	defer unlock()
	l, err := a.make()
	if err != nil {
		return err
	}
	a.take(l)
	return nil
}

// Root returns the certificate that people install.
func (a *Authority) Root() *x509.Certificate { return a.current.Load().root }

// PEM returns the root as PEM.
func (a *Authority) PEM() []byte { return encodeCertificate(a.Root()) }

// Dir returns the directory.
func (a *Authority) Dir() string { return a.dir }

// RootPath returns the path of a file that has the root as PEM.
func (a *Authority) RootPath() string { return filepath.Join(a.dir, rootFile) }

// Warnings returns what a person should know of how the authority was found.
func (a *Authority) Warnings() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.warnings...)
}

func (a *Authority) take(l *loaded) {
	a.looked.Store(a.now().Unix())
	a.current.Store(l)
}

// material returns the authority's parts. Once a second at most it looks whether
// another process has put a new one there.
func (a *Authority) material() *material {
	l := a.current.Load()
	now, looked := a.now().Unix(), a.looked.Load()
	if now == looked || !a.looked.CompareAndSwap(looked, now) {
		return l.material
	}
	fi, err := os.Lstat(filepath.Join(a.dir, authorityFile))
	if err == nil && stampOf(fi) == l.stamp && now < l.signer.NotAfter.Unix() {
		return l.material
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if openDir(a.dir) != nil {
		return l.material
	}
	next, err := a.loadOrMake()
	if err != nil {
		return l.material // better the one that was good a second ago than none
	}
	a.current.Store(next)
	return next.material
}

// loadOrMake returns what the file has, or a new authority. Call it with mu held.
func (a *Authority) loadOrMake() (*loaded, error) {
	if l, err := a.load(); err == nil {
		return l, a.publish(l.material)
	}
	unlock, err := lock(a.dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	l, err := a.load() // another process may have made it meanwhile
	var expired *expiredError
	switch {
	case err == nil:
		return l, a.publish(l.material)
	case errors.Is(err, fs.ErrNotExist):
	case errors.As(err, &expired):
		a.warn(err.Error() + ": there is a new one; install it: lodge trust")
	default:
		var bad *unusableError
		if !errors.As(err, &bad) {
			return nil, err
		}
		path := filepath.Join(a.dir, authorityFile)
		aside := path + ".unusable-" + a.now().UTC().Format("20060102T150405.000Z")
		if err := os.Rename(path, aside); err != nil {
			return nil, plain("set aside", path, err)
		}
		a.warn(fmt.Sprintf("%v: set aside as %s, and there is a new authority; install it: lodge trust", bad, aside))
	}
	return a.make()
}

// unusableError is a file that is no authority of lodge's.
type unusableError struct {
	path string
	err  error
}

func (e *unusableError) Error() string { return fmt.Sprintf("read authority %s: %v", e.path, e.err) }
func (e *unusableError) Unwrap() error { return e.err }

// expiredError is an authority whose time is over.
type expiredError struct{ notAfter time.Time }

func (e *expiredError) Error() string {
	return fmt.Sprintf("the authority expired on %s", e.notAfter.Format(time.DateOnly))
}

func (e *expiredError) Is(target error) bool { return target == ErrNone }

// load reads the file. Call it with mu held.
func (a *Authority) load() (*loaded, error) {
	path := filepath.Join(a.dir, authorityFile)
	b, s, mended, err := readPrivate(path)
	if err != nil {
		return nil, err
	}
	if mended != 0 {
		a.warn(fmt.Sprintf("others could read the authority's key (mode %04o): mended; if others use this machine, make a new one: lodge trust --renew", mended))
	}
	m, err := decode(b)
	if err != nil {
		return nil, &unusableError{path: path, err: err}
	}
	// One that is not valid yet stays: it is the clock that is wrong.
	if a.now().After(m.signer.NotAfter) {
		return nil, &expiredError{notAfter: m.signer.NotAfter}
	}
	return &loaded{material: m, stamp: s}, nil
}

// make makes an authority and writes it. The record comes first: what was ever
// installed must be found again. Call it with mu and the lock held.
func (a *Authority) make() (*loaded, error) {
	m, err := makeMaterial(owner(), mark(a.dir), a.now())
	if err != nil {
		return nil, err
	}
	b, err := m.encode()
	if err != nil {
		return nil, err
	}
	roots := append(readRoots(a.dir), m.root)
	var rec bytes.Buffer
	for _, c := range roots {
		rec.Write(encodeCertificate(c))
	}
	if err := writeWhole(filepath.Join(a.dir, recordFile), rec.Bytes(), 0o600); err != nil {
		return nil, err
	}
	path := filepath.Join(a.dir, authorityFile)
	// What a process left that was killed half-way has a key in it.
	left, _ := filepath.Glob(filepath.Join(a.dir, "."+authorityFile+"-*"))
	for _, f := range left {
		_ = os.Remove(f)
	}
	if err := writeWhole(path, b, 0o600); err != nil {
		return nil, err
	}
	fi, err := os.Lstat(path)
	if err != nil {
		return nil, plain("read", path, err)
	}
	return &loaded{material: m, stamp: stampOf(fi)}, a.publish(m)
}

// publish writes the root for others to read, where it is not there yet.
func (a *Authority) publish(m *material) error {
	path, want := filepath.Join(a.dir, rootFile), encodeCertificate(m.root)
	if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, want) {
		return nil
	}
	return writeWhole(path, want, 0o644)
}

// warn keeps a warning, once. Call it with mu held.
func (a *Authority) warn(w string) {
	for _, old := range a.warnings {
		if old == w {
			return
		}
	}
	a.warnings = append(a.warnings, w)
}

func encodeCertificate(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// Fingerprint returns a certificate's SHA-256 in hexadecimal.
func Fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// owner names the user for whom an authority is made, as ann@host.
func owner() string {
	name := strconv.Itoa(os.Geteuid())
	if u, err := user.LookupId(name); err == nil && u.Username != "" {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "localhost"
	}
	return name + "@" + host
}

// mark tells the certificates of this directory from those of others, also on
// another machine that shares the user's home: the directory, the user and the
// machine (machine-id(5), or the host's name where there is none) make it.
func mark(dir string) string {
	machine, err := os.ReadFile("/etc/machine-id")
	id := strings.TrimSpace(string(machine))
	if err != nil || id == "" {
		id, _ = os.Hostname()
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "lodge trust\x00%s\x00%d\x00%s", id, os.Geteuid(), filepath.Clean(dir)))
	return hex.EncodeToString(sum[:8])
}
