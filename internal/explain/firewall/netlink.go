package firewall

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Sizes of linux/netlink.h and linux/netfilter/nfnetlink.h.
const (
	headerLen  = 16 // struct nlmsghdr
	genericLen = 4  // struct nfgenmsg
	attrLen    = 4  // struct nlattr
	typeMask   = 0x3fff
)

// dumpTries bounds how often a dump is made again because the ruleset changed
// meanwhile; dumpMost bounds its size in bytes.
const (
	dumpTries = 4
	dumpMost  = 64 << 20
)

var (
	errShort       = errors.New("message is cut short")
	errInterrupted = errors.New("the ruleset changed during every reading of it")
)

// conn is a conversation with nfnetlink. One goroutine uses it.
type conn struct {
	fd  int
	seq uint32
	buf []byte
}

func open() (*conn, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("open nfnetlink: %w", err)
	}
	// An answer is there when the question returns. The limit only keeps a
	// lost answer from stopping the caller for ever.
	limit := unix.Timeval{Sec: 5}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		_ = unix.Close(fd) // the first error is the one to tell
		return nil, fmt.Errorf("open nfnetlink: %w", err)
	}
	return &conn{fd: fd, buf: make([]byte, 64<<10)}, nil
}

func (c *conn) close() { _ = unix.Close(c.fd) } // only read from

// dump asks for all objects of one kind and hands the attributes of each to
// add, with its family. reset is called before each try.
func (c *conn) dump(kind uint16, family byte, attrs []byte, reset func(), add func(family byte, attrs []byte) error) error {
	for range dumpTries {
		reset()
		again, err := c.dumpOnce(kind, family, attrs, add)
		if err != nil || !again {
			return err
		}
	}
	return errInterrupted
}

func (c *conn) dumpOnce(kind uint16, family byte, attrs []byte, add func(byte, []byte) error) (again bool, err error) {
	c.seq++
	req := make([]byte, headerLen+genericLen, headerLen+genericLen+len(attrs))
	req[headerLen] = family // nfgenmsg: family, version 0, resource id 0
	req = append(req, attrs...)
	binary.NativeEndian.PutUint32(req[0:], uint32(len(req)))
	binary.NativeEndian.PutUint16(req[4:], unix.NFNL_SUBSYS_NFTABLES<<8|kind)
	binary.NativeEndian.PutUint16(req[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	binary.NativeEndian.PutUint32(req[8:], c.seq)
	if err := unix.Sendto(c.fd, req, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return false, err
	}
	for total := 0; total < dumpMost; {
		n, _, flags, _, err := unix.Recvmsg(c.fd, c.buf, nil, 0)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return false, err
		case flags&unix.MSG_TRUNC != 0:
			return false, errShort
		}
		total += n
		done, changed, err := messages(c.buf[:n], c.seq, add)
		again = again || changed
		if err != nil || done {
			return again, err
		}
	}
	return false, fmt.Errorf("the ruleset has more than %d bytes", dumpMost)
}

// messages reads one datagram. changed says that the ruleset was exchanged
// during the dump (NLM_F_DUMP_INTR).
func messages(b []byte, seq uint32, add func(byte, []byte) error) (done, changed bool, err error) {
	for len(b) > 0 {
		if len(b) < headerLen {
			return false, changed, errShort
		}
		n := int(binary.NativeEndian.Uint32(b))
		if n < headerLen || n > len(b) {
			return false, changed, errShort
		}
		kind := binary.NativeEndian.Uint16(b[4:])
		flags := binary.NativeEndian.Uint16(b[6:])
		mine := binary.NativeEndian.Uint32(b[8:]) == seq
		body := b[headerLen:n]
		b = b[min((n+3)&^3, len(b)):]
		if !mine {
			continue
		}
		changed = changed || flags&unix.NLM_F_DUMP_INTR != 0
		switch kind {
		case unix.NLMSG_NOOP:
			continue
		case unix.NLMSG_DONE, unix.NLMSG_ERROR:
			if len(body) >= 4 {
				if code := int32(binary.NativeEndian.Uint32(body)); code < 0 && code > -4096 {
					return true, changed, unix.Errno(-code)
				}
			}
			return true, changed, nil
		}
		if len(body) < genericLen {
			return false, changed, errShort
		}
		if err := add(body[0], body[genericLen:]); err != nil {
			return false, changed, err
		}
	}
	return false, changed, nil
}

// attributes hands each netlink attribute in b to each.
func attributes(b []byte, each func(kind uint16, value []byte) error) error {
	for len(b) >= attrLen {
		n := int(binary.NativeEndian.Uint16(b))
		if n < attrLen || n > len(b) {
			return errShort
		}
		if err := each(binary.NativeEndian.Uint16(b[2:])&typeMask, b[attrLen:n]); err != nil {
			return err
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	return nil
}

// attribute writes one attribute with a string that ends in a NUL.
func attribute(b []byte, kind uint16, value string) []byte {
	n := attrLen + len(value) + 1
	b = binary.NativeEndian.AppendUint16(b, uint16(n))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	return append(b, make([]byte, (n+3)&^3-n+1)...)
}
