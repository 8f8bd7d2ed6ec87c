package stores

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"lodge/internal/trust"
)

// layout is how a family of distributions keeps what the system trusts.
type layout struct {
	name    string
	anchors string   // where a certificate is put
	ext     string   // how its file must end
	update  []string // what makes the rest from it
	fresh   []string // the same after a certificate was taken away
	bundle  string   // the file that the rest is, mostly
	proof   string   // a path that only this family has, where anchors is not enough
}

// layouts has what the distributions' manuals say: update-ca-trust(8) of
// Fedora and Arch, update-ca-certificates(8) of Debian and openSUSE. Debian's
// looks for what has gone only with --fresh: without it, dead links stay behind
// in /etc/ssl/certs, and its hooks, Java's among them, hear of nothing.
func layouts() []layout {
	return []layout{
		{name: "Fedora, RHEL", anchors: "/etc/pki/ca-trust/source/anchors", ext: ".pem", update: []string{"update-ca-trust", "extract"}, bundle: "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"},
		{name: "Arch", anchors: "/etc/ca-certificates/trust-source/anchors", ext: ".crt", update: []string{"update-ca-trust"}, bundle: "/etc/ssl/certs/ca-certificates.crt"},
		{name: "openSUSE", anchors: "/etc/pki/trust/anchors", ext: ".pem", update: []string{"update-ca-certificates"}, bundle: "/etc/ssl/ca-bundle.pem"},
		{name: "Alpine", anchors: "/usr/local/share/ca-certificates", ext: ".crt", update: []string{"update-ca-certificates"}, bundle: "/etc/ssl/certs/ca-certificates.crt", proof: "/etc/alpine-release"},
		{name: "Debian", anchors: "/usr/local/share/ca-certificates", ext: ".crt", update: []string{"update-ca-certificates"}, fresh: []string{"update-ca-certificates", "--fresh"}, bundle: "/etc/ssl/certs/ca-certificates.crt", proof: "/etc/ca-certificates.conf"},
	}
}

// layout finds this machine's, or nil.
func (w *work) layout() *layout {
	for _, l := range layouts() {
		look := l.anchors
		if l.proof != "" {
			look = l.proof
		}
		if _, err := os.Stat(w.sysRoot.below(look)); err == nil {
			return &l
		}
	}
	return nil
}

// sysRoot is the directory below which system paths are; "/" is the machine's own.
type sysRoot string

// below returns a system path below the root directory.
func (r sysRoot) below(path string) string { return filepath.Join("/", string(r), path) }

// own reports whether it is the machine's own root directory.
func (r sysRoot) own() bool { return filepath.Clean("/"+string(r)) == "/" }

// system works on the system's store.
func (w *work) system(ctx context.Context) Result {
	l := w.layout()
	if l == nil {
		r := Result{Kind: System, Name: "system", State: Absent, Reason: "this distribution keeps its certificates in a way that lodge does not know"}
		if _, err := os.Stat(w.sysRoot.below("/etc/NIXOS")); err == nil {
			r.Name, r.Reason = "NixOS", "the system is made from its configuration: give the output of lodge trust --pem to security.pki.certificates"
		}
		return r
	}
	dir := w.sysRoot.below(l.anchors)
	r := Result{Kind: System, Name: l.name, Path: dir}
	var file string
	if w.Root != nil {
		file = filepath.Join(dir, "lodge-"+trust.Fingerprint(w.Root)[:16]+l.ext)
		r.Path = file
	}
	have, others := w.anchors(dir, l.ext)
	trusted := w.inBundle(w.sysRoot.below(l.bundle))

	switch w.act {
	case status:
		r.State = Missing
		if w.Root != nil && trusted(w.Root) {
			r.State = Installed
		} else if have {
			r.Reason = fmt.Sprintf("the certificate is there, but not in %s", l.bundle)
		}
		return r
	case install:
		if have && trusted(w.Root) && len(others) == 0 {
			r.State = Already
			return r
		}
	case uninstall:
		if have {
			others = append(others, file)
		}
		if len(others) == 0 {
			r.State = Missing
			return r
		}
		r.Path = strings.Join(others, " ")
	}

	update := w.command(l, len(others) > 0)
	if w.programs.find(l.update[0]) == "" && w.sysRoot.own() {
		r.State, r.Reason = Failed, l.update[0]+" is missing: install the package ca-certificates"
		return r
	}
	var commands []string // the same by hand
	if len(others) > 0 {
		quoted := make([]string, len(others))
		for i, o := range others {
			quoted[i] = quote(o)
		}
		commands = append(commands, "sudo rm -f "+strings.Join(quoted, " "))
	}
	if w.act == install {
		commands = append(commands, "lodge trust --pem | sudo tee "+quote(file)+" >/dev/null")
	}
	if len(update) > 0 {
		commands = append(commands, byHand(update))
	}
	if !writable(dir) {
		r.State, r.Command = NeedsRoot, strings.Join(commands, " && ")
		return r
	}

	if err := w.changeAnchors(dir, file, others); err != nil {
		r.State, r.Reason = Failed, err.Error()
		return r
	}
	r.State = Done
	if len(update) == 0 {
		r.Reason = l.update[0] + " was not run, since this is another root"
		return r
	}
	if _, err := w.programs.run(ctx, w.programs.find(update[0]), update[1:]...); err != nil {
		r.State, r.Reason, r.Command = Failed, err.Error(), byHand(update)
		return r
	}
	trusted = w.inBundle(w.sysRoot.below(l.bundle))
	if w.Root != nil && trusted(w.Root) != (w.act == install) {
		r.State, r.Reason = Failed, fmt.Sprintf("%s ran, but %s did not change as it should", l.update[0], w.sysRoot.below(l.bundle))
	}
	return r
}

