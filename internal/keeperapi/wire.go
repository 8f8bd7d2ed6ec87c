package keeperapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"lodge/internal/fdpass"
	"lodge/internal/rawjson"
)

// maxLine bounds one message, in bytes: an environment and a configuration
// fit, a flood does not.
const maxLine = 8 << 20

// maxFiles is the most descriptors that travel with one message.
const maxFiles = 8

// Wire reads and writes JSON lines with descriptors on a Unix socket. One
// goroutine at a time may read.
type Wire struct {
	Conn *net.UnixConn
	in   inbox
	wmu  sync.Mutex // serializes writers
}

// Read reads one line into v and returns the descriptors that came with it.
func (w *Wire) Read(v any) ([]*os.File, error) {
	for {
		line, files, ok := w.in.next()
		if ok {
			if err := rawjson.Unmarshal(line, v); err != nil {
				CloseAll(files)
				return nil, fmt.Errorf("read message: %w", err)
			}
			return files, nil
		}
		if len(w.in.buf) > maxLine {
			w.in.drop()
			return nil, errors.New("read message: it is too long")
		}
		chunk := make([]byte, 64<<10)
		n, files, err := fdpass.Read(w.Conn, chunk, maxFiles)
		if errors.Is(err, fdpass.ErrTooMany) {
			err = fmt.Errorf("read descriptors: more than %d", maxFiles)
		}
		w.in.add(chunk[:n], files)
		if err == nil && n == 0 {
			err = io.EOF
		}
		if err != nil {
			w.in.drop()
			return nil, err
		}
	}
}

// inbox cuts what comes from a stream socket into lines, each with its
// descriptors.
type inbox struct {
	buf    []byte
	passed []passed
}

// passed are descriptors that belong to the line that has the byte at of buf.
type passed struct {
	at    int
	files []*os.File
}

// add takes what one recvmsg(2) returned. The kernel ends such a read after the
// write that passed descriptors (unix(7)), so they belong to its last byte,
// and not to the messages before that it may have returned too.
func (in *inbox) add(b []byte, files []*os.File) {
	in.buf = append(in.buf, b...)
	if len(files) > 0 {
		in.passed = append(in.passed, passed{at: max(len(in.buf)-1, 0), files: files})
	}
}

// next returns a whole line without its end, and its descriptors. The line is
// valid until the next call.
func (in *inbox) next() (line []byte, files []*os.File, ok bool) {
	i := bytes.IndexByte(in.buf, '\n')
	if i < 0 {
		return nil, nil, false
	}
	line, in.buf = in.buf[:i:i], in.buf[i+1:]
	if len(in.buf) == 0 {
		in.buf = nil // what was long is not kept
	}
	var rest []passed
	for _, p := range in.passed {
		if p.at <= i {
			files = append(files, p.files...)
		} else {
			rest = append(rest, passed{at: p.at - i - 1, files: p.files})
		}
	}
	in.passed = rest
	return line, files, true
}

// drop closes the descriptors of lines that were not asked for.
func (in *inbox) drop() {
	for _, p := range in.passed {
		CloseAll(p.files)
	}
	*in = inbox{}
}

// Write writes v as one line, with descriptors that stay the caller's.
func (w *Wire) Write(v any, files ...*os.File) error {
	b, err := rawjson.Marshal(v)
	if err != nil {
		return err
	}
	b = append(b, '\n')
	w.wmu.Lock()
	defer w.wmu.Unlock()
	if len(files) > 0 {
		n, err := fdpass.Write(w.Conn, b, files)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	if len(b) == 0 {
		return nil
	}
	_, err = w.Conn.Write(b)
	return err
}

// CloseAll closes files that are not needed, of which some may be nil.
func CloseAll(files []*os.File) { _ = fdpass.Close(files) }

// Listen reads what the client sends while its command runs, until it goes;
// then it calls lost. The channel is closed at the end of all that.
func (w *Wire) Listen(each func(Signal), lost func()) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer lost()
		for {
			var s Signal
			files, err := w.Read(&s)
			CloseAll(files) // none belong here
			if err != nil {
				return
			}
			each(s)
		}
	}()
	return done
}

// Close ends the connection. No goroutine may be reading.
func (w *Wire) Close() {
	_ = w.Conn.Close()
	w.in.drop()
}
