package diag

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Sizes and numbers of linux/netlink.h and linux/inet_diag.h.
const (
	HeaderLen  = 16 // struct nlmsghdr
	requestLen = 56 // struct inet_diag_req_v2
	diagLen    = 72 // struct inet_diag_msg
	attrLen    = 4  // struct nlattr

	compatLen = 60 // struct inet_diag_req

	sockDiagByFamily = 20 // SOCK_DIAG_BY_FAMILY
	tcpDiagGetSock   = 18 // TCPDIAG_GETSOCK
	attrBytecode     = 1  // INET_DIAG_REQ_BYTECODE, in a request
	attrInfo         = 2  // INET_DIAG_INFO
	attrV6Only       = 11 // INET_DIAG_SKV6ONLY
	attrCgroupID     = 21 // INET_DIAG_CGROUP_ID
	attrTypeMask     = 0x3fff

	infoLen = 136 // of struct tcp_info, up to tcpi_bytes_received
)

// ErrShort is an answer that ends before what it announces.
var ErrShort = errors.New("message is cut short")

// batch says what one datagram from the kernel held besides sockets.
type batch struct {
	// done: the dump is complete, or the request is answered.
	done bool
	// interrupted: the table changed during the dump (NLM_F_DUMP_INTR), so
	// that sockets may be missing or double.
	interrupted bool
	// errno is the kernel's answer where it is an error.
	errno unix.Errno
}

// parse reads one datagram of netlink messages and calls add with each socket in
// it.
func parse(b []byte, seq uint32, add func(Socket)) (batch, error) {
	return messages(b, seq, func(body []byte) error {
		var r Record
		if err := parseRecord(body, &r, nil); err != nil {
			return err
		}
		add(r.Socket())
		return nil
	})
}

// messages reads one datagram of netlink messages and calls add with the body of
// each that is of a socket. Messages of another sequence number are answers
// to an earlier question and are skipped.
func messages(b []byte, seq uint32, add func(body []byte) error) (batch, error) {
	var out batch
	for len(b) > 0 {
		if len(b) < HeaderLen {
			return out, ErrShort
		}
		n := int(binary.NativeEndian.Uint32(b[0:4]))
		if n < HeaderLen || n > len(b) {
			return out, ErrShort
		}
		kind := binary.NativeEndian.Uint16(b[4:6])
		flags := binary.NativeEndian.Uint16(b[6:8])
		body := b[HeaderLen:n]
		mine := binary.NativeEndian.Uint32(b[8:12]) == seq
		b = b[min(Align4(n), len(b)):]
		if !mine {
			continue
		}
		if flags&unix.NLM_F_DUMP_INTR != 0 {
			out.interrupted = true
		}
		switch kind {
		case unix.NLMSG_NOOP:
		case unix.NLMSG_ERROR, unix.NLMSG_DONE:
			// Both carry a negative errno; DONE may be empty.
			if len(body) >= 4 {
				code := int32(binary.NativeEndian.Uint32(body))
				if code < 0 && code > -4096 {
					out.errno = unix.Errno(-code)
				}
			} else if kind == unix.NLMSG_ERROR {
				return out, ErrShort
			}
			out.done = true
			return out, nil
		case unix.NLMSG_OVERRUN:
			return out, errors.New("messages were lost")
		case sockDiagByFamily, tcpDiagGetSock:
			if err := add(body); err != nil {
				return out, err
			}
			if flags&unix.NLM_F_MULTI == 0 {
				out.done = true
			}
		default:
			return out, fmt.Errorf("message type %d is not of sock_diag", kind)
		}
	}
	return out, nil
}