// anchors reports whether the root's file is in the directory as it should be,
// and gives the files of lodge's that should not be there.
func (w *work) anchors(dir, ext string) (have bool, others []string) {
	files, _ := filepath.Glob(filepath.Join(dir, "lodge-*"+ext))
	for _, f := range files {
		b, err := readSmall(f)
		if err != nil {
			continue
		}
		certs := trust.Certificates(b)
		if len(certs) != 1 {
			continue
		}
		switch {
		case w.Root != nil && certs[0].Equal(w.Root) && filepath.Base(f) == "lodge-"+trust.Fingerprint(w.Root)[:16]+ext:
			have = true
		case w.Record.Ours(certs[0]):
			others = append(others, f)
		}
	}
	return have, others
}

// changeAnchors puts the root's file there, for Install, and takes others away.
func (w *work) changeAnchors(dir, file string, others []string) error {
	for _, f := range others {
		if err := ignoreMissing(os.Remove(f)); err != nil {
			return unpath("remove", f, err)
		}
	}
	if w.act == uninstall {
		w.made.rmdir(dir)
		return nil
	}
	if err := w.made.mkdir(dir, 0o755); err != nil {
		return unpath("make", dir, err)
	}
	// Debian's script reads whatever ends in .crt, so it must not see a half.
	return replace(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.Root.Raw}), 0o644)
}

// command returns the distribution's command. Below another root only Debian's
// knows how to work there, and its hooks stay out of it; of others it is empty.
func (w *work) command(l *layout, gone bool) []string {
	c := l.update
	if gone && l.fresh != nil {
		c = l.fresh
	}
	switch {
	case w.sysRoot.own():
		return c
	case l.name != "Debian" || w.programs.find(c[0]) == "":
		return nil
	}
	return slices.Concat(c, []string{
		"--certsconf", w.sysRoot.below("/etc/ca-certificates.conf"), "--certsdir", w.sysRoot.below("/usr/share/ca-certificates"),
		"--localcertsdir", w.sysRoot.below(l.anchors), "--etccertsdir", w.sysRoot.below("/etc/ssl/certs"), "--hooksdir", w.sysRoot.below("/etc/ca-certificates/update.d"),
	})
}

// byHand writes a command as a person gives it to a shell.
func byHand(command []string) string {
	line := "sudo"
	for _, c := range command {
		line += " " + quote(c)
	}
	return line
}

// inBundle returns a question: is this certificate in the file?
func (w *work) inBundle(path string) func(*x509.Certificate) bool {
	b, err := readSmall(path)
	if err != nil {
		b = nil
	}
	var all [][]byte
	for {
		block, rest := pem.Decode(b)
		if block == nil {
			break
		}
		all, b = append(all, block.Bytes), rest
	}
	return func(c *x509.Certificate) bool {
		for _, der := range all {
			if bytes.Equal(der, c.Raw) {
				return true
			}
		}
		return false
	}
}

// writable reports whether a file can be made in the directory, or in the
// nearest one above that there is.
func writable(dir string) bool {
	for {
		err := unix.Access(dir, unix.W_OK|unix.X_OK)
		if err != unix.ENOENT {
			return err == nil
		}
		dir = filepath.Dir(dir)
	}
}
