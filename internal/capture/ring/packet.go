package ring

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"
)

// Source is where packets come from.
type Source interface {
	// Run calls handle for each packet, one after the other, until ctx ends or
	// handle returns an error, which Run returns. When ctx ends it gives what is
	// in the rings at that moment, and returns nil.
	Run(ctx context.Context, handle func(*Packet) error) error
	// Counts returns what has been read. It may be called while Run runs.
	Counts() Counts
	// Close lets go of the rings. Run must not be running.
	Close() error
}

// Counts says what a source has read.
type Counts struct {
	// Packets and Bytes are those that were given to handle, as they were on lo.
	Packets, Bytes uint64
	// Captured is how many of the bytes were read.
	Captured uint64
	// Lost are the packets of which the records say that there was no room for them.
	// The tap's counts, which the helper has, are the whole truth, also about what
	// was lost at the end.
	Lost uint64
	// Late are the packets that were given after one with a later time.
	Late uint64
}

// Flags say what is known of a packet.
type Flags uint8

// The flags (enum record_flags in bpf/src/tap.h).
const (
	// ChecksumPartial says that the transport checksum in Data is not filled in.
	ChecksumPartial Flags = 1 << iota
	// InProcess says that the process sent the packet itself.
	InProcess
	// Remembered says that the kernel sent the packet for its socket, as a
	// retransmission or what a full window had held up, and that the process is
	// the one that last sent something by that socket.
	Remembered
)

// NoUID is the UID of an end of which nothing is known.
const NoUID = 1<<32 - 1

// LinkType is the link-layer header type of Data (LINKTYPE_ETHERNET), which lo
// has, too.
const LinkType = 1

// Packet is one packet, or several segments of one connection that the kernel
// handles as one.
type Packet struct {
	// Time is when it was sent, Boot the same in nanoseconds since boot.
	Time time.Time
	Boot uint64
	// PID and TID are the process and the thread that sent it, Start when the
	// process started, in clock ticks since boot as in /proc/PID/stat, and Comm
	// its name. They are zero where that is not known: see Flags.
	PID, TID uint32
	Start    uint64
	Comm     string
	// Cookie is the sending socket's (SO_COOKIE), Inode its inode, UID its owner;
	// of DstCookie, DstInode, DstUID and DstPID, the receiving socket's, each is
	// zero (NoUID) where it is not known.
	Cookie, DstCookie uint64
	Inode, DstInode   uint32
	UID, DstUID       uint32
	DstPID            uint32
	// Cgroup is the id of the cgroup of the process, or of the socket where the
	// process is not known.
	Cgroup uint64
	// SoftLimit and HardLimit are the process's limits of real time (RLIMIT_RTTIME),
	// which carry lodge's mark: see package mark.
	SoftLimit, HardLimit uint64
	// Data has the bytes from the link-layer header on, of OrigLen. It is valid
	// until handle returns.
	Data    []byte
	OrigLen int
	// Segment is how many bytes of payload each segment has, where the packet is
	// several; else 0.
	Segment int
	Flags   Flags
	// Lost is how many packets there was no room for on this packet's CPU since the
	// one before it there.
	Lost int
}

// The parts of struct record (bpf/src/tap.h).
const (
	recordSize = 120
	recordLost = 92
	recordComm = 104
)

// names has names of threads by their ids, so that one that stays costs no memory.
type names [64]string

// parse reads a record; b has at least recordSize bytes.
func (p *Packet) parse(b []byte, wall int64, known *names) error {
	le := binary.NativeEndian
	p.Boot = le.Uint64(b)
	p.Time = time.Unix(0, int64(p.Boot)+wall)
	p.Cookie, p.DstCookie = le.Uint64(b[8:]), le.Uint64(b[16:])
	p.Cgroup, p.Start = le.Uint64(b[24:]), le.Uint64(b[32:])
	p.SoftLimit, p.HardLimit = le.Uint64(b[40:]), le.Uint64(b[48:])
	p.PID, p.TID = le.Uint32(b[56:]), le.Uint32(b[60:])
	p.UID, p.DstUID = le.Uint32(b[64:]), le.Uint32(b[68:])
	p.Inode, p.DstInode, p.DstPID = le.Uint32(b[72:]), le.Uint32(b[76:]), le.Uint32(b[80:])
	p.OrigLen = int(le.Uint32(b[84:]))
	captured := int(le.Uint32(b[88:]))
	p.Segment = int(le.Uint16(b[96:]))
	p.Flags = Flags(b[98])
	name := b[recordComm:recordSize]
	for i, c := range name {
		if c == 0 {
			name = name[:i]
			break
		}
	}
	comm := &known[p.TID%uint32(len(known))]
	if *comm != string(name) {
		*comm = string(name)
	}
	p.Comm = *comm
	rest := b[recordSize:]
	if captured > len(rest) || captured > p.OrigLen {
		return fmt.Errorf("read ring: a record of %d bytes has a packet of %d", len(b), captured)
	}
	p.Data = rest[:captured]
	return nil
}