// parseRecord reads a struct inet_diag_msg and the attributes after it. What
// it says of TCP goes to info, where that is not nil.
func parseRecord(b []byte, r *Record, info *TCPInfo) error {
	if len(b) < diagLen {
		return ErrShort
	}
	r.Family, r.State = b[0], b[1]
	r.LocalPort = binary.BigEndian.Uint16(b[4:6])
	r.RemotePort = binary.BigEndian.Uint16(b[6:8])
	switch r.Family {
	case unix.AF_INET:
		put4(&r.Local, b[8:12])
		put4(&r.Remote, b[24:28])
	case unix.AF_INET6:
		r.Local = [16]byte(b[8:24])
		r.Remote = [16]byte(b[24:40])
	default:
		return fmt.Errorf("address family %d is neither IPv4 nor IPv6", r.Family)
	}
	r.Iface = binary.NativeEndian.Uint32(b[40:44])
	// The cookie is two 32-bit words, the low one first, on every machine.
	r.Cookie = uint64(binary.NativeEndian.Uint32(b[44:48])) | uint64(binary.NativeEndian.Uint32(b[48:52]))<<32
	r.RQueue = binary.NativeEndian.Uint32(b[56:60])
	r.WQueue = binary.NativeEndian.Uint32(b[60:64])
	r.UID = binary.NativeEndian.Uint32(b[64:68])
	r.Inode = binary.NativeEndian.Uint32(b[68:72])
	r.Flags = 0
	if r.State != StateTimeWait && r.State != StateSynRecv && r.State != StateNewSynRecv {
		r.Flags |= FlagUID // else it is written as zero
	}
	return Attributes(b[diagLen:], func(kind uint16, value []byte) {
		switch kind {
		case attrInfo:
			if info != nil {
				*info = parseInfo(value)
			}
		case attrV6Only:
			if len(value) >= 1 && value[0] != 0 {
				r.Flags |= FlagV6Only
			}
		case attrCgroupID:
			if len(value) >= 8 {
				r.Cgroup = binary.NativeEndian.Uint64(value)
			}
		}
	})
}

// Attributes returns each of a run of netlink attributes to f.
func Attributes(b []byte, f func(kind uint16, value []byte)) error {
	for len(b) >= attrLen {
		n := int(binary.NativeEndian.Uint16(b[0:2]))
		if n < attrLen || n > len(b) {
			return ErrShort
		}
		f(binary.NativeEndian.Uint16(b[2:4])&attrTypeMask, b[attrLen:n])
		b = b[min(Align4(n), len(b)):]
	}
	return nil
}

// parseInfo reads a struct tcp_info (linux/tcp.h). Older kernels give a
// shorter one: what it lacks is zero.
func parseInfo(b []byte) TCPInfo {
	var full [infoLen]byte
	copy(full[:], b)
	u32 := func(at int) uint32 { return binary.NativeEndian.Uint32(full[at:]) }
	return TCPInfo{
		IdleSend: u32(44), IdleReceive: u32(52), RTT: u32(68), RTTVar: u32(72), CongestionW: u32(80), Retransmits: u32(100),
		Sent: binary.NativeEndian.Uint64(full[120:]), Received: binary.NativeEndian.Uint64(full[128:]),
	}
}

func Align4(n int) int { return (n + 3) &^ 3 }

// putRequest writes a nlmsghdr and an inet_diag_req_v2. id is left zero, and
// the cookie as "any" (INET_DIAG_NOCOOKIE).
func putRequest(b *[HeaderLen + requestLen]byte, seq uint32, flags uint16, family, protocol byte, states uint32) {
	*b = [HeaderLen + requestLen]byte{}
	binary.NativeEndian.PutUint32(b[0:4], HeaderLen+requestLen)
	binary.NativeEndian.PutUint16(b[4:6], sockDiagByFamily)
	binary.NativeEndian.PutUint16(b[6:8], unix.NLM_F_REQUEST|flags)
	binary.NativeEndian.PutUint32(b[8:12], seq)
	r := b[HeaderLen:]
	r[0], r[1] = family, protocol
	binary.NativeEndian.PutUint32(r[4:8], states)
	for i := 48; i < 56; i++ {
		r[i] = 0xff
	}
}

// putAddress writes an address into an inet_diag_sockid: at 0 with its port
// as the source, or at 1 as the destination.
func putAddress(b *[HeaderLen + requestLen]byte, at int, a netip.AddrPort) {
	r := b[HeaderLen+8:]
	binary.BigEndian.PutUint16(r[2*at:], a.Port())
	ip := r[4+16*at : 20+16*at]
	if a.Addr().Is4() {
		v := a.Addr().As4()
		copy(ip, v[:])
		return
	}
	v := a.Addr().As16()
	copy(ip, v[:])
}
