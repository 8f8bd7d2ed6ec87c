package stores

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"lodge/internal/trust"
)

// database is one NSS database, in the format with cert9.db ("sql:"), which all
// programs have used since 2018.
type database struct {
	dir string
	app string // for people
}

// nss works on the databases of Chromium, Firefox and their kin. They are the
// user's own, so root is never needed.
func (w *work) nss(ctx context.Context) []Result {
	dbs := w.browsers.databases()
	if w.act == install {
		if db, ok := w.browsers.missingDatabase(w.programs); ok {
			dbs = append(dbs, db)
		}
	}
	if w.act == uninstall {
		for _, path := range w.made.In { // where it was put when the environment was another
			if exists(filepath.Join(path, "cert9.db")) && !slices.ContainsFunc(dbs, func(d database) bool { return d.dir == path }) {
				dbs = append(dbs, database{path, "NSS"})
			}
		}
	}
	if len(dbs) == 0 {
		return []Result{{Kind: NSS, Name: "Chromium, Firefox", State: Absent, Reason: "there is no such browser, or it was never started"}}
	}
	certutil := w.programs.find("certutil")
	all := make([]Result, 0, len(dbs))
	for _, db := range dbs {
		r := Result{Kind: NSS, Name: db.app, Path: db.dir}
		switch {
		case certutil == "" && w.act == uninstall && !slices.Contains(w.made.In, db.dir):
			r.State = Missing
		case certutil == "":
			r.State, r.Reason, r.Command = Failed, "certutil is missing", w.programs.packageCommand("libnss3-tools", "nss-tools", "nss", "mozilla-nss-tools")
		default:
			w.database(ctx, certutil, db, &r)
		}
		all = append(all, r)
	}
	return all
}

// database does what is asked for in one database.
func (w *work) database(ctx context.Context, certutil string, db database, r *Result) {
	fail := func(err error) {
		r.State, r.Reason = Failed, err.Error()
		if strings.Contains(r.Reason, "SEC_ERROR_BAD_PASSWORD") || strings.Contains(r.Reason, "SEC_ERROR_TOKEN_NOT_LOGGED_IN") {
			r.Reason = "it has a primary password"
			if w.act == install {
				r.Command = fmt.Sprintf("certutil -A -d %s -t C,, -n %s -a -i %s", quote("sql:"+db.dir), quote(w.Root.Subject.CommonName), quote(w.File))
			}
		}
	}
	if err := mine(db.dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		fail(err)
		return
	}
	cert := func(args ...string) (string, error) {
		return w.programs.run(ctx, certutil, append([]string{"-d", "sql:" + db.dir}, args...)...)
	}
	var entries []entry
	if exists(filepath.Join(db.dir, "cert9.db")) {
		var err error
		if entries, err = w.entries(cert); err != nil {
			fail(err)
			return
		}
	}
	var have *entry
	var others []entry
	for i, e := range entries {
		if w.Root != nil && w.act != uninstall && e.cert.Equal(w.Root) {
			have = &entries[i]
		} else {
			others = append(others, e)
		}
	}

	switch w.act {
	case status:
		r.State = Missing
		if have != nil && have.trusted() {
			r.State = Installed
		}
		return
	case install:
		if have != nil && have.trusted() && len(others) == 0 {
			r.State = Already
			return
		}
		if err := w.put(db, have, cert); err != nil {
			fail(err)
			return
		}
		r.State = Done
	case uninstall:
		r.State = Missing
	}
	for _, e := range others {
		if _, err := cert("-D", "-n", e.name); err != nil {
			fail(err)
			return
		}
		r.State = Done
	}
	if w.act == uninstall {
		if w.removeDatabase(db.dir, cert) {
			r.State = Done
		}
		if err := w.made.gone(db.dir); err != nil {
			fail(err)
		}
	}
}

// put makes the database where it is missing, and gives it the root.
func (w *work) put(db database, have *entry, cert func(...string) (string, error)) error {
	if err := w.made.mkdir(db.dir, 0o700); err != nil {
		return err
	}
	if err := w.made.put(db.dir); err != nil {
		return err
	}
	if !exists(filepath.Join(db.dir, "cert9.db")) {
		for _, f := range databaseFiles() {
			if !exists(filepath.Join(db.dir, f)) {
				if err := w.made.add(filepath.Join(db.dir, f)); err != nil {
					return err
				}
			}
		}
		if _, err := cert("-N", "--empty-password"); err != nil {
			return err
		}
	}
	if have != nil {
		_, err := cert("-M", "-n", have.name, "-t", "C,,")
		return err
	}
	_, err := cert("-A", "-n", w.Root.Subject.CommonName, "-t", "C,,", "-a", "-i", w.File)
	return err
}

func databaseFiles() []string { return []string{"cert9.db", "key4.db", "pkcs11.txt"} }

// removeDatabase removes a database that put made, if nothing else was
// put into it.
func (w *work) removeDatabase(dir string, cert func(...string) (string, error)) bool {
	if !w.made.has(filepath.Join(dir, "cert9.db")) {
		return false
	}
	list, err := cert("-L")
	if err != nil || len(parseList(list)) > 0 {
		return false
	}
	// It exits with 255 where there are no keys, so what it prints must tell.
	if keys, err := cert("-K"); err == nil || strings.Contains(keys, "<") {
		return false
	}
	for _, f := range databaseFiles() {
		p := filepath.Join(dir, f)
		if w.made.has(p) {
			if ignoreMissing(os.Remove(p)) != nil || w.made.drop(p) != nil {
				return false
			}
		}
	}
	w.made.rmdir(dir)
	return true
}

// entry is one certificate of a database.
type entry struct {
	name  string
	flags string // trust for servers, mail, code
	cert  *x509.Certificate
}

func (e entry) trusted() bool {
	server, _, _ := strings.Cut(e.flags, ",")
	return strings.Contains(server, "C")
}

// entries returns the roots of lodge's in a database.
func (w *work) entries(cert func(...string) (string, error)) ([]entry, error) {
	list, err := cert("-L")
	if err != nil {
		return nil, err
	}
	var all []entry
	for _, e := range parseList(list) {
		if !strings.HasPrefix(e.name, "lodge ") {
			continue
		}
		text, err := cert("-L", "-n", e.name, "-a")
		if err != nil {
			return nil, err
		}
		for _, c := range trust.Certificates([]byte(text)) {
			if w.Record.Ours(c) || w.Root != nil && c.Equal(w.Root) {
				all = append(all, entry{e.name, e.flags, c})
				break
			}
		}
	}
	return all, nil
}

// parseList reads what certutil -L prints: a nickname, blanks, and the trust
// flags, after a heading of the same shape.
func parseList(out string) []entry {
	var all []entry
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		i := strings.LastIndexAny(line, " \t")
		if i < 0 {
			continue
		}
		flags := line[i+1:]
		if strings.Count(flags, ",") != 2 || strings.Trim(flags, "pPcCTuw,") != "" {
			continue
		}
		all = append(all, entry{name: strings.TrimSpace(line[:i]), flags: flags})
	}
	return all
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
