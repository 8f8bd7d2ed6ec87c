package trust

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"lodge/internal/bounded"
)

// Bounds of what is read, in bytes: of a file of ours, and of the system's
// certificates, which are a quarter of a megabyte in most places.
const (
	maxFile   = 64 << 10
	maxBundle = 16 << 20
)

// What the directory holds.
const (
	authorityFile = "authority.pem" // key, signer, root: one file, so that they always fit
	rootFile      = "root.pem"      // the root, for all to read
	recordFile    = "roots.pem"     // every root that was ever made here
	bundleFile    = "bundle.pem"    // the system's certificates and the root
	lockFile      = "lock"
)

// encode returns the authority's file.
func (m *material) encode() ([]byte, error) {
	key, err := x509.MarshalPKCS8PrivateKey(m.key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	var b bytes.Buffer
	for _, block := range []pem.Block{
		{Type: "PRIVATE KEY", Bytes: key},
		{Type: "CERTIFICATE", Bytes: m.signer.Raw},
		{Type: "CERTIFICATE", Bytes: m.root.Raw},
	} {
		_ = pem.Encode(&b, &block) // a buffer takes all
	}
	return b.Bytes(), nil
}

// decode reads an authority's file: PEM (RFC 7468) with the key, the signer and
// the root, in this order, and nothing else. It refuses an authority that may
// sign for more than lodge's may, wherever it comes from.
func decode(b []byte) (*material, error) {
	var blocks []*pem.Block
	for rest := b; ; {
		block, next := pem.Decode(rest)
		if block == nil {
			if len(bytes.TrimSpace(rest)) > 0 {
				return nil, errors.New("it has data that is no PEM")
			}
			break
		}
		blocks, rest = append(blocks, block), next
	}
	if len(blocks) != 3 || blocks[0].Type != "PRIVATE KEY" || blocks[1].Type != "CERTIFICATE" || blocks[2].Type != "CERTIFICATE" {
		return nil, errors.New("it is not one key and two certificates")
	}
	k, err := x509.ParsePKCS8PrivateKey(blocks[0].Bytes)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	key, ok := k.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("its key is a %T", k)
	}
	m := &material{key: key}
	if m.signer, err = x509.ParseCertificate(blocks[1].Bytes); err != nil {
		return nil, fmt.Errorf("read signer: %w", err)
	}
	if m.root, err = x509.ParseCertificate(blocks[2].Bytes); err != nil {
		return nil, fmt.Errorf("read root: %w", err)
	}
	return m, m.check()
}

// check reports what is wrong with the parts or how they fit, the time aside.
func (m *material) check() error {
	if pub, ok := m.signer.PublicKey.(*ecdsa.PublicKey); !ok || !pub.Equal(m.key.Public()) {
		return errors.New("the key is not the signer's")
	}
	if err := m.root.CheckSignatureFrom(m.root); err != nil {
		return fmt.Errorf("the root is not signed by itself: %w", err)
	}
	if err := m.signer.CheckSignatureFrom(m.root); err != nil {
		return fmt.Errorf("the signer is not signed by the root: %w", err)
	}
	for _, c := range []*x509.Certificate{m.root, m.signer} {
		if err := constrained(c); err != nil {
			return fmt.Errorf("%s: %w", c.Subject.CommonName, err)
		}
	}
	return nil
}

// constrained holds that a certificate may sign for servers in the domains and
// for nothing else.
func constrained(c *x509.Certificate) error {
	switch {
	case !c.IsCA || !c.BasicConstraintsValid:
		return errors.New("it is no authority")
	case !c.PermittedDNSDomainsCritical || !slices.Equal(c.PermittedDNSDomains, domains()):
		return fmt.Errorf("its names are not constrained to %v", domains())
	case len(c.PermittedEmailAddresses) != 1 || len(c.PermittedURIDomains) != 1:
		return errors.New("its mail addresses and URIs are not constrained")
	case len(c.ExtKeyUsage) != 1 || c.ExtKeyUsage[0] != x509.ExtKeyUsageServerAuth || len(c.UnknownExtKeyUsage) > 0:
		return errors.New("it may sign for more than servers")
	}
	for _, want := range allAddresses() {
		found := false
		for _, have := range c.ExcludedIPRanges {
			ones, bits := have.Mask.Size()
			wantOnes, wantBits := want.Mask.Size()
			found = found || ones == wantOnes && bits == wantBits
		}
		if !found {
			return fmt.Errorf("addresses in %s are not excluded", want)
		}
	}
	return nil
}

