package tap

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"lodge/internal/cli/kit"
	"lodge/internal/cli/look/tap/tapcmd"
	"lodge/internal/decode/tls"
	"lodge/internal/decode/tlskeys"
	"lodge/internal/tlssecrets"
)

// keySpace is how much of a file of packets is kept free for keys: those of 300
// connections and more. Keys that find no room stand behind the packets before them.
const keySpace = 256 << 10

// keyLog has the keys of TLS: those of the file that --keylog names, which is followed
// as it grows where packets are live, and those of a capture file. It is for the
// goroutine of the engine.
type keyLog struct {
	kit    *kit.Kit
	name   string // as it was given, "" for none
	path   string
	follow bool
	// collect: the keys that are used are for a file of packets.
	collect bool
	log     tlskeys.Log
	added   bool // a capture file has keys

	file   *os.File
	buf    []byte
	size   int64     // what was read of it
	looked time.Time // when its path was looked at last
	err    error     // it cannot be read

	probes *tlssecrets.Probes // nil: nothing is probed

	used  map[tlskeys.Random]int // how many secrets of a connection were taken
	lines []byte                 // of used keys, not taken yet
}

// openKeyLog opens the key log that is asked for. A live tap takes one that is not
// there yet.
func openKeyLog(k *kit.Kit, f *tapcmd.Flags) (*keyLog, error) {
	l := &keyLog{kit: k, name: f.KeyLog, path: f.KeyLog, follow: f.Read == "", collect: f.Read == "" || cuts(f), used: map[tlskeys.Random]int{}}
	if l.name == "" {
		return l, nil
	}
	if !filepath.IsAbs(l.path) {
		l.path = filepath.Join(k.Env.Dir, l.path)
	}
	err := l.open()
	switch {
	case err == nil:
		err = l.read()
	case l.follow && errors.Is(err, fs.ErrNotExist):
		return l, nil
	}
	if err != nil {
		l.close()
		return nil, &kit.Hinted{
			Err:  fmt.Errorf("tap: read keys from %s: %w", l.name, cause(err)),
			Hint: "SSLKEYLOGFILE=" + l.name + " curl https://… writes one",
		}
	}
	if !l.follow {
		l.log.Flush()
		l.close()
	}
	return l, nil
}

var errNotRegular = errors.New("it is not a regular file")

func (l *keyLog) open() error {
	info, err := os.Stat(l.path)
	if err != nil {
		return err
	}
	if l.follow && !info.Mode().IsRegular() {
		return errNotRegular // reading it would wait
	}
	l.file, err = os.Open(l.path)
	l.size, l.looked = 0, time.Now()
	return err
}

func (l *keyLog) close() {
	if l.file != nil {
		_ = l.file.Close() // only read from
		l.file = nil
	}
}

// read reads what was added to the file.
func (l *keyLog) read() error {
	if l.buf == nil {
		l.buf = make([]byte, 32<<10)
	}
	for {
		n, err := l.file.Read(l.buf)
		_, _ = l.log.Write(l.buf[:n]) // it has no errors
		l.size += int64(n)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// lookEvery is how often the path is looked at: another file may have taken it.
const lookEvery = time.Second

// update reads what is new.
func (l *keyLog) update() {
	if l.probes != nil {
		l.probes.Read(&l.log)
	}
	if !l.follow || l.name == "" || l.err != nil {
		return
	}
	if l.file != nil {
		l.err = l.read()
		if l.err != nil || time.Since(l.looked) < lookEvery {
			return
		}
		l.looked = time.Now()
		if !l.replaced() {
			return
		}
		l.close()
	}
	err := l.open()
	if err == nil {
		err = l.read()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		l.err = err
	}
}

// replaced reports whether the path names another file by now, or one that was
// emptied.
func (l *keyLog) replaced() bool {
	now, err := os.Stat(l.path)
	if err != nil {
		return false // it is gone: the open one has all that there is
	}
	had, err := l.file.Stat()
	return err != nil || !os.SameFile(now, had) || now.Size() < l.size
}

// config returns how TLS is decrypted. Nil is no key log.
func (l *keyLog) config() tls.Config {
	if l == nil {
		return tls.Config{}
	}
	c := tls.Config{Keys: l, Off: l.off}
	if l.probes != nil {
		c.Bind, c.Probed = l.log.Bind, true
	}
	return c
}

// off reports that there is no key log, and nothing is probed.
func (l *keyLog) off() bool { return !l.given() && !l.added }

// given reports whether keys come from elsewhere than a capture file.
func (l *keyLog) given() bool { return l.name != "" || l.probes != nil }

// add takes the keys of a capture file.
func (l *keyLog) add(lines []byte) {
	l.added = true
	_, _ = l.log.Write(lines) // it has no errors
	l.log.Flush()
}

// Secrets implements [tls.Keys].
func (l *keyLog) Secrets(r *tlskeys.Random) *tlskeys.Secrets {
	l.update()
	s := l.log.Secrets(r)
	if l.collect && l.given() && s != nil && l.used[*r] < s.Len() {
		if len(l.used) >= tlskeys.MaxConnections {
			clear(l.used)
		}
		l.used[*r] = s.Len()
		l.lines = append(l.lines, l.log.Lines(r)...)
	}
	return s
}

// take returns the lines of keys that were used since.
func (l *keyLog) take() []byte {
	lines := l.lines
	l.lines = nil
	return lines
}

// warn tells at the end what was wrong with the file.
func (l *keyLog) warn() {
	if l.name == "" {
		return
	}
	connections, _, bad := l.log.Counts()
	switch {
	case l.err != nil:
		l.kit.Warn(fmt.Sprintf("tap: read keys from %s: %v", l.name, cause(l.err)))
	case l.follow && l.file == nil:
		l.kit.Warn("tap: " + l.name + ": no program has written keys to it")
	case connections == 0 && bad > 0:
		l.kit.Warn("tap: " + l.name + ": it is no key log")
	}
}
