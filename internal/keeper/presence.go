package keeper

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/keeperapi"
	"lodge/internal/procfs"
	"lodge/internal/rawjson"
	"lodge/internal/statefile"
	"lodge/internal/unixsock"
)

// presence is what others find a keeper by: its socket, and its records. They
// may be removed while it runs: logind empties the runtime directory at the
// last logout, cleaners of temporary directories do so to old files. So the
// keeper looks after them, and makes them again.
type presence struct {
	cfg keeperapi.Config
	rec keeperapi.Record
	// listen is called with each new listener; it must return soon.
	listen func(*unixsock.Owned)
	// beside looks after another file, as often as these are looked after; nil: there
	// is none.
	beside func()

	mu      sync.Mutex // guards what follows
	ln      *unixsock.Owned
	records [2]os.FileInfo // as they were written
	ended   bool
}

// The times of a presence. What is missing is made again when it was missed
// twice, so that nothing is put into a directory that is being removed.
const (
	presenceEvery = 500 * time.Millisecond
	presenceRetry = 5 * time.Second
)

// openPresence opens the socket and writes the records.
func openPresence(cfg keeperapi.Config) (*presence, error) {
	start, err := procfs.StartTime(os.Getpid())
	if err != nil {
		return nil, err
	}
	p := &presence{cfg: cfg, rec: keeperapi.Record{Config: cfg, PID: os.Getpid(), StartTime: start, Started: time.Now(), BootID: procfs.BootID()}}
	if p.ln, err = listenAt(cfg.Socket); err != nil {
		return nil, err
	}
	// A full disk is no reason not to serve: /proc has the same record.
	_ = p.writeRecords()
	return p, nil
}

// listenTries is how often a socket is tried whose directory is removed
// meanwhile.
const listenTries = 3

// listenAt opens the socket, in a directory that is made where it is missing:
// it may have been removed since the daemon made it.
func listenAt(path string) (ln *unixsock.Owned, err error) {
	for range listenTries {
		// Two directories are lodge's own; what is above them is the system's.
		if err = unixsock.MakeDirs(filepath.Dir(path), 2); err == nil {
			ln, err = unixsock.ListenOwned(path)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return ln, err
}

// recordPaths are those of the two records; the second one is optional.
func (p *presence) recordPaths() [2]string { return [2]string{p.cfg.Record, p.cfg.SpareRecord} }

func (p *presence) intact() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return true
	}
	for i, path := range p.recordPaths() {
		if path != "" && !same(path, p.records[i]) {
			return false
		}
	}
	return p.ln.Intact()
}

// same reports whether the file at path is the one that was written, unchanged.
func same(path string, written os.FileInfo) bool {
	fi, err := os.Lstat(path)
	return err == nil && written != nil && os.SameFile(fi, written) && fi.Size() == written.Size() && fi.ModTime().Equal(written.ModTime())
}

// restore makes again what is missing. A path that another living keeper has is
// left to it.
func (p *presence) restore() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return nil
	}
	var errs []error
	if !p.ln.Intact() {
		errs = append(errs, p.relisten())
	}
	return errors.Join(append(errs, p.writeRecords())...)
}

// relisten opens the socket anew. Connections that were made stay. Call it with
// mu held.
func (p *presence) relisten() error {
	ln, err := listenAt(p.cfg.Socket)
	if err != nil {
		return err
	}
	old := p.ln
	p.ln = ln
	p.listen(ln)
	return old.Close()
}

// writeRecords writes those that are not as they were written. Call it with mu
// held, or before others know p.
func (p *presence) writeRecords() error {
	var errs []error
	for i, path := range p.recordPaths() {
		if path == "" || same(path, p.records[i]) {
			continue
		}
		fi, err := writeRecord(path, p.rec)
		if unixsock.NoPath(err) {
			if err = unixsock.MakeDirs(filepath.Dir(path), 2); err == nil {
				fi, err = writeRecord(path, p.rec)
			}
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		p.records[i] = fi
	}
	return errors.Join(errs...)
}

func writeRecord(path string, rec keeperapi.Record) (os.FileInfo, error) {
	fail := func(err error) (os.FileInfo, error) { return nil, fmt.Errorf("write keeper record: %w", err) }
	b, err := rawjson.Marshal(rec)
	if err != nil {
		return fail(err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".record-*")
	if err != nil {
		return fail(err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(b)
	if err = errors.Join(err, tmp.Close()); err != nil {
		return fail(err)
	}
	if fi, lerr := os.Lstat(path); lerr == nil && fi.IsDir() {
		if _, err := statefile.SetAside(path); err != nil {
			return fail(err)
		}
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return fail(err)
	}
	fi, err := os.Lstat(path)
	if err != nil {
		return fail(err)
	}
	return fi, nil
}

// tend looks after the files until quit is closed: now and then, and at once
// on request (SIGUSR1; see [Client]).
func (p *presence) tend(quit <-chan struct{}) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, unix.SIGUSR1)
	defer signal.Stop(asked)
	t := time.NewTicker(presenceEvery)
	defer t.Stop()
	missed := false
	var failed time.Time
	for {
		now := false
		select {
		case <-quit:
			return
		case <-asked:
			now = true
		case <-t.C:
		}
		if p.beside != nil {
			p.beside()
		}
		if p.intact() {
			missed = false
			continue
		}
		if !now && (!missed || time.Since(failed) < presenceRetry) {
			missed = true
			continue
		}
		missed = false
		if err := p.restore(); err != nil {
			failed = time.Now() // it is tried again
		}
	}
}

// hangUp stops listening. The files stay.
func (p *presence) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	_ = p.ln.Close()
}

// remove removes the files, unless a path has become another keeper's.
func (p *presence) remove() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	errs := []error{p.ln.RemoveFile()}
	for i, path := range p.recordPaths() {
		if path == "" || !same(path, p.records[i]) {
			continue
		}
		if err := os.Remove(path); err != nil && !unixsock.NoPath(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
