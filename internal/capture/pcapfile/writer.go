package pcapfile

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// WriterOptions say where and by what a file is made.
type WriterOptions struct {
	Hardware, OS, Application string
	Comments                  []string
}

// Writer writes a pcapng file of one section, little-endian. Each method writes
// one block, with one call of Write, so that what is in the file is whole up to
// the last block whatever happens after it; give a buffered writer for speed.
// It is not for several goroutines at once.
//
// After an error of the underlying writer each call returns this error, as a
// block may have been written in part.
//
// Strings are written as UTF-8: what is not is replaced by U+FFFD. Those over
// 65,535 bytes, which do not fit into an option, are cut.
type Writer struct {
	w          io.Writer
	parts      PartsWriter // the same, or nil
	b          block
	interfaces []Interface
	err        error
}

// NewWriter writes the head of a file.
func NewWriter(w io.Writer, o WriterOptions) (*Writer, error) {
	pw := &Writer{w: w}
	pw.parts, _ = w.(PartsWriter)
	b := pw.b.start(blockSection)
	b.uint32(byteOrderMagic)
	b.uint16(1) // version 1.0
	b.uint16(0)
	b.uint64(1<<64 - 1) // length: not known
	b.comments(o.Comments)
	b.string(optSectionHardware, o.Hardware)
	b.string(optSectionOS, o.OS)
	b.string(optSectionApplication, o.Application)
	b.endOptions()
	if err := pw.write("section header"); err != nil {
		return nil, err
	}
	return pw, nil
}

// PartsWriter is a writer that takes what it writes in parts, as if they were one. The
// Writer gives it large packets so, without a copy.
type PartsWriter interface {
	WriteParts(head, data, tail []byte) (int, error)
}

// largePacket is from how many bytes on a packet is given in parts.
const largePacket = 16 << 10

// write writes the block.
func (w *Writer) write(what string) error { return w.writeAround(what, 0, nil) }

// writeAround writes the block with data at the offset at.
func (w *Writer) writeAround(what string, at int, data []byte) error {
	if w.err != nil {
		return w.err
	}
	b := w.b.finish(len(data))
	length := len(b) + len(data)
	if length > maxBlock {
		return fmt.Errorf("write %s: its block has %d bytes, over %d", what, length, maxBlock)
	}
	var n int
	var err error
	if len(data) > 0 {
		n, err = w.parts.WriteParts(b[:at], data, b[at:])
	} else {
		n, err = w.w.Write(b)
	}
	if err == nil && n < length {
		err = io.ErrShortWrite
	}
	if err != nil {
		w.err = fmt.Errorf("write %s: %w", what, err)
	}
	return w.err
}

// AddInterface writes an interface, whose timestamps count nanoseconds, and
// returns its number for [Record.Interface]. It must come before its packets.
func (w *Writer) AddInterface(i Interface) (int, error) {
	b := w.b.start(blockInterface)
	b.uint16(uint16(i.LinkType))
	b.uint16(0)
	b.uint32(i.SnapLen)
	b.comments(i.Comments)
	b.string(optInterfaceName, i.Name)
	b.string(optInterfaceDescription, i.Description)
	b.option(optInterfaceResolution, []byte{9}) // 10^-9
	if i.Filter != "" {
		b.option(optInterfaceFilter, append([]byte{0}, cleaned(i.Filter, maxOption-1)...)) // 0: an expression
	}
	b.string(optInterfaceOS, i.OS)
	b.string(optInterfaceHardware, i.Hardware)
	b.endOptions()
	if err := w.write("interface"); err != nil {
		return 0, err
	}
	w.interfaces = append(w.interfaces, Interface{LinkType: i.LinkType, SnapLen: i.SnapLen})
	return len(w.interfaces) - 1, nil
}

// errInterface is the error of a packet or a counter of an interface that was
// not added.
var errInterface = errors.New("its interface was not added")

