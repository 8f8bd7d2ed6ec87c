package daemon

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/unixsock"
)

// apiSocket is the daemon's socket, which is made again when its file is removed.
type apiSocket struct {
	d   *Daemon
	srv *http.Server

	mu     sync.Mutex // guards what follows
	ln     *unixsock.Owned
	closed bool
	failed chan error // of the listener that is current
}

// socketEvery is how often it is checked whether the files are still there. What is
// missing is made again when it was missed twice, so that nothing is put into a
// directory that is being removed.
const socketEvery = 500 * time.Millisecond

func openSocket(d *Daemon, srv *http.Server) (*apiSocket, error) {
	ln, err := unixsock.ListenOwned(d.cfg.Dirs.Socket())
	if err != nil {
		return nil, err
	}
	return &apiSocket{d: d, srv: srv, ln: ln, failed: make(chan error, 1)}, nil
}

// serve answers at a listener, as long as it is the current one.
func (o *apiSocket) serve(ln *unixsock.Owned) {
	err := o.srv.Serve(onlySameUser{ln.UnixListener})
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ln == ln && !o.closed {
		o.failed <- err // once: it is not replaced after this
	}
}

// tend looks after the socket and the locks until ctx ends: now and then, and at
// once when it is asked for (SIGUSR1). It returns ErrRunning if another
// daemon has taken over.
func (o *apiSocket) tend(ctx context.Context) error {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, unix.SIGUSR1)
	defer signal.Stop(asked)
	t := time.NewTicker(socketEvery)
	defer t.Stop()
	missed := false
	for {
		now := false
		select {
		case <-ctx.Done():
			return nil
		case <-asked:
			now = true
		case <-t.C:
		}
		if o.intact() {
			missed = false
			continue
		}
		if !now && !missed {
			missed = true
			continue
		}
		missed = false
		if err := o.restore(); errors.Is(err, ErrRunning) {
			return err
		} else if err != nil {
			o.d.cfg.Log.Warn("make the daemon's socket again", "err", err)
		}
	}
}

func (o *apiSocket) intact() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.closed || o.ln.Intact() && o.d.claim.intact() && o.d.events.Intact()
}

// restore makes again what is missing, unless another daemon has it.
func (o *apiSocket) restore() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil
	}
	// The runtime directory is lodge's own; what is above it is the system's.
	for _, dir := range []string{o.d.cfg.Dirs.Runtime, o.d.cfg.Dirs.Keepers()} {
		if err := unixsock.MakeDirs(dir, 1); err != nil {
			return err
		}
	}
	if err := o.d.claim.restore(); err != nil {
		return err
	}
	_ = o.d.events.Restore() // such as on a full disk: it is tried again, and the stream goes on
	// With their modes. The daemon can do without a state directory.
	_ = o.d.cfg.Dirs.Make()
	if o.ln.Intact() {
		return nil
	}
	ln, err := unixsock.ListenOwned(o.d.cfg.Dirs.Socket())
	if err != nil {
		return err
	}
	old := o.ln
	o.ln = ln
	o.d.owned.Go(func() { o.serve(ln) })
	return old.Close()
}

// close stops making the socket again, and removes its file if that is its own.
// New clients find none from here on and start another daemon, which waits for
// the locks.
func (o *apiSocket) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	return o.ln.RemoveFile()
}
