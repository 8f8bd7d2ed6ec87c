package livemap

import (
	"os"
	"time"
)

// titlePatience is how long a command line is waited for, and stuckTitles how
// many may stay away before no more are asked for.
const (
	titlePatience = 500 * time.Millisecond
	stuckTitles   = 4
)

// titles reads the command lines of other processes. These are in the memory
// of the processes, and a process can make the kernel wait for its memory for
// ever (userfaultfd(2), a file of a FUSE file system): what does not come is
// left out. Close ends it.
type titles struct {
	read    func(path string) ([]byte, error)
	reader  *titleReader
	stuck   int
	waiting time.Duration
}

// titleReader is the goroutine that reads. One that is stuck ends when the
// kernel lets it go.
type titleReader struct {
	paths chan string
	texts chan []byte // holds one, so that a late one does not wait
}

func newTitles() *titles { return &titles{read: os.ReadFile, waiting: titlePatience} }

// of returns the contents of path, or nil.
func (t *titles) of(path string) []byte {
	if t.stuck >= stuckTitles {
		return nil
	}
	if t.reader == nil {
		t.reader = &titleReader{paths: make(chan string), texts: make(chan []byte, 1)}
		go t.reader.run(t.read)
	}
	t.reader.paths <- path
	patience := time.NewTimer(t.waiting)
	defer patience.Stop()
	select {
	case b := <-t.reader.texts:
		return b
	case <-patience.C:
		t.stuck++
		t.close()
		return nil
	}
}

func (t *titles) close() {
	if t.reader != nil {
		close(t.reader.paths)
		t.reader = nil
	}
}

func (r *titleReader) run(read func(string) ([]byte, error)) {
	for path := range r.paths {
		b, err := read(path)
		if err != nil {
			b = nil // it ended, or may not be seen
		}
		r.texts <- b
	}
}
