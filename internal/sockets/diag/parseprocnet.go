package diag

import (
	"encoding/binary"
	"errors"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrProcLine is a line that has another form than the kernel writes.
var ErrProcLine = errors.New("a line of /proc/net has an unknown form")

// fields takes one word after the other from a line.
type fields struct{ rest []byte }

func (f *fields) next() []byte {
	i := 0
	for i < len(f.rest) && f.rest[i] == ' ' {
		i++
	}
	f.rest = f.rest[i:]
	i = 0
	for i < len(f.rest) && f.rest[i] != ' ' {
		i++
	}
	word := f.rest[:i]
	f.rest = f.rest[i:]
	return word
}

// parseProcInet reads a line of /proc/net/tcp, udp and the like
// (net/ipv4/tcp_ipv4.c, tcp4_seq_show):
//
//	sl: local rem st tx_queue:rx_queue tr:when retrnsmt uid timeout inode …
func parseProcInet(line []byte, six bool, r *Record) error {
	f := fields{line}
	f.next()
	local, remote, state, queues := f.next(), f.next(), f.next(), f.next()
	f.next()
	f.next()
	uid := f.next()
	f.next()
	inode := f.next()
	r.Family = unix.AF_INET
	if six {
		r.Family = unix.AF_INET6
	}
	ok := parseProcEnd(local, six, &r.Local, &r.LocalPort) && parseProcEnd(remote, six, &r.Remote, &r.RemotePort)
	st, isState := hexNumber(state, 2)
	var tx, rx uint64
	var isTx, isRx bool
	if len(queues) == 17 && queues[8] == ':' {
		tx, isTx = hexNumber(queues[:8], 8)
		rx, isRx = hexNumber(queues[9:], 8)
	}
	owner, isUID := decimal(uid)
	ino, isInode := decimal(inode)
	if !ok || !isState || st == 0 || st > StateNewSynRecv || !isTx || !isRx || !isUID || !isInode {
		return ErrProcLine
	}
	r.State, r.RQueue, r.WQueue, r.UID, r.Inode = uint8(st), uint32(rx), uint32(tx), uint32(owner), uint32(ino)
	r.Flags = FlagProc
	if r.State != StateTimeWait && r.State != StateSynRecv && r.State != StateNewSynRecv {
		r.Flags |= FlagUID // else it is written as zero, or as the listener's
	}
	return nil
}

// parseProcEnd reads an address and a port: words of 32 bits of the address, as
// this machine's numbers, and the port.
func parseProcEnd(b []byte, six bool, ip *[16]byte, port *uint16) bool {
	n := 8
	if six {
		n = 32
	}
	if len(b) != n+5 || b[n] != ':' {
		return false
	}
	var raw [16]byte
	for i := 0; i < n; i += 8 {
		word, ok := hexNumber(b[i:i+8], 8)
		if !ok {
			return false
		}
		binary.NativeEndian.PutUint32(raw[i/2:], uint32(word))
	}
	p, ok := hexNumber(b[n+1:], 4)
	if !ok {
		return false
	}
	*port = uint16(p)
	if six {
		*ip = raw
	} else {
		put4(ip, raw[:4])
	}
	return true
}

// hexNumber reads a number of n hexadecimal digits.
func hexNumber(b []byte, n int) (uint64, bool) {
	if len(b) != n {
		return 0, false
	}
	var v uint64
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		default:
			return 0, false
		}
		v = v<<4 | uint64(c)
	}
	return v, true
}

// What /proc/net/unix has of linux/net.h and the kernel's socket.h.
const (
	socketAccepts     = 1 << 16 // __SO_ACCEPTCON
	socketUnconnected = 1       // SS_UNCONNECTED
	socketConnecting  = 2       // SS_CONNECTING: connected, and not accepted
	socketConnected   = 3       // SS_CONNECTED
)

// parseProcUnix reads a line of /proc/net/unix (net/unix/af_unix.c,
// unix_seq_show):
//
//	Num: RefCount Protocol Flags Type St Inode Path
//
// A path stands there as it is but for its NULs, which are written @.
func parseProcUnix(line []byte, r *Record, info *UnixInfo) error {
	f := fields{line}
	if name := f.next(); len(name) < 9 || name[len(name)-1] != ':' {
		return ErrProcLine
	}
	_, isRefs := hexNumber(f.next(), 8)
	_, isProtocol := hexNumber(f.next(), 8)
	flags, isFlags := hexNumber(f.next(), 8)
	kind, isKind := hexNumber(f.next(), 4)
	state, isState := hexNumber(f.next(), 2)
	inode, isInode := decimal(f.next())
	if !isRefs || !isProtocol || !isFlags || !isKind || !isState || !isInode {
		return ErrProcLine
	}
	r.Proto, r.Family, r.Flags, r.Inode = ProtoUnix, unix.AF_UNIX, FlagProc, uint32(inode)
	switch kind {
	case unix.SOCK_STREAM:
		info.Kind = "stream"
	case unix.SOCK_DGRAM:
		info.Kind = "datagram"
	case unix.SOCK_SEQPACKET:
		info.Kind = "seqpacket"
	}
	switch {
	case flags&socketAccepts != 0:
		r.State = StateListen
	case state == socketConnected, state == socketConnecting:
		r.State = StateEstablished
	default:
		r.State = StateClose
	}
	if path, ok := strings.CutPrefix(string(f.rest), " "); ok {
		info.Path, r.LocalPort = path, 1
	}
	if kind == unix.SOCK_DGRAM && r.LocalPort != 0 && r.State == StateEstablished {
		// It has that state as well when others have connected to it, as servers
		// have; which of both it is stands nowhere.
		r.State = StateClose
	}
	return nil
}

// decimal reads a number without a sign.
func decimal(b []byte) (uint64, bool) {
	if len(b) == 0 || len(b) > 10 {
		return 0, false
	}
	var v uint64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + uint64(c-'0')
	}
	return v, v <= 1<<32-1
}
