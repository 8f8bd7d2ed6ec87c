package keeper

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/keeperapi"
	"lodge/internal/unixsock"
)

// What a keeper is found by is made again, also when its whole directory is
// gone, and connections stay.
func TestFilesAreMadeAgain(t *testing.T) {
	r := newRig(t)
	w, err := r.Dial(r.ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.Write(keeperapi.Request{Op: "watch"}); err != nil {
		t.Fatal(err)
	}
	var first keeperapi.Reply
	if _, err := w.Read(&first); err != nil || first.Project == nil {
		t.Fatalf("%+v, %v", first, err)
	}
	for name, lose := range map[string]func() error{
		"the socket":   func() error { return os.Remove(r.k.cfg.Socket) },
		"the record":   func() error { return os.Remove(r.k.cfg.Record) },
		"both":         func() error { return errors.Join(os.Remove(r.k.cfg.Socket), os.Remove(r.k.cfg.Record)) },
		"all":          func() error { return os.RemoveAll(r.dir) },
		"a cut record": func() error { return os.Truncate(r.k.cfg.Record, 0) },
		"a file":       func() error { return errors.Join(os.Remove(r.k.cfg.Socket), os.WriteFile(r.k.cfg.Socket, nil, 0o600)) },
		"a pipe":       func() error { return errors.Join(os.Remove(r.k.cfg.Record), unix.Mkfifo(r.k.cfg.Record, 0o600)) },
	} {
		if err := lose(); err != nil {
			t.Fatal(err)
		}
		if r.k.here.intact() {
			t.Errorf("%s: it does not notice", name)
		}
		if !within(r.k.here.intact) {
			t.Fatalf("%s: not made again", name)
		}
		if _, err := r.Status(r.ctx); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if fi, err := os.Lstat(r.k.cfg.Socket); err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, fi, err)
		}
	}
	// The connection of before still tells what changes.
	r.define(r.spec("web", "sleep 1000"))
	var next keeperapi.Reply
	if _, err := w.Read(&next); err != nil || next.Project == nil {
		t.Errorf("%+v, %v", next, err)
	}
}

// A keeper begins also where the directory of its files was removed after the
// daemon had made it.
func TestABeginWithoutItsDirectory(t *testing.T) {
	r := newRig(t)
	dir := filepath.Join(r.dir, "k")
	cfg := r.k.cfg
	cfg.Socket, cfg.Record, cfg.SpareRecord = filepath.Join(dir, "x.sock"), filepath.Join(dir, "x.json"), filepath.Join(dir, "spare", "x.json")
	p, err := openPresence(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if !p.intact() {
		t.Error("a file is missing")
	}
	p.hangUp()
	if err := p.remove(); err != nil {
		t.Error(err)
	}
}

// The path of another keeper that lives is not taken from it, nor removed.
func TestAnothersSocketIsLeftAlone(t *testing.T) {
	r := newRig(t)
	// It may make its socket again first.
	var other *unixsock.Owned
	if !within(func() bool {
		_ = os.Remove(r.k.cfg.Socket)
		var err error
		other, err = unixsock.ListenOwned(r.k.cfg.Socket)
		return err == nil
	}) {
		t.Fatal("there is never room for another one")
	}
	defer other.Close()
	if err := r.k.here.restore(); !errors.Is(err, unixsock.ErrInUse) {
		t.Errorf("restore: %v", err)
	}
	if !other.Intact() {
		t.Error("its file was taken")
	}
	if err := r.k.here.remove(); err != nil || !other.Intact() {
		t.Errorf("its file was removed: %v", err)
	}
}
