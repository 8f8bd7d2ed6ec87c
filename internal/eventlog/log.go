// Package eventlog keeps the newest events of a stream in two files, so that a
// process which is killed loses none that a reader has seen, and the next one goes
// on with the same numbers.
//
// Each batch is appended by one write(2) before any reader has it: what was written
// survives the process, though not the machine. The files are bounded: when the one
// that is written to is full, it takes the place of the older one. A file begins
// with a header, which has all that must outlive the events before it: see [State].
//
// Events of sockets are not written, of which there may be very many: only up to which
// number they go. The next process knows by that how many are gone.
//
// It does not know what events mean to others, and it starts nothing.
package eventlog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"lodge/internal/event"
	"lodge/internal/statefile"
)

// version is that of the format.
const version = 1

// SegmentSize is how large a file may become, in bytes.
const SegmentSize = 4 << 20

// header is the first line of a file.
type header struct {
	Version int    `json:"version"`
	Stream  string `json:"stream"`
	// BootID is the boot of the machine: the processes that the state names do not
	// outlive it, and what was in memory may be missing from the file.
	BootID string `json:"boot_id"`
	// Last is the number of the newest event before those in this file.
	Last uint64 `json:"last"`
	// Sockets is the newest number of an event of sockets. It is overwritten in place,
	// and so has always [markDigits] digits.
	Sockets mark   `json:"sockets"`
	State   *State `json:"state"`
}

// Log is a stream's record. One goroutine at a time may use it.
type Log struct {
	path   string
	boot   string
	size   int64 // of a segment, at most
	stream string
	last   uint64
	state  *State

	file    *os.File // nil where nothing can be written
	written int64
	sockets uint64 // the newest number of an event of sockets
	markAt  int64  // where the file's header has it
	err     error  // why there is no file
}

// Past is what the files of an older process had.
type Past struct {
	Stream string
	Last   uint64
	Events []event.Event
}

// ErrNone says that there is nothing to continue.
var ErrNone = errors.New("there is no record of an older stream")

// Open reads the record at path and its older half beside it, and continues it.
// Where it cannot be continued, err says why, and the record of a new stream, with
// the name fresh, is begun in its place. bootID names the boot of the machine.
func Open(path, bootID, fresh string) (l *Log, past Past, err error) {
	l = &Log{path: path, boot: bootID, size: SegmentSize, stream: fresh, state: newState()}
	past, err = l.read()
	if err != nil {
		l.stream, l.last, l.sockets, l.state = fresh, 0, 0, newState()
		past = Past{Stream: fresh}
		l.begin(nil)
	}
	return l, past, err
}

// State is what must be known of the events up to now. It is valid until the next
// call of Append.
func (l *Log) State() *State { return l.state }

// Err reports why events are not recorded, or nil.
func (l *Log) Err() error { return l.err }

func (l *Log) older() string { return l.path + ".1" }

// read reads both files and opens the newer one to be continued.
func (l *Log) read() (past Past, err error) {
	var events []event.Event
	found := false
	for _, path := range []string{l.older(), l.path} {
		b, err := statefile.Read(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return past, fmt.Errorf("the record of the older stream cannot be read: %w", err)
		}
		newest := path == l.path
		h, list, whole, err := parse(b, newest)
		switch {
		case err != nil:
			return past, fmt.Errorf("the record of the older stream is damaged: %w", err)
		case h.BootID != l.boot:
			return past, errors.New("the machine was started anew")
		case found && (h.Stream != l.stream || h.Last != l.last):
			return past, errors.New("the record of the older stream is damaged: its two files do not belong together")
		}
		if !found {
			l.state = h.State
		}
		found = true
		l.stream, l.last, l.sockets = h.Stream, h.Last, max(l.sockets, uint64(h.Sockets))
		for _, e := range list {
			// What is missing between two was of sockets.
			if e.Number <= l.last || e.Number > l.last+1 && e.Number-1 > l.sockets || e.Stream != l.stream {
				return past, fmt.Errorf("the record of the older stream is damaged: event %d follows %d", e.Number, l.last)
			}
			l.last = e.Number
			l.state.apply(&e)
		}
		events = append(events, list...)
		if newest {
			if err := l.resume(b, int64(whole)); err != nil {
				return past, fmt.Errorf("the record of the older stream cannot be continued: %w", err)
			}
		}
	}
	if !found {
		return past, ErrNone
	}
	past = Past{Stream: l.stream, Last: max(l.last, l.sockets), Events: events}
	if l.file == nil { // it was killed between two files
		l.create(l.last)
	}
	return past, nil
}