// WritePacket writes a packet. Processes that it refers to should have been
// written before it. A packet without a time, which only a Simple Packet Block
// can be, is written as one if it is on interface 0 and has nothing but data,
// else with the time 0, which is the begin of 1970.
func (w *Writer) WritePacket(r *Record) error { return w.WritePacketWith(r, PacketOptions{}) }

// PacketOptions are comments and processes that many packets have. The zero value is none.
type PacketOptions struct{ b []byte }

// NewPacketOptions encodes them once.
func NewPacketOptions(comments []string, processes []ProcessRef) PacketOptions {
	var b block
	b.comments(comments)
	b.processes(processes)
	return PacketOptions{b.b}
}

// WritePacketWith writes a packet that has more comments and processes than the record says.
func (w *Writer) WritePacketWith(r *Record, more PacketOptions) error {
	if r.Interface < 0 || r.Interface >= len(w.interfaces) {
		return fmt.Errorf("write packet: %w: %d", errInterface, r.Interface)
	}
	iface := &w.interfaces[r.Interface]
	if iface.LinkType != r.LinkType {
		return fmt.Errorf("write packet: its link type is %d, that of its interface %d", r.LinkType, iface.LinkType)
	}
	if len(r.Data) > maxBlock {
		return fmt.Errorf("write packet: it has %d bytes, over %d", len(r.Data), maxBlock)
	}
	length := uint32(len(r.Data))
	orig := max(r.OrigLen, length)
	var ts uint64
	if r.Time.IsZero() {
		if simple(r, iface.SnapLen, orig) && len(more.b) == 0 {
			b := w.b.start(blockSimplePacket)
			b.uint32(orig)
			b.bytes(r.Data)
			return w.write("packet")
		}
	} else {
		var ok bool
		if ts, ok = nanoseconds(r.Time); !ok {
			return fmt.Errorf("write packet: its time %v is not from 1970 to 2554", r.Time)
		}
	}
	b := w.b.start(blockEnhanced)
	b.uint32(uint32(r.Interface))
	b.timestamp(ts)
	b.uint32(length)
	b.uint32(orig)
	at, large := len(b.b), r.Data
	if w.parts == nil || len(large) < largePacket {
		b.bytes(r.Data)
		large = nil
	} else {
		b.pad(len(large))
	}
	b.comments(r.Comments)
	b.encoded(more.b)
	if r.Flags != 0 {
		b.optionUint32(optPacketFlags, uint32(r.Flags))
	}
	if r.Dropped != 0 {
		b.optionUint64(optPacketDropCount, r.Dropped)
	}
	b.processes(r.Processes)
	b.endOptions()
	return w.writeAround("packet", at, large)
}

// simple reports whether a packet can be a Simple Packet Block.
func simple(r *Record, snapLen, orig uint32) bool {
	length := orig
	if snapLen != 0 {
		length = min(orig, snapLen)
	}
	return r.Interface == 0 && uint32(len(r.Data)) == length &&
		len(r.Comments) == 0 && r.Flags == 0 && r.Dropped == 0 && len(r.Processes) == 0
}

// WriteProcess writes what is known about a process, as a Custom Block that
// Wireshark 5 reads. Older ones list it between the packets, as a block of an
// unknown format, and number it as they number packets. Arguments that do not
// fit into 65,535 bytes are left out.
func (w *Writer) WriteProcess(p Process) error {
	if len(p.UUID) != 0 && len(p.UUID) != 16 {
		return fmt.Errorf("write process %d: its UUID has %d bytes", p.PID, len(p.UUID))
	}
	b := w.b.start(blockCustom)
	b.uint32(penWireshark)
	b.uint32(entryProcess)
	b.uint32(0) // length of the entry, below
	entry := len(b.b)
	b.uint32(p.PID)
	b.comments(p.Comments)
	b.string(optProcessName, p.Name)
	b.string(optProcessPath, p.Path)
	if args := joined(p.Args); len(args) > 0 {
		b.option(optProcessArgs, args)
	}
	if p.PPID != 0 {
		b.optionUint32(optProcessPPID, p.PPID)
	}
	if p.HasUID {
		b.optionUint32(optProcessUID, p.UID)
	}
	b.string(optProcessUser, p.User)
	if len(p.UUID) > 0 {
		b.option(optProcessUUID, p.UUID)
	}
	if !p.Started.IsZero() {
		ns, ok := nanoseconds(p.Started)
		if !ok {
			return fmt.Errorf("write process %d: its start %v is not from 1970 to 2554", p.PID, p.Started)
		}
		b.optionUint64(optProcessStarted, ns)
	}
	b.endOptions()
	b.setUint32(entry-4, uint32(len(b.b)-entry))
	return w.write("process")
}

