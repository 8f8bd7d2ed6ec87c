package tap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"lodge/internal/cli/daemonview"
	"lodge/internal/cli/kit"
	"lodge/internal/localapi"
)

// keyFinder finds the sources of keys that the user's daemon knows: the files to which
// programs of projects write (keylog = true, --keylog), and the daemon itself, which is an
// end of the HTTPS connections to names. For root in sudo(8) it asks the daemon of the
// user who ran that, too.
//
// It asks in a goroutine of its own, where keys are missing, and once a second at most.
type keyFinder struct {
	view *daemonview.View
	stop context.CancelFunc
	over sync.WaitGroup
	want chan struct{} // has a token when sources are to be looked for

	mu    sync.Mutex // guards what follows
	found []keySource
	files map[string]bool           // the files that are followed, by their paths
	open  map[*localapi.Client]bool // the daemons whose own keys are read
	warns []string
	asks  uint64    // how often it was asked to look again
	done  uint64    // of these, how many were done
	last  time.Time // when the last look began that has ended
}

// findEvery is how often sources are looked for at most.
const findEvery = time.Second

// maxKeyFiles bounds the files that are followed.
const maxKeyFiles = 256

// newKeyFinder returns a finder that has looked once.
func newKeyFinder(ctx context.Context, k *kit.Kit) *keyFinder {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	f := &keyFinder{
		view: daemonview.Open(ctx, k), stop: stop, want: make(chan struct{}, 1),
		files: map[string]bool{}, open: map[*localapi.Client]bool{}, last: time.Now(),
	}
	f.look(ctx)
	f.over.Go(func() { f.run(ctx) })
	return f
}

// close ends the looking. What was found and not taken yet is there.
func (f *keyFinder) close() {
	f.stop()
	f.over.Wait()
	f.view.Close()
}

// ask has it look again.
func (f *keyFinder) ask() {
	f.mu.Lock()
	f.asks++
	f.mu.Unlock()
	select {
	case f.want <- struct{}{}:
	default:
	}
}

// known returns the time up to which all sources are known that were asked for.
func (f *keyFinder) known(now time.Time) time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.asks != f.done {
		return f.last
	}
	return now
}

// run looks when it is asked to.
func (f *keyFinder) run(ctx context.Context) {
	rest := time.NewTimer(findEvery)
	defer rest.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-rest.C:
		}
		select {
		case <-ctx.Done():
			return
		case <-f.want:
		}
		f.again(ctx)
		rest.Reset(findEvery)
	}
}

// again asks the daemons, and looks at what they say.
func (f *keyFinder) again(ctx context.Context) {
	f.mu.Lock()
	begin, asks := time.Now(), f.asks
	f.mu.Unlock()
	f.view.Refresh(ctx)
	f.look(ctx)
	f.mu.Lock()
	f.done, f.last = asks, begin
	f.mu.Unlock()
}

// look makes sources of what the daemons have told.
func (f *keyFinder) look(ctx context.Context) {
	for _, d := range f.view.Daemons() {
		for _, p := range d.Projects {
			if p.KeyLog != "" {
				f.follow(p.KeyLog, d.UID)
			}
		}
		f.listen(ctx, d)
	}
}

// follow adds a project's file.
func (f *keyFinder) follow(path string, owner int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.files[path] && len(f.files) < maxKeyFiles {
		f.files[path] = true
		f.found = append(f.found, &keyFile{path: path, owner: owner})
	}
}

// listen adds the daemon's own keys.
func (f *keyFinder) listen(ctx context.Context, d daemonview.Daemon) {
	f.mu.Lock()
	known := f.open[d.Client]
	f.mu.Unlock()
	if known {
		return
	}
	short, cancel := context.WithTimeout(ctx, daemonview.Patience)
	defer cancel()
	keys, err := d.Client.Keys(short)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case ctx.Err() != nil, localapi.NotRunning(err):
	case err != nil:
		f.warn(fmt.Sprintf("tap: HTTPS of names is not decrypted: %v", err))
	default:
		f.open[d.Client] = true
		f.found = append(f.found, &keyStream{client: d.Client, keys: keys})
		return
	}
	if keys != nil {
		_ = keys.Close() // only read from
	}
}

// warn notes a warning, once. The caller holds f.mu.
func (f *keyFinder) warn(text string) {
	if !slices.Contains(f.warns, text) && len(f.warns) < maxKeyFiles {
		f.warns = append(f.warns, text)
	}
}

// take returns the sources that were found since.
func (f *keyFinder) take() []keySource {
	f.mu.Lock()
	defer f.mu.Unlock()
	found := f.found
	f.found = nil
	return found
}

// ended notes that a source has ended, and why: it is looked for again.
func (f *keyFinder) ended(s keySource, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if k, ok := s.(*keyStream); ok {
		delete(f.open, k.client)
	}
	if !errors.Is(err, io.EOF) {
		f.warn(fmt.Sprintf("tap: read %v: %v", s, cause(err)))
	}
}

// warnings returns what went wrong, one line each.
func (f *keyFinder) warnings() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.warns)
}

// keyStream is the keys of a daemon's own connections.
type keyStream struct {
	client *localapi.Client
	keys   *localapi.Keys
	buf    []byte
}

// update implements [keySource].
func (s *keyStream) update(log io.Writer) error {
	if s.buf == nil {
		s.buf = make([]byte, 32<<10)
	}
	for left := oneUpdate; left > 0; {
		n, err := s.keys.Read(s.buf)
		_, _ = log.Write(s.buf[:n]) // it has no errors
		if n == 0 || err != nil {
			return err
		}
		left -= n
	}
	return nil
}

func (s *keyStream) close() { _ = s.keys.Close() } // only read from

func (s *keyStream) String() string { return "keys of the daemon" }
