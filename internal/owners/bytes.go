package owners

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
)

// The bytes of a table, all numbers little-endian. Both ends are the same
// version of lodge (the greetings see to it), so that nothing is optional.
//
//	magic, processes, holdings, opened, closed, warnings, hidden   u32 each
//	boot                                                           u64
//	process: pid, parent, uid  u32; start u64; cut u8; name, command: text
//	holding: inode, process    u32
//	opened:  holding u32; when u64          for the few where that is known
//	closed:  namespace, process u32; at u64; local, remote: 16 bytes, port u16
//	warning: text
//	text:    length u16, bytes
const (
	magic       = 0x31776f6c // "low1"
	headerLen   = 7*4 + 8
	processLen  = 3*4 + 8 + 1 + 2 + 2 // at least
	holdingLen  = 8
	openedLen   = 12
	closedLen   = 8 + 8 + 18 + 18
	warningLen  = 2 // at least
	maxTextSize = math.MaxUint16
)

// Append writes the table after b. Texts of more than 65,535 bytes are cut.
func (t *Table) Append(b []byte) []byte {
	opened := 0
	for i := range t.Holdings {
		if t.Holdings[i].Opened != 0 {
			opened++
		}
	}
	le := binary.LittleEndian
	for _, n := range []int{magic, len(t.Processes), len(t.Holdings), opened, len(t.Closed), len(t.Warnings)} {
		b = le.AppendUint32(b, uint32(n))
	}
	b = le.AppendUint32(b, t.Hidden)
	b = le.AppendUint64(b, t.Boot)
	for i := range t.Processes {
		p := &t.Processes[i]
		b = le.AppendUint32(b, p.PID)
		b = le.AppendUint32(b, p.Parent)
		b = le.AppendUint32(b, p.UID)
		b = le.AppendUint64(b, p.Start)
		cut := byte(0)
		if p.Cut {
			cut = 1
		}
		b = append(b, cut)
		b = appendText(b, p.Name)
		b = appendText(b, p.Command)
	}
	for i := range t.Holdings {
		b = le.AppendUint32(b, t.Holdings[i].Inode)
		b = le.AppendUint32(b, t.Holdings[i].Process)
	}
	for i := range t.Holdings {
		if at := t.Holdings[i].Opened; at != 0 {
			b = le.AppendUint32(b, uint32(i))
			b = le.AppendUint64(b, at)
		}
	}
	for i := range t.Closed {
		c := &t.Closed[i]
		b = le.AppendUint32(b, c.Namespace)
		b = le.AppendUint32(b, c.Process)
		b = le.AppendUint64(b, c.At)
		b = appendEnd(b, c.Local)
		b = appendEnd(b, c.Remote)
	}
	for _, w := range t.Warnings {
		b = appendText(b, w)
	}
	return b
}

func appendText(b []byte, s string) []byte {
	s = s[:min(len(s), maxTextSize)]
	b = binary.LittleEndian.AppendUint16(b, uint16(len(s)))
	return append(b, s...)
}

func appendEnd(b []byte, a netip.AddrPort) []byte {
	ip := a.Addr().As16()
	b = append(b, ip[:]...)
	return binary.LittleEndian.AppendUint16(b, a.Port())
}

// errShort is a table that ends before what its header announces.
var errShort = errors.New("it is cut short")

// Parse reads what Append wrote, and nothing after it. Every index in the
// answer is one into Processes.
func Parse(b []byte) (*Table, error) {
	t, closed, err := ParseOpen(b)
	if err != nil {
		return nil, err
	}
	t.Closed = closed.List()
	return t, nil
}

// ParseOpen is Parse, but for Closed, which is left as the bytes that it is: it can be
// long, and is seldom looked at.
func ParseOpen(b []byte) (*Table, ClosedBytes, error) {
	r := reader{b: b}
	t, closed, err := r.table()
	if err != nil {
		return nil, nil, fmt.Errorf("read table of owners: %w", err)
	}
	return t, closed, nil
}

// ClosedBytes is a list of Closed that was checked and not made.
type ClosedBytes []byte

// List makes the list.
func (c ClosedBytes) List() []Closed {
	list := make([]Closed, len(c)/closedLen)
	r := reader{b: c}
	for i := range list {
		list[i] = Closed{Namespace: r.u32(), Process: r.u32(), At: r.u64(), Local: r.end(), Remote: r.end()}
	}
	return list
}

// reader takes from the front of b. After short it gives zeros.
type reader struct {
	b     []byte
	short bool
}

func (r *reader) take(n int) []byte {
	if r.short || len(r.b) < n {
		r.short = true
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *reader) text() string {
	n := r.take(2)
	if n == nil {
		return ""
	}
	return string(r.take(int(binary.LittleEndian.Uint16(n))))
}

func (r *reader) end() netip.AddrPort {
	b := r.take(18)
	if b == nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b)).Unmap(), binary.LittleEndian.Uint16(b[16:]))
}

func (r *reader) table() (*Table, ClosedBytes, error) {
	if r.u32() != magic {
		return nil, nil, errors.New("it is none")
	}
	processes, holdings, opened, closed, warnings := r.u32(), r.u32(), r.u32(), r.u32(), r.u32()
	t := &Table{Hidden: r.u32(), Boot: r.u64()}
	// No more is made than there are bytes for.
	need := uint64(processes)*processLen + uint64(holdings)*holdingLen + uint64(opened)*openedLen +
		uint64(closed)*closedLen + uint64(warnings)*warningLen
	if r.short || need > uint64(len(r.b)) {
		return nil, nil, errShort
	}
	t.Processes = make([]Process, processes)
	for i := range t.Processes {
		p := &t.Processes[i]
		p.PID, p.Parent, p.UID, p.Start = r.u32(), r.u32(), r.u32(), r.u64()
		if cut := r.take(1); cut != nil {
			p.Cut = cut[0] != 0
		}
		p.Name, p.Command = r.text(), r.text()
	}
	t.Holdings = make([]Holding, holdings)
	all := r.take(int(holdings) * holdingLen)
	if r.short {
		return nil, nil, errShort
	}
	for i := range t.Holdings {
		h := all[i*holdingLen : i*holdingLen+holdingLen]
		t.Holdings[i] = Holding{Inode: binary.LittleEndian.Uint32(h), Process: binary.LittleEndian.Uint32(h[4:])}
		if t.Holdings[i].Process >= processes {
			return nil, nil, fmt.Errorf("holding %d: process %d of %d", i, t.Holdings[i].Process, processes)
		}
	}
	for range opened {
		i, at := r.u32(), r.u64()
		if i >= holdings {
			return nil, nil, fmt.Errorf("opened: holding %d of %d", i, holdings)
		}
		t.Holdings[i].Opened = at
	}
	raw := r.take(int(closed) * closedLen)
	for i := 0; i < len(raw); i += closedLen {
		if p := binary.LittleEndian.Uint32(raw[i+4:]); p >= processes {
			return nil, nil, fmt.Errorf("closed %d: process %d of %d", i/closedLen, p, processes)
		}
	}
	for range warnings {
		t.Warnings = append(t.Warnings, r.text())
	}
	if r.short {
		return nil, nil, errShort
	}
	if len(r.b) > 0 {
		return nil, nil, fmt.Errorf("%d bytes after it", len(r.b))
	}
	return t, raw, nil
}
