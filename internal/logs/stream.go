package logs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// maxBackstep is how far the clock may go back without the times in the log
// doing so too.
const maxBackstep = 2 * time.Second

// rotateSlack is how many bytes a file may at least grow beyond its size while
// readers keep it from being rotated.
const rotateSlack = 1 << 20

// stream is the log of one service: what is in memory and the file that is
// written.
type stream struct {
	st      *Store
	service string
	path    string

	mu      sync.Mutex // guards what follows
	writers []*Writer
	ring    ring

	// The batch that is being made: the records in ring.cur from batch on.
	batch, batchLines int
	last              time.Time // the time of the last record
	stamp             []byte    // last, as it is written

	file *os.File // nil if closed or not writable
	size int64    // of file, always the end of a record
	// unsaved counts the last lines that are not on disk; not zero means that
	// writing fails. unsure counts those written since it was last seen that
	// the file is where it should be.
	unsaved, unsure int
	checked, tried  time.Time
	pruned          bool
	shut            bool // with the Store: nothing is written any more
}

func byName(a, b *stream) int { return strings.Compare(a.service, b.service) }

// begin starts a batch of records, all with one time.
func (s *stream) begin(now time.Time) {
	s.ring.turn()
	s.batch, s.batchLines = len(s.ring.cur), 0
	at := now.Round(0).UTC()
	if at.Before(s.last) && s.last.Sub(at) <= maxBackstep {
		at = s.last
	}
	s.last = at
	s.stamp = at.AppendFormat(s.stamp[:0], stampLayout)
}

func (s *stream) add(sign byte, text []byte) {
	b := append(s.ring.cur, s.stamp...)
	b = append(b, sign)
	b = append(b, text...)
	s.ring.cur = append(b, '\n')
	s.ring.curLines++
	s.batchLines++
}

func (s *stream) batchBytes() int { return len(s.ring.cur) - s.batch }

// commit writes the batch with one write(2) and hands it to those who follow.
func (s *stream) commit(now time.Time) {
	if s.batchLines == 0 {
		return
	}
	records := s.ring.cur[s.batch:]
	s.save(records, s.batchLines, now)
	s.publish(records)
	s.batch, s.batchLines = len(s.ring.cur), 0
}

func (s *stream) publish(records []byte) {
	follows := s.st.follows.Load()
	if follows == nil {
		return
	}
	var lines []Line
	for _, f := range *follows {
		if !f.wants(s.service) {
			continue
		}
		if lines == nil {
			lines = make([]Line, 0, s.batchLines)
			for rest := string(records); rest != ""; {
				record, after, _ := strings.Cut(rest, "\n")
				lines = append(lines, lineOf(s.last, s.service, record[stampLen], record[stampLen+1:]))
				rest = after
			}
		}
		f.push(lines)
	}
}

// save brings n records to disk, or counts them for later.
func (s *stream) save(records []byte, n int, now time.Time) {
	if s.shut {
		return
	}
	if s.unsaved > 0 {
		s.unsaved += n
		if due(s.tried, now) {
			s.retry(now)
		}
		return
	}
	if s.file != nil && due(s.checked, now) {
		if !s.isThere() {
			_ = s.closeFile() // it has no owner any more
			s.unsaved = s.unsure + n
			s.retry(now)
			return
		}
		s.checked, s.unsure = now, 0
	}
	if err := s.write(records, now); err != nil {
		s.unsaved, s.tried = n, now
		s.st.failed(s, err)
		return
	}
	s.unsure += n
}

func due(last, now time.Time) bool {
	d := now.Sub(last)
	return d >= retryEvery || d < 0
}

// retry writes all that is unsaved, with a line that says how many lines
// memory could not hold.
func (s *stream) retry(now time.Time) {
	s.tried = now
	records, kept := s.ring.last(s.unsaved)
	if lost := s.unsaved - kept; lost > 0 && kept > 0 {
		cause := s.st.cause(s)
		if cause == "" {
			cause = "the file was removed"
		}
		at := records[:stampLen]
		records = append(fmt.Appendf(nil, "%s lodge: %d lines lost here: %s\n", at, lost, cause), records...)
	}
	if err := s.write(records, now); err != nil {
		s.st.failed(s, err)
		return
	}
	s.unsaved, s.unsure = 0, 0
	s.st.recovered(s)
}

// write appends whole records, all or none.
func (s *stream) write(records []byte, now time.Time) error {
	if s.file == nil {
		if err := s.open(now); err != nil {
			return err
		}
	}
	if s.size > 0 && s.size+int64(len(records)) > s.st.maxBytes {
		if err := s.rotate(now); err != nil {
			return err
		}
	}
	if _, err := s.file.Write(records); err != nil {
		// Take back what was written of them. Should that fail too, then
		// opening the file again repairs its end.
		_ = s.file.Truncate(s.size)
		_ = s.closeFile()
		return err
	}
	s.size += int64(len(records))
	return nil
}

