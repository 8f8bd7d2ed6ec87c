package tap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"lodge/internal/cli/daemonview"
	"lodge/internal/cli/kit"
	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
)

// keyFinder finds the sources of keys that a user has: the files to which programs of
// projects write (keylog = true, --keylog), and the daemon itself, which is an end of the
// HTTPS connections to names. For root in sudo(8) it finds those of the user who ran that,
// too.
//
// Files are looked for when they are asked for: one is there before the program that
// writes to it, and may be gone soon after. A daemon that comes up later is asked in a
// goroutine of its own, once a second at most.
type keyFinder struct {
	view  *daemonview.View
	users []daemonview.Daemon // as they were at first
	stop  context.CancelFunc
	over  sync.WaitGroup
	want  chan struct{}   // has a token when daemons are to be asked
	files map[string]bool // the files that are followed, by their paths; for the engine's goroutine

	mu    sync.Mutex // guards what follows
	found []keySource
	open  map[*localapi.Client]bool // the daemons whose own keys are read
	warns []string
	asks  uint64    // how often daemons were to be asked
	done  uint64    // of these, how many were done
	last  time.Time // when the last look began that has ended
}

// findEvery is how often daemons are asked at most.
const findEvery = time.Second

// The bounds of what is looked at and followed.
const (
	maxKeyFiles = 256
	maxKeyNames = 4096
)

// newKeyFinder returns a finder that has looked once.
func newKeyFinder(ctx context.Context, k *kit.Kit) *keyFinder {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	f := &keyFinder{
		view: daemonview.Open(ctx, k), stop: stop, want: make(chan struct{}, 1),
		files: map[string]bool{}, open: map[*localapi.Client]bool{}, last: time.Now(),
	}
	f.users = f.view.Daemons()
	f.look(ctx)
	f.scan()
	f.over.Go(func() { f.run(ctx) })
	return f
}

// close ends the looking. What was found and not taken yet is there.
func (f *keyFinder) close() {
	f.stop()
	f.over.Wait()
	f.view.Close()
}

// ask looks again. Files are found when it returns, daemons later.
func (f *keyFinder) ask() {
	f.scan()
	f.mu.Lock()
	missing := len(f.open) < len(f.users)
	if missing {
		f.asks++
	}
	f.mu.Unlock()
	if missing {
		select {
		case f.want <- struct{}{}:
		default:
		}
	}
}

// scan looks for files of projects.
func (f *keyFinder) scan() {
	for _, d := range f.users {
		dir := d.Dirs.Keepers()
		names, err := readNames(dir)
		if err != nil {
			continue // there are no projects
		}
		for _, name := range names {
			path := filepath.Join(dir, name)
			if !keeperapi.IsKeyLog(name) || f.files[path] || len(f.files) >= maxKeyFiles {
				continue
			}
			f.files[path] = true
			f.mu.Lock()
			f.found = append(f.found, &keyFile{path: path, owner: d.UID})
			f.mu.Unlock()
		}
	}
}

func readNames(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = d.Close() }() // only read from
	names, err := d.Readdirnames(maxKeyNames)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return names, err
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

// run asks daemons when it is told to.
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
		f.mu.Lock()
		begin, asks := time.Now(), f.asks
		f.mu.Unlock()
		f.view.Refresh(ctx)
		f.look(ctx)
		f.mu.Lock()
		f.done, f.last = asks, begin
		f.mu.Unlock()
		rest.Reset(findEvery)
	}
}

// look opens the keys of daemons that answer.
func (f *keyFinder) look(ctx context.Context) {
	for _, d := range f.view.Daemons() {
		if d.Answers {
			f.listen(ctx, d.Client)
		}
	}
}

// listen adds a daemon's own keys.
func (f *keyFinder) listen(ctx context.Context, c *localapi.Client) {
	f.mu.Lock()
	known := f.open[c]
	f.mu.Unlock()
	if known {
		return
	}
	short, cancel := context.WithTimeout(ctx, daemonview.Patience)
	defer cancel()
	keys, err := localapi.OpenKeys(short, c)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case err == nil:
		f.open[c] = true
		f.found = append(f.found, &keyStream{client: c, keys: keys})
	case ctx.Err() == nil && !localapi.NotRunning(err):
		f.warn(fmt.Sprintf("tap: HTTPS of names is not decrypted: %v", err))
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

// ended notes that a source has ended, and why. A daemon may come up again.
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
	lines  keyLines
	buf    []byte
}

// update implements [keySource].
func (s *keyStream) update(log io.Writer) error {
	if s.buf == nil {
		s.buf = make([]byte, 32<<10)
	}
	for left := oneUpdate; left > 0; {
		n, err := s.keys.Read(s.buf)
		s.lines.write(log, s.buf[:n])
		if n == 0 || err != nil {
			return err
		}
		left -= n
	}
	return nil
}

func (s *keyStream) close() { _ = s.keys.Close() } // only read from

func (s *keyStream) String() string { return "keys of the daemon" }
