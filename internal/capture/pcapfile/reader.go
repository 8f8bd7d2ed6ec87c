package pcapfile

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sort"
	"time"
)

// Reader reads a capture file, packet by packet. It is not for several
// goroutines at once.
type Reader struct {
	next func() (*Record, error)
	err  error // what next returned, for good
	end  func(file io.ReaderAt, size int64)
	have *contents
}

// contents are what a file has beside packets, as far as it has been read.
type contents struct {
	sections   []Section
	interfaces []Interface
	processes  []Process
	byPID      map[uint32][]int // indexes of processes, by their start
	names      []Name
	secrets    []Secrets
	statistics []Statistics
	counts     Counts
	kept       int // memory of what is kept
}

// keep reports whether there is room to keep a block of n bytes, and counts it.
func (c *contents) keep(n int) bool {
	cost := n*byteCost + blockCost
	if c.kept+cost > maxKept {
		c.counts.NotKept++
		return false
	}
	c.kept += cost
	return true
}

// maxSamePID bounds the processes that are kept of one process id, so that
// finding one of them takes a bounded time.
const maxSamePID = 4096

// addProcess keeps a process, for [Reader.Process] in the order of the starts.
func (c *contents) addProcess(p Process) {
	same := c.byPID[p.PID]
	if len(same) == maxSamePID {
		c.counts.NotKept++
		return
	}
	at := c.startedBy(same, p.Started)
	c.byPID[p.PID] = slices.Insert(same, at, len(c.processes))
	c.processes = append(c.processes, p)
}

// startedBy returns how many processes of a list from byPID were started by a
// time.
func (c *contents) startedBy(same []int, at time.Time) int {
	return sort.Search(len(same), func(i int) bool { return c.processes[same[i]].Started.After(at) })
}

// Open reads the head of a capture file. Its error wraps [ErrNotCapture] if the
// file is of another kind; a compressed file is.
func Open(r io.Reader) (*Reader, error) { return open(r, false) }

// open is Open. onlySecrets: of pcapng blocks, only sections and secrets are decoded.
func open(r io.Reader, onlySecrets bool) (*Reader, error) {
	src := &source{r: bufio.NewReaderSize(r, 64<<10), buf: []byte{}} // not nil, so that no packet has nil for data
	magic, err := src.r.Peek(4)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("open capture file: %w", err)
	}
	if len(magic) == 0 {
		return nil, fmt.Errorf("open capture file: %w", &ForeignError{Kind: Empty})
	}
	if len(magic) < 4 {
		return nil, fmt.Errorf("open capture file: %w: it has %d bytes: %w", ErrNotCapture, len(magic), io.ErrUnexpectedEOF)
	}
	if kind := foreign(magic); kind != "" {
		return nil, fmt.Errorf("open capture file: %w", &ForeignError{kind})
	}
	have := &contents{byPID: map[uint32][]int{}}
	reader := &Reader{have: have}
	if binary.LittleEndian.Uint32(magic) == blockSection {
		err = openPcapng(src, reader, onlySecrets)
	} else {
		reader.next, err = openPcap(src, have)
	}
	if err != nil {
		return nil, fmt.Errorf("open capture file: %w", err)
	}
	return reader, nil
}

// Next returns the next packet in the order of the file, which the caller may
// keep. At the end it returns [io.EOF]. An [*Error] says where the file is
// malformed or, if it wraps [io.ErrUnexpectedEOF], was cut off; nothing can be
// read after it.
func (r *Reader) Next() (*Record, error) {
	if r.err != nil {
		return nil, r.err
	}
	rec, err := r.next()
	if err != nil {
		r.err = err
		return nil, err
	}
	r.have.counts.Packets++
	return rec, nil
}

// Sections returns the sections so far.
func (r *Reader) Sections() []Section { return slices.Clip(r.have.sections) }

// Interfaces returns the interfaces so far, of all sections, in the order of the
// file.
func (r *Reader) Interfaces() []Interface { return slices.Clip(r.have.interfaces) }

// Processes returns the processes so far that the file describes. A process id
// may occur several times, for one process after another.
func (r *Reader) Processes() []Process { return slices.Clip(r.have.processes) }

// Process finds the process that had an id at a time, among those so far: the
// one that was started last before the time. If none was started by then it is
// the one that was started first; if the file does not say when they were
// started, the one that was described last. This is what Wireshark does.
func (r *Reader) Process(pid uint32, at time.Time) (Process, bool) {
	same := r.have.byPID[pid]
	if len(same) == 0 {
		return Process{}, false
	}
	n := r.have.startedBy(same, at)
	return r.have.processes[same[max(n-1, 0)]], true
}

// ReadEnd reads the counters at the end of a file of which the rest is not read: of a
// pcapng file of one section, those that are its last blocks. size is the file's. Next
// must not be called afterwards. What it does not find is no error.
func (r *Reader) ReadEnd(file io.ReaderAt, size int64) {
	if r.end != nil && r.err == nil {
		r.end(file, size)
		r.err = io.EOF
	}
}

// Names returns the names of addresses so far.
func (r *Reader) Names() []Name { return slices.Clip(r.have.names) }

// Secrets returns the decryption secrets so far.
func (r *Reader) Secrets() []Secrets { return slices.Clip(r.have.secrets) }

// Drops returns the counters of the interfaces so far, of lost packets and
// others.
func (r *Reader) Drops() []Statistics { return slices.Clip(r.have.statistics) }

// Counts says how much was read so far.
func (r *Reader) Counts() Counts { return r.have.counts }