// joined returns arguments with NULs between them, as many as fit into an option.
func joined(args []string) []byte {
	var b []byte
	for i, a := range args {
		if len(b)+1+len(a) > maxOption {
			break
		}
		if i > 0 {
			b = append(b, 0)
		}
		b = append(b, a...)
	}
	return b
}

// WriteNames writes names of addresses.
func (w *Writer) WriteNames(names []Name) error {
	b := w.b.start(blockNames)
	for _, n := range names {
		addr := n.Addr.Unmap().WithZone("")
		kind := uint16(recordIPv4)
		if addr.Is6() {
			kind = recordIPv6
		}
		if !addr.IsValid() {
			return fmt.Errorf("write names: %q has no address", n.Names)
		}
		value := addr.AsSlice()
		size := len(value)
		for _, s := range n.Names {
			if s = cleaned(s, maxOption-size-1); s == "" {
				continue
			}
			if len(value)+len(s)+1 > maxOption {
				b.option(kind, value)
				value = value[:size]
			}
			value = append(append(value, s...), 0)
		}
		if len(value) > size {
			b.option(kind, value)
		}
	}
	b.uint32(0) // the end of the records
	b.options = false
	return w.write("names")
}

// WriteSecrets writes keys. They should come before the packets that they are
// for.
func (w *Writer) WriteSecrets(s Secrets) error {
	data := s.Data
	if n := len(data); s.Type == SecretsTLS && n > 0 && data[n-1] != '\n' {
		data = append(slices.Clip(data), '\n') // the specification requires it
	}
	if len(data) > maxBlock {
		return fmt.Errorf("write secrets: %d bytes, over %d", len(data), maxBlock)
	}
	b := w.b.start(blockSecrets)
	b.uint32(s.Type)
	b.uint32(uint32(len(data)))
	b.bytes(data)
	b.comments(s.Comments)
	b.endOptions()
	return w.write("secrets")
}

// WriteStatistics writes the counters of an interface.
func (w *Writer) WriteStatistics(s Statistics) error {
	if s.Interface < 0 || s.Interface >= len(w.interfaces) {
		return fmt.Errorf("write statistics: %w: %d", errInterface, s.Interface)
	}
	var at [3]uint64
	for i, t := range []time.Time{s.Time, s.Start, s.End} {
		if t.IsZero() {
			continue
		}
		var ok bool
		if at[i], ok = nanoseconds(t); !ok {
			return fmt.Errorf("write statistics: the time %v is not from 1970 to 2554", t)
		}
	}
	b := w.b.start(blockStatistics)
	b.uint32(uint32(s.Interface))
	b.timestamp(at[0])
	b.comments(s.Comments)
	if !s.Start.IsZero() {
		b.optionPair(optStatisticsStart, uint32(at[1]>>32), uint32(at[1]))
	}
	if !s.End.IsZero() {
		b.optionPair(optStatisticsEnd, uint32(at[2]>>32), uint32(at[2]))
	}
	b.count(optStatisticsReceived, s.Received)
	b.count(optStatisticsDropped, s.Dropped)
	b.count(optStatisticsAccepted, s.Accepted)
	b.count(optStatisticsOSDropped, s.OSDropped)
	b.count(optStatisticsDelivered, s.Delivered)
	b.endOptions()
	return w.write("statistics")
}
