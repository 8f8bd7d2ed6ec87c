package firewall

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Connection is what is asked about: a new connection (TCP) or a first
// datagram (UDP) that a process of this machine sends.
type Connection struct {
	Protocol byte // unix.IPPROTO_TCP or IPPROTO_UDP
	Src, Dst netip.Addr
	DstPort  uint16
	// SrcPort is the client's port, or one that it may get; 0 is not known.
	SrcPort uint16
	// UID and GID are the sending process's.
	UID, GID uint32
	// Local says that Dst is an address of this machine, so that everything
	// goes over lo, whose index is LoIndex.
	Local   bool
	LoIndex uint32
}

// The hooks of linux/netfilter.h.
const (
	hookPrerouting  = unix.NF_INET_PRE_ROUTING
	hookInput       = unix.NF_INET_LOCAL_IN
	hookOutput      = unix.NF_INET_LOCAL_OUT
	hookPostrouting = unix.NF_INET_POST_ROUTING
)

// packet is one packet of the connection at one hook.
type packet struct {
	c     *Connection
	reply bool
	hook  uint32
}

func (p packet) src() netip.Addr {
	if p.reply {
		return p.c.Dst
	}
	return p.c.Src
}

func (p packet) dst() netip.Addr {
	if p.reply {
		return p.c.Src
	}
	return p.c.Dst
}

func (p packet) six() bool { return !p.c.Dst.Unmap().Is4() }

// in and out report whether the packet has an incoming, an outgoing interface at
// this hook.
func (p packet) in() bool  { return p.hook == hookPrerouting || p.hook == hookInput }
func (p packet) out() bool { return p.hook == hookOutput || p.hook == hookPostrouting }

// value is some bytes, of which only those with a set known are.
type value struct {
	b     []byte
	known []bool
}

func known(b ...byte) value {
	v := value{b: b, known: make([]bool, len(b))}
	for i := range v.known {
		v.known[i] = true
	}
	return v
}

func unknown(n int) value { return value{make([]byte, n), make([]bool, n)} }

func host32(n uint32) value { return known(binary.NativeEndian.AppendUint32(nil, n)...) }
func host16(n uint16) value { return known(binary.NativeEndian.AppendUint16(nil, n)...) }

func (v value) all() bool {
	for _, k := range v.known {
		if !k {
			return false
		}
	}
	return true
}

func (v value) put(at int, b ...byte) {
	for i, x := range b {
		v.b[at+i], v.known[at+i] = x, true
	}
}

// network returns the network header: what a rule may look at of it.
func (p packet) network() value {
	src, dst := p.src().Unmap(), p.dst().Unmap()
	if p.six() {
		v := unknown(40)
		v.put(6, p.c.Protocol)
		v.putAddress(8, src)
		v.putAddress(24, dst)
		return v
	}
	v := unknown(20)
	v.put(0, 0x45)
	v.put(6, 0x40, 0) // not a fragment
	v.put(9, p.c.Protocol)
	v.putAddress(12, src)
	v.putAddress(16, dst)
	return v
}

// putAddress writes an address, if it is known.
func (v value) putAddress(at int, ip netip.Addr) {
	if ip.IsValid() {
		v.put(at, ip.AsSlice()...)
	}
}

// The TCP flags of the first packet and of its answer.
const (
	flagSYN = 0x02
	flagACK = 0x10
)

// transport returns the transport header.
func (p packet) transport() value {
	v := unknown(20)
	src, dst := 0, 2
	if p.reply {
		src, dst = dst, src
	}
	v.put(dst, byte(p.c.DstPort>>8), byte(p.c.DstPort))
	if p.c.SrcPort != 0 {
		v.put(src, byte(p.c.SrcPort>>8), byte(p.c.SrcPort))
	}
	if p.c.Protocol == unix.IPPROTO_TCP {
		flags := byte(flagSYN)
		if p.reply {
			flags |= flagACK
		}
		v.put(13, flags)
	}
	return v
}

// Values of linux/netfilter/nf_conntrack_common.h, as `ct state` shows them
// (NF_CT_STATE_BIT).
const (
	ctEstablished = 2
	ctNew         = 8
	ctUntracked   = 64
)

func (p packet) ctState() uint32 {
	if p.reply {
		return ctEstablished
	}
	return ctNew
}

const (
	loName       = "lo"
	typeLoopback = 772 // ARPHRD_LOOPBACK
	routeLocal   = 2   // RTN_LOCAL
)

// ifindex, ifname and iftype give an interface as meta expressions see it:
// zero where the packet has none at this hook.
func (p packet) ifindex(has bool) value {
	switch {
	case !has:
		return host32(0)
	case p.c.Local:
		return host32(p.c.LoIndex)
	}
	return unknown(4)
}

func (p packet) ifname(has bool) value {
	name := make([]byte, 16)
	switch {
	case !has:
		return known(name...)
	case p.c.Local:
		copy(name, loName)
		return known(name...)
	}
	return unknown(16)
}

func (p packet) iftype(has bool) value {
	if has && p.c.Local {
		return host16(typeLoopback)
	}
	return unknown(2)
}

// meta returns what a meta expression loads.
func (p packet) meta(key uint32) value {
	switch key {
	case unix.NFT_META_PROTOCOL:
		if p.six() {
			return known(0x86, 0xdd)
		}
		return known(0x08, 0x00)
	case unix.NFT_META_NFPROTO:
		if p.six() {
			return known(familyIPv6)
		}
		return known(familyIPv4)
	case unix.NFT_META_L4PROTO:
		return known(p.c.Protocol)
	case unix.NFT_META_IIF:
		return p.ifindex(p.in())
	case unix.NFT_META_OIF:
		return p.ifindex(p.out())
	case unix.NFT_META_IIFNAME:
		return p.ifname(p.in())
	case unix.NFT_META_OIFNAME:
		return p.ifname(p.out())
	case unix.NFT_META_IIFTYPE:
		return p.iftype(p.in())
	case unix.NFT_META_OIFTYPE:
		return p.iftype(p.out())
	case unix.NFT_META_SKUID:
		if !p.reply && p.hook == hookOutput {
			return host32(p.c.UID)
		}
		return unknown(4)
	case unix.NFT_META_SKGID:
		if !p.reply && p.hook == hookOutput {
			return host32(p.c.GID)
		}
		return unknown(4)
	case unix.NFT_META_BRI_IIFNAME, unix.NFT_META_BRI_OIFNAME:
		return unknown(16)
	}
	return unknown(4)
}

// ct returns what a ct expression loads.
func (p packet) ct(key uint32, untracked bool) value {
	switch key {
	case unix.NFT_CT_STATE:
		if untracked {
			return host32(ctUntracked)
		}
		return host32(p.ctState())
	case unix.NFT_CT_DIRECTION:
		if p.reply {
			return known(1)
		}
		return known(0)
	case unix.NFT_CT_PROTOCOL, unix.NFT_CT_L3PROTOCOL:
		return unknown(1)
	}
	return unknown(16)
}