// open opens the file, makes it and its directory if need be, and repairs its
// end.
func (s *stream) open(now time.Time) error {
	// Not to follow links or wait for the reader of a pipe that has the name.
	const flags = os.O_RDWR | os.O_APPEND | os.O_CREATE | syscall.O_NOFOLLOW | syscall.O_NONBLOCK
	f, err := os.OpenFile(s.path, flags, 0o600)
	if errors.Is(err, os.ErrNotExist) {
		if err := os.Mkdir(s.st.dir, 0o700); err != nil {
			return err
		}
		f, err = os.OpenFile(s.path, flags, 0o600)
	}
	if err != nil {
		return err
	}
	size, err := prepare(f)
	if err != nil {
		_ = f.Close()
		return err
	}
	s.file, s.size, s.checked, s.unsure = f, size, now, 0
	if !s.pruned { // files that an earlier Store with a greater Keep left
		s.pruned = true
		for i := s.st.keep + 1; os.Remove(rotatedName(s.path, i)) == nil; i++ {
		}
	}
	return nil
}

func prepare(f *os.File) (size int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, &os.PathError{Op: "open", Path: f.Name(), Err: errors.New("not a regular file")}
	}
	if info.Mode().Perm()&0o077 != 0 {
		if err := f.Chmod(0o600); err != nil {
			return 0, err
		}
	}
	return repair(f, info.Size())
}

// repair makes the file end with a record: what a crash left half-written is
// ended if it has at least its time, else removed.
func repair(f *os.File, size int64) (int64, error) {
	if size == 0 {
		return 0, nil
	}
	begin := max(0, size-2*int64(maxRecord))
	buf := make([]byte, size-begin)
	if _, err := f.ReadAt(buf[len(buf)-1:], size-1); err != nil {
		return 0, err
	}
	if buf[len(buf)-1] == '\n' {
		return size, nil
	}
	if _, err := f.ReadAt(buf, begin); err != nil {
		return 0, err
	}
	i := bytes.LastIndexByte(buf, '\n') + 1
	foreign := i == 0 && begin > 0 // so long a line is not ours: only end it
	if _, _, _, ok := parseRecord(buf[i:]); ok || foreign {
		if _, err := f.Write([]byte("\n")); err == nil {
			return size + 1, nil
		} else if foreign {
			return 0, err
		}
	}
	whole := begin + int64(i)
	return whole, f.Truncate(whole)
}

// mend repairs the end of a file that was not opened yet, so that what is read
// of it now ends where the next record will begin.
func (s *stream) mend() {
	if s.file != nil || s.shut {
		return
	}
	if info, err := os.Lstat(s.path); err != nil || !info.Mode().IsRegular() {
		return
	}
	if err := s.open(s.st.now()); err != nil {
		return // nothing can be added to it either
	}
	if len(s.writers) == 0 {
		_ = s.closeFile()
	}
}

// rotate renames the files, the oldest first, and opens a new one. While a
// reader is opening them it is put off, but not for ever.
func (s *stream) rotate(now time.Time) error {
	unlock, busy := lockDir(s.st.dir, syscall.LOCK_EX|syscall.LOCK_NB)
	defer unlock()
	if busy && s.size < s.st.maxBytes+max(s.st.maxBytes, rotateSlack) {
		return nil
	}
	if s.st.keep == 0 {
		if err := os.Remove(s.path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	for i := s.st.keep - 1; i >= 0; i-- {
		err := os.Rename(rotatedName(s.path, i), rotatedName(s.path, i+1))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if err := s.closeFile(); err != nil {
		return err
	}
	return s.open(now)
}

// isThere reports whether the file that is written still has its name. It also
// takes notice if it was emptied.
func (s *stream) isThere() bool {
	mine, err := s.file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Lstat(s.path)
	if err != nil || !os.SameFile(mine, named) {
		return false
	}
	s.size = named.Size()
	return true
}

func (s *stream) closeFile() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	if err != nil {
		return fmt.Errorf("close log %s: %w", filepath.Base(s.path), err)
	}
	return nil
}

func (s *stream) flush(idle time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.st.now()
	for _, w := range s.writers {
		if now.Sub(w.touched) >= idle {
			w.flushIdle(now)
		}
	}
	s.catchUp(now)
}

func (s *stream) catchUp(now time.Time) {
	if s.unsaved > 0 && due(s.tried, now) && !s.shut {
		s.retry(now)
	}
}

// close is for the end of the Store.
func (s *stream) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.st.now()
	for _, w := range s.writers {
		w.flush(now)
	}
	if s.unsaved > 0 {
		s.retry(now)
	}
	s.shut = true
	err := s.closeFile()
	if err == nil && s.unsaved > 0 {
		err = fmt.Errorf("write log of %s: %d lines not written: %s", s.service, s.unsaved, s.st.cause(s))
	}
	return err
}

func (s *stream) tail(n int) []Line {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n <= 0 {
		return nil
	}
	records, _ := s.ring.last(n)
	lines := s.lines(records)
	for _, w := range s.writers {
		if text := shown(w.part); len(text) > 0 {
			lines = append(lines, lineOf(w.touched.Round(0).UTC(), s.service, sign(false, w.continues(w.part)), string(text)))
		}
	}
	return lines[max(0, len(lines)-n):]
}

func (s *stream) lines(records []byte) []Line {
	var out []Line
	for record := range bytes.Lines(records) {
		if at, sign, text, ok := parseRecord(record[:len(record)-1]); ok {
			out = append(out, lineOf(at, s.service, sign, string(text)))
		}
	}
	return out
}