// stamp tells one content of a file from the next.
type stamp struct {
	inode, size, mtime uint64
}

func stampOf(fi fs.FileInfo) stamp {
	s := stamp{size: uint64(fi.Size()), mtime: uint64(fi.ModTime().UnixNano())}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		s.inode = st.Ino
	}
	return s
}

// readPrivate reads a file that must be this user's alone. A mode that lets
// others in is mended, and mended says what it was.
func readPrivate(path string) (b []byte, s stamp, mended fs.FileMode, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, stamp{}, 0, plain("open", path, err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, stamp{}, 0, plain("read", path, err)
	}
	if !fi.Mode().IsRegular() {
		return nil, stamp{}, 0, fmt.Errorf("read %s: it is no regular file", path)
	}
	if err := belongs(fi, path); err != nil {
		return nil, stamp{}, 0, err
	}
	if fi.Mode().Perm()&0o077 != 0 {
		if err := f.Chmod(0o600); err != nil {
			return nil, stamp{}, 0, plain("take rights from", path, err)
		}
		mended = fi.Mode().Perm()
	}
	b, err = readAll(f, path, maxFile)
	return b, stampOf(fi), mended, err
}

// readBounded reads a file that is not secret, of maxBundle bytes at most.
func readBounded(path string) ([]byte, stamp, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, stamp{}, plain("open", path, err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, stamp{}, plain("read", path, err)
	}
	if !fi.Mode().IsRegular() {
		return nil, stamp{}, fmt.Errorf("read %s: it is no regular file", path)
	}
	b, err := readAll(f, path, maxBundle)
	return b, stampOf(fi), err
}

func readAll(f *os.File, path string, limit int64) ([]byte, error) {
	b, err := bounded.ReadAll(f, limit)
	if err != nil {
		return nil, plain("read", path, err)
	}
	return b, nil
}

// ErrForeign is the cause where a file or directory belongs to another user.
var ErrForeign = errors.New("it belongs to another user")

// belongs holds that a file is this user's.
func belongs(fi fs.FileInfo, path string) error {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if ok && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("use %s: %w (%d)", path, ErrForeign, st.Uid)
	}
	return nil
}

// plain reports what could not be done with which path, once.
func plain(verb, path string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return fmt.Errorf("%s %s: %w", verb, path, err)
}

// writeWhole replaces a file in one step, after its content is on disk: it is
// there whole or as it was before, also where the disk is full.
func writeWhole(path string, b []byte, mode fs.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return plain("write", path, err)
	}
	defer os.Remove(tmp.Name()) // fails after the rename, as it should
	_, err = tmp.Write(b)
	if err == nil {
		err = tmp.Chmod(mode)
	}
	if err == nil {
		err = tmp.Sync()
	}
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return plain("write", path, err)
	}
	return nil
}

// openDir makes the directory, or takes it where it is this user's, and lets
// no other user list or change it. Root's may be walked through: services that
// change their user read the certificates there.
func openDir(dir string) error {
	mode := fs.FileMode(0o700)
	if os.Geteuid() == 0 {
		mode = 0o711
	}
	if err := os.MkdirAll(dir, mode); err != nil {
		return plain("make", dir, err)
	}
	fi, err := os.Stat(dir)
	if err != nil {
		return plain("use", dir, err)
	}
	if err := belongs(fi, dir); err != nil {
		return err
	}
	if want := fi.Mode().Perm()&^0o022 | mode&0o011; fi.Mode().Perm() != want {
		if err := os.Chmod(dir, want); err != nil {
			return plain("take rights from", dir, err)
		}
	}
	return nil
}

// lock holds the directory against other processes until unlock is called.
func lock(dir string) (unlock func(), err error) {
	path := filepath.Join(dir, lockFile)
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, plain("lock", path, err)
		}
		for {
			err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
			if !errors.Is(err, unix.EINTR) {
				break
			}
		}
		if err != nil {
			_ = f.Close()
			return nil, plain("lock", path, err)
		}
		// Whoever held it before may have removed it with all the rest.
		held, err := f.Stat()
		now, nowErr := os.Lstat(path)
		if err == nil && nowErr == nil && os.SameFile(held, now) {
			return func() { _ = f.Close() }, nil // closing lets go of the lock
		}
		_ = f.Close()
		if err != nil {
			return nil, plain("lock", path, err)
		}
		if nowErr != nil && !errors.Is(nowErr, fs.ErrNotExist) {
			return nil, plain("lock", path, nowErr)
		}
	}
}
