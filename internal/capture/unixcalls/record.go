package unixcalls

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// kind is what a record tells (enum record_type in bpf/src/calls.h).
type kind uint8

const (
	kindSocket kind = iota
	kindData
	kindDone
	kindConnecting
	kindConnected
	kindShutdown
	kindSkipped
)

// The flags of records (enum record_flags there).
const (
	flagFirst = 1 << iota
	flagServer
	flagClient
	flagDestination
	flagForeign
	flagForeignPeer
)

// RecordSize is how many bytes each record has at least (struct call_record there).
const RecordSize = 136

// record is one of them.
type record struct {
	at           time.Time // when it was written
	entered      uint64    // when its call was entered, in nanoseconds since boot
	enteredAt    time.Time
	written      uint64 // at, in nanoseconds since boot
	id, peer     uint64
	offset       uint64
	sent, copied uint64
	process      Process
	tid          uint32
	peerPID      uint32
	inode        uint32
	peerInode    uint32
	descriptors  int
	kind         kind
	flags        uint8
	socketType   uint8
	outcome      uint8
	errno        uint32
	payload      []byte
}

// Process is the process that made a call, as the kernel knew it then.
type Process struct {
	PID uint32
	// UID is its effective user.
	UID uint32
	// Start is when it started, in clock ticks since boot as in /proc/PID/stat, and Comm
	// its name.
	Start uint64
	Comm  string
	// SoftLimit and HardLimit are its limits of real time (RLIMIT_RTTIME), which carry
	// lodge's mark: see package mark.
	SoftLimit, HardLimit uint64
}

// parse reads a record; the payload is a part of b.
func (r *record) parse(at time.Time, b []byte) error {
	if len(b) < RecordSize {
		return fmt.Errorf("read ring: a record of %d bytes", len(b))
	}
	ne := binary.NativeEndian
	*r = record{
		at: at, written: ne.Uint64(b), entered: ne.Uint64(b[8:]), id: ne.Uint64(b[16:]), peer: ne.Uint64(b[24:]), offset: ne.Uint64(b[32:]),
		sent: ne.Uint64(b[40:]), copied: ne.Uint64(b[48:]),
		process: Process{
			Start: ne.Uint64(b[56:]), SoftLimit: ne.Uint64(b[64:]), HardLimit: ne.Uint64(b[72:]), PID: ne.Uint32(b[80:]), UID: ne.Uint32(b[88:]),
		},
		tid: ne.Uint32(b[84:]), peerPID: ne.Uint32(b[92:]), inode: ne.Uint32(b[96:]), peerInode: ne.Uint32(b[100:]),
		descriptors: int(ne.Uint32(b[104:])), kind: kind(b[112]), flags: b[113], socketType: b[114], outcome: b[115], errno: ne.Uint32(b[116:]),
	}
	name, _, _ := strings.Cut(string(b[120:RecordSize]), "\x00")
	r.process.Comm = name
	length := int(ne.Uint32(b[108:]))
	if length > len(b)-RecordSize {
		return fmt.Errorf("read ring: a record of %d bytes has %d of a call", len(b), length)
	}
	r.payload = b[RecordSize:][:length]
	return nil
}

// path returns the path of a Unix socket in UTF-8. An abstract name begins with @ and has @
// for zeros, as ss(8) shows it, but for those at its end, which programs bind with it that
// give the address's whole size.
func (r *record) path() string {
	b := r.payload
	if len(b) == 0 {
		return ""
	}
	path, _, _ := strings.Cut(string(b), "\x00")
	if b[0] == 0 {
		path = strings.ReplaceAll("@"+strings.TrimRight(string(b[1:]), "\x00"), "\x00", "@")
	}
	return strings.ToValidUTF8(path, string(utf8.RuneError))
}

// clock knows when the machine was started, by the time of day. Each reading of the rings
// knows that a little differently; times of calls are to be in the order of the calls, as
// long as nobody sets the clock.
type clock struct{ boot time.Time }

// set sets the time of a call.
func (c *clock) set(r *record) {
	boot := r.at.Add(-time.Duration(r.written))
	if d := boot.Sub(c.boot); c.boot.IsZero() || d.Abs() > 10*time.Millisecond {
		c.boot = boot
	}
	r.enteredAt = c.boot.Add(time.Duration(r.entered))
}
