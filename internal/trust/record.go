package trust

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Record knows the roots of a directory, past ones too, so that they can be
// found in the places where they were installed.
type Record struct {
	mark  string
	roots []*x509.Certificate
}

// ReadRecord reads which roots a directory has had. Where it has none, and also
// where it is missing, the record still knows them by their subject.
func ReadRecord(dir string) *Record {
	return &Record{mark: mark(dir), roots: readRoots(dir)}
}

// Roots returns the roots that are known, oldest first.
func (r *Record) Roots() []*x509.Certificate { return slices.Clone(r.roots) }

// Ours reports whether a certificate is a root that the directory made, now or
// before: by the record, or by its subject where the record was lost.
func (r *Record) Ours(c *x509.Certificate) bool {
	if slices.ContainsFunc(r.roots, c.Equal) {
		return true
	}
	return c.IsCA && slices.Equal(c.Subject.Organization, []string{Marker}) && slices.Equal(c.Subject.OrganizationalUnit, []string{r.mark})
}

// readRoots reads the record, and takes from it what can be read.
func readRoots(dir string) []*x509.Certificate {
	var roots []*x509.Certificate
	for _, name := range []string{recordFile, rootFile} {
		b, _, err := readBounded(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		for _, c := range Certificates(b) {
			if !slices.ContainsFunc(roots, c.Equal) {
				roots = append(roots, c)
			}
		}
	}
	return roots
}

// Certificates returns the certificates of PEM data, and passes over whatever
// else is in it.
func Certificates(b []byte) []*x509.Certificate {
	var all []*x509.Certificate
	for {
		block, rest := pem.Decode(b)
		if block == nil {
			return all
		}
		b = rest
		if block.Type != "CERTIFICATE" {
			continue
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			all = append(all, c)
		}
	}
}

// Forget removes the authority, its record and all else that lodge wrote into
// the directory, and the directory if nothing else is in it. Call it when
// nothing trusts the authority any more.
func Forget(dir string) error {
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	unlock, err := lock(dir)
	if err != nil {
		return err
	}
	defer unlock()
	entries, err := os.ReadDir(dir)
	if err != nil {
		return plain("read", dir, err)
	}
	var errs []error
	for _, e := range entries {
		if !written(e.Name()) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, plain("remove", filepath.Join(dir, e.Name()), err))
		}
	}
	if err := os.Remove(filepath.Join(dir, lockFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		errs = append(errs, plain("remove", filepath.Join(dir, lockFile), err))
	}
	_ = os.Remove(dir) // not if something else is there
	return errors.Join(errs...)
}

// written reports whether lodge writes files of this name into the directory.
func written(name string) bool {
	for _, f := range []string{authorityFile, rootFile, recordFile, bundleFile} {
		half, _ := filepath.Match("."+f+"-*", name) // of a process that was killed
		aside, _ := filepath.Match(f+".unusable-*", name)
		if name == f || half || aside {
			return true
		}
	}
	return false
}