// resume opens the newer file, which has the bytes b, and drops what stands after
// its last whole line.
func (l *Log) resume(b []byte, whole int64) error {
	f, err := statefile.Open(l.path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if err := f.Truncate(whole); err != nil {
		return errors.Join(err, f.Close())
	}
	l.file, l.written, l.markAt = f, whole, markPlace(b)
	return nil
}

// parse reads a file. A last line that was not written whole is left out of the
// newest one: whole is the length without it.
func parse(b []byte, newest bool) (h header, events []event.Event, whole int, err error) {
	for first := true; len(b) > 0; first = false {
		i := bytes.IndexByte(b, '\n')
		if i < 0 && newest && !first {
			break // it was killed while it wrote
		}
		if i < 0 {
			return h, nil, 0, errors.New("its last line is torn")
		}
		line := b[:i]
		b, whole = b[i+1:], whole+i+1
		if first {
			if err := json.Unmarshal(line, &h); err != nil {
				return h, nil, 0, err
			}
			if h.Version != version || h.Stream == "" || h.State == nil {
				return h, nil, 0, errors.New("its header is not known")
			}
			h.State.fill()
			continue
		}
		var e event.Event
		if err := json.Unmarshal(line, &e); err != nil {
			return h, nil, 0, err
		}
		events = append(events, e)
	}
	if h.Version == 0 {
		return h, nil, 0, errors.New("it is empty")
	}
	return h, events, whole, nil
}

// Append records events, which have their numbers. Where that fails, as on a full
// disk, the record is removed: one that lacks events would make the next process
// give their numbers a second time. See Restore.
func (l *Log) Append(events []event.Event) {
	if l.file != nil && (l.written > l.size || l.markAt < 0) {
		l.rotate()
	}
	sockets := l.sockets
	for i := range events {
		if events[i].OfSockets() {
			sockets = events[i].Number
			continue
		}
		l.state.apply(&events[i])
		l.last = events[i].Number
	}
	if sockets != l.sockets {
		l.sockets = sockets
		l.writeMark()
	}
	if l.file != nil {
		l.write(events)
	}
}

// write appends events but those of sockets by one write(2).
func (l *Log) write(events []event.Event) {
	var b []byte
	for i := range events {
		if events[i].OfSockets() {
			continue
		}
		line, err := json.Marshal(&events[i])
		if err != nil {
			l.fail(err)
			return
		}
		b = append(append(b, line...), '\n')
	}
	if len(b) == 0 {
		return
	}
	n, err := l.file.WriteAt(b, l.written)
	l.written += int64(n)
	if err != nil {
		l.fail(err)
	}
}

// fail removes the record.
func (l *Log) fail(err error) {
	if l.file != nil {
		err = errors.Join(err, l.file.Truncate(0), l.file.Close())
	}
	l.file, l.err = nil, err
	for _, p := range []string{l.path, l.older()} {
		if rerr := os.Remove(p); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
			l.err = errors.Join(l.err, rerr)
		}
	}
}

// rotate puts the full file into the place of the older one and begins another.
func (l *Log) rotate() {
	_ = l.file.Close() // each write was checked
	l.file = nil
	if err := os.Rename(l.path, l.older()); err != nil {
		l.fail(err)
		return
	}
	l.create(l.last)
}

// create begins the newer file with a header. last is the newest number before it.
func (l *Log) create(last uint64) {
	b, err := json.Marshal(header{Version: version, Stream: l.stream, BootID: l.boot, Last: last, Sockets: mark(l.sockets), State: l.state})
	if err == nil {
		l.file, err = statefile.Create(l.path, os.O_WRONLY|os.O_TRUNC, 0o600)
	}
	if err != nil {
		l.fail(err)
		return
	}
	l.err, l.markAt = nil, markPlace(b)
	n, err := l.file.WriteAt(append(b, '\n'), 0)
	l.written = int64(n)
	if err != nil {
		l.fail(err)
	}
}

// begin writes the record anew, with the events that are still known.
func (l *Log) begin(events []event.Event) {
	if l.file != nil {
		_ = l.file.Close() // it is not the record any more
		l.file = nil
	}
	if err := os.Remove(l.older()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.fail(err)
		return
	}
	last := l.last
	if len(events) > 0 {
		last = events[0].Number - 1
	}
	// The state is the one of now: to apply the events to it once more changes
	// nothing.
	l.create(last)
	if l.file != nil && len(events) > 0 {
		l.write(events)
	}
}

// Intact reports whether the record is the file that is written to.
func (l *Log) Intact() bool {
	if l.file == nil {
		return false
	}
	there, err := os.Lstat(l.path)
	if err != nil {
		return false
	}
	ours, err := l.file.Stat()
	return err == nil && os.SameFile(there, ours)
}

// Restore writes the record anew where it was removed or could not be written; kept
// are the newest events, up to the last one. It returns why that is not possible.
func (l *Log) Restore(kept []event.Event) error {
	if !l.Intact() {
		l.begin(kept)
	}
	return l.err
}

// Close lets go of the files. They stay.
func (l *Log) Close() error {
	if l.file == nil {
		return nil
	}
	f := l.file
	l.file = nil
	return f.Close()
}
