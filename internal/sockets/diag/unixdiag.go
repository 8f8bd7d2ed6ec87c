package diag

import (
	"encoding/binary"
	"strings"

	"golang.org/x/sys/unix"
)

// Numbers of linux/unix_diag.h.
const (
	unixRequestLen = 24 // struct unix_diag_req
	unixDiagLen    = 16 // struct unix_diag_msg

	showName, showPeer, showQueue, showUID = 1 << 0, 1 << 2, 1 << 4, 1 << 6 // UDIAG_SHOW_*

	unixAttrName  = 0 // UNIX_DIAG_NAME
	unixAttrPeer  = 2 // UNIX_DIAG_PEER
	unixAttrQueue = 4 // UNIX_DIAG_RQLEN
	unixAttrUID   = 7 // UNIX_DIAG_UID
)

// UnixInfo is what only a Unix socket has.
type UnixInfo struct {
	Path string
	Kind string // stream, datagram or seqpacket
	Peer uint32 // inode
}

// unixQuestion writes the question for all Unix sockets in the given states.
func unixQuestion(states uint32) []byte {
	b := make([]byte, HeaderLen+unixRequestLen)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], sockDiagByFamily)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	r := b[HeaderLen:]
	r[0] = unix.AF_UNIX
	binary.NativeEndian.PutUint32(r[4:], states)
	binary.NativeEndian.PutUint32(r[12:], showName|showPeer|showQueue|showUID)
	return b
}

// parseUnix reads a struct unix_diag_msg and the attributes after it.
func parseUnix(b []byte, r *Record, info *UnixInfo) error {
	if len(b) < unixDiagLen {
		return ErrShort
	}
	r.Proto, r.Family, r.State = ProtoUnix, b[0], b[2]
	switch b[1] {
	case unix.SOCK_STREAM:
		info.Kind = "stream"
	case unix.SOCK_DGRAM:
		info.Kind = "datagram"
	case unix.SOCK_SEQPACKET:
		info.Kind = "seqpacket"
	}
	r.Inode = binary.NativeEndian.Uint32(b[4:])
	r.Cookie = uint64(binary.NativeEndian.Uint32(b[8:])) | uint64(binary.NativeEndian.Uint32(b[12:]))<<32
	err := Attributes(b[unixDiagLen:], func(kind uint16, value []byte) {
		switch {
		case kind == unixAttrName && len(value) > 0:
			info.Path = unixPath(value)
			r.LocalPort = 1
		case kind == unixAttrPeer && len(value) >= 4:
			info.Peer = binary.NativeEndian.Uint32(value)
		case kind == unixAttrQueue && len(value) >= 8:
			r.RQueue, r.WQueue = binary.NativeEndian.Uint32(value), binary.NativeEndian.Uint32(value[4:])
		case kind == unixAttrUID && len(value) >= 4:
			r.UID = binary.NativeEndian.Uint32(value)
			r.Flags |= FlagUID
		}
	})
	if b[1] == unix.SOCK_DGRAM && r.State == StateEstablished && info.Peer == 0 {
		// It is others that have connected to it (unix_dgram_connect says so of
		// both).
		r.State = StateClose
	}
	return err
}

// unixPath reads a name: a path, which may end with a NUL, or after a NUL an
// abstract name, which may hold more of them (unix(7)). Those are written @.
func unixPath(b []byte) string {
	if b[0] != 0 {
		s, _, _ := strings.Cut(string(b), "\x00")
		return s
	}
	return strings.ReplaceAll(string(b), "\x00", "@")
}
