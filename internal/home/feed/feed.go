// Package feed is how a home's engine tells a tap what the connections inside carry:
// frames on a stream socket, each with a header of a fixed size. Both ends are programs
// of one lodge on one machine: the format has no version, and numbers are in the
// machine's byte order.
//
// It moves no bytes of connections and knows no process: the engine fills it
// (package seccomphome/relay), and `lodge tap --relay` reads it.
package feed

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"lodge/internal/rawjson"
)

// Kind is what a frame is.
type Kind uint8

// The kinds of frames. All but Counts and Ready are of a connection.
const (
	// Opened begins a connection. Its payload is an [Opening].
	Opened Kind = iota + 1
	// Data has bytes that a side sent.
	Data
	// Closed: a side sends no more.
	Closed
	// Reset: a side broke the connection off, which ends both.
	Reset
	// Refused is a connection that was not made, since nothing listens there. Its
	// payload is an [Opening], and it has no number.
	Refused
	// Counts is the last frame. Its payload is a [Totals].
	Counts
	// Ready is the first frame: what is connected from now on is seen.
	Ready
)

// The sides of a connection.
const (
	Client = 0
	Server = 1
)

// Header is what each frame begins with.
type Header struct {
	Kind Kind
	// Side is who sent the bytes, or ends: Client or Server.
	Side uint8
	// Connection numbers the connections of a home, from 1 on.
	Connection uint64
	// At is when it happened.
	At time.Time
	// Missing are bytes of the side that found no place, before this frame.
	Missing uint64
	// Size is that of the payload, in bytes.
	Size int
}

const (
	// HeaderSize is the size of a header.
	HeaderSize = 32
	// MaxPayload bounds the payload of a frame.
	MaxPayload = 64 << 10
)

// Put writes a header to b, which has HeaderSize bytes.
func (h *Header) Put(b []byte) {
	binary.NativeEndian.PutUint32(b, uint32(h.Size)) //nolint:gosec // at most MaxPayload
	b[4], b[5], b[6], b[7] = byte(h.Kind), h.Side, 0, 0
	binary.NativeEndian.PutUint64(b[8:], h.Connection)
	binary.NativeEndian.PutUint64(b[16:], uint64(h.At.UnixNano())) //nolint:gosec // and back
	binary.NativeEndian.PutUint64(b[24:], h.Missing)
}

func (h *Header) parse(b []byte) error {
	size := binary.NativeEndian.Uint32(b)
	if size > MaxPayload {
		return fmt.Errorf("a frame of %d bytes", size)
	}
	*h = Header{
		Kind: Kind(b[4]), Side: b[5], Size: int(size), Connection: binary.NativeEndian.Uint64(b[8:]),
		At: time.Unix(0, int64(binary.NativeEndian.Uint64(b[16:]))), Missing: binary.NativeEndian.Uint64(b[24:]), //nolint:gosec // and back
	}
	if h.Kind < Opened || h.Kind > Ready || h.Side > Server {
		return fmt.Errorf("a frame of kind %d, side %d", h.Kind, h.Side)
	}
	return nil
}

// Opening is a connection at its begin.
type Opening struct {
	// Client and Server are the addresses between which the connection would be
	// without the relay.
	Client netip.AddrPort `json:"client"`
	Server netip.AddrPort `json:"server"`
	// Process is who connects. PID is 0 where it had gone.
	Process Process `json:"process"`
	// ClientService and ServerService are the names of the services, "" where an end
	// is of none.
	ClientService string `json:"client_service,omitempty"`
	ServerService string `json:"server_service,omitempty"`
}

// Process is a process when it connects.
type Process struct {
	PID int `json:"pid"`
	// Start is in clock ticks since boot (proc(5), field 22 of /proc/PID/stat).
	Start     uint64 `json:"start,omitempty"`
	Name      string `json:"name,omitempty"`
	Command   string `json:"command,omitempty"`
	Directory string `json:"directory,omitempty"`
	UID       uint32 `json:"uid"`
}

// Count is a number of pieces, and their bytes: a piece is a connection that was asked
// for, the end of a side, or the bytes of one read.
type Count struct {
	Pieces uint64 `json:"pieces"`
	Bytes  uint64 `json:"bytes"`
}

// Add adds a piece of n bytes.
func (c *Count) Add(n int) { c.Pieces++; c.Bytes += uint64(n) } //nolint:gosec // a length

// Totals says what a tap saw: Seen is the sum of all others.
type Totals struct {
	Seen      Count `json:"seen"`
	Delivered Count `json:"delivered"`
	// Outside are connections to the machine's own localhost, which are not led
	// through the relay.
	Outside Count `json:"outside"`
	// Lost were wanted, by reason: see Lost and what follows.
	Lost map[string]Count `json:"lost,omitempty"`
}

// Why something is not in the feed. All but QueueFull are of connections that were made
// without the relay.
const (
	QueueFull = "queue_full"     // the tap did not read in time
	Backlog   = "backlog_full"   // the service's queue of connections was full, so it was not waited for
	Multipath = "multipath_tcp"  // the relay has no Multipath TCP
	Many      = "too_many"       // too many connections go through the relay
	Address   = "no_address"     // the relay could not have the address that the client has
	Failed    = "relay_failed"   // the relay could not be connected
	Unrefused = "made_meanwhile" // refused to the relay, and then made by the program
)

// ErrTooMany says that a home has as many taps as it may.
var ErrTooMany = errors.New("too many tap it already")

// Reader reads frames.
type Reader struct {
	in   *bufio.Reader
	last int // the payload of the last frame, which is still in the buffer
}

// NewReader returns a reader of the frames that in has.
func NewReader(in io.Reader) *Reader {
	return &Reader{in: bufio.NewReaderSize(in, HeaderSize+4*MaxPayload)}
}

// Next returns the next frame. The payload is valid until the next call. At the end it
// returns [io.EOF], and [io.ErrUnexpectedEOF] in the middle of a frame.
func (r *Reader) Next() (h Header, payload []byte, err error) {
	if _, err := r.in.Discard(r.last); err != nil {
		return h, nil, fmt.Errorf("read feed: %w", err)
	}
	r.last = 0
	b, err := r.in.Peek(HeaderSize)
	if err != nil {
		return h, nil, ended(err, len(b))
	}
	if err := h.parse(b); err != nil {
		return h, nil, fmt.Errorf("read feed: %w", err)
	}
	if b, err = r.in.Peek(HeaderSize + h.Size); err != nil {
		return h, nil, ended(err, len(b))
	}
	r.last = HeaderSize + h.Size
	return h, b[HeaderSize:], nil
}

func ended(err error, had int) error {
	switch {
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("read feed: %w", err)
	case had > 0:
		return io.ErrUnexpectedEOF
	}
	return io.EOF
}

// Opening reads the payload of an Opened or Refused frame.
func (h *Header) Opening(payload []byte) (o Opening, err error) {
	if err := rawjson.Unmarshal(payload, &o); err != nil {
		return o, fmt.Errorf("read feed: begin of a connection: %w", err)
	}
	if !o.Client.IsValid() || !o.Server.IsValid() {
		return o, errors.New("read feed: begin of a connection: it has no addresses")
	}
	return o, nil
}

// Totals reads the payload of a Counts frame.
func (h *Header) Totals(payload []byte) (t Totals, err error) {
	if err := rawjson.Unmarshal(payload, &t); err != nil {
		return t, fmt.Errorf("read feed: counts: %w", err)
	}
	return t, nil
}
