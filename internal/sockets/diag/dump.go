package diag

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
)

// bufferLen is for dumps: the kernel fills at most 32 KiB at a time, as much
// as was last asked for (net/netlink/af_netlink.c, netlink_dump).
const bufferLen = 64 << 10

// Question is what a dump of TCP or UDP sockets asks for.
type Question struct {
	// Family is AF_INET, AF_INET6 or, for TCP only, AF_UNSPEC: both.
	Family, Protocol byte
	// States is a mask with one bit a state.
	States uint32
	// Info asks for the kernel's struct tcp_info (INET_DIAG_INFO). Other
	// attributes cost nothing and come unasked.
	Info bool
	// Code is a filter that the kernel runs (INET_DIAG_REQ_BYTECODE), made by
	// [Compile].
	Code []byte
}

// bytes writes the question as the kernel takes it, with sequence number zero.
func (q Question) bytes() []byte {
	var b [HeaderLen + requestLen]byte
	var out []byte
	extensions := byte(0)
	if q.Info {
		extensions = 1 << (attrInfo - 1)
	}
	if q.Family == unix.AF_UNSPEC {
		// The request from before IPv6 (TCPDIAG_GETSOCK) is the only one that
		// reads the table of TCP sockets once for both families.
		out = make([]byte, HeaderLen+compatLen)
		binary.NativeEndian.PutUint32(out, uint32(len(out)))
		binary.NativeEndian.PutUint16(out[4:], tcpDiagGetSock)
		binary.NativeEndian.PutUint16(out[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
		out[HeaderLen+3] = extensions
		binary.NativeEndian.PutUint32(out[HeaderLen+compatLen-8:], q.States)
	} else {
		putRequest(&b, 0, unix.NLM_F_DUMP, q.Family, q.Protocol, q.States)
		b[HeaderLen+2] = extensions
		out = b[:]
	}
	if len(q.Code) > 0 {
		out = binary.NativeEndian.AppendUint16(out, uint16(attrLen+len(q.Code)))
		out = binary.NativeEndian.AppendUint16(out, attrBytecode)
		out = append(out, q.Code...)
		binary.NativeEndian.PutUint32(out, uint32(len(out)))
	}
	return out
}

// stream sends a request for a dump and calls add with the body of each message
// of the answer. interrupted says that the table changed meanwhile, so that
// sockets may be missing or double.
func (c *Conn) stream(ctx context.Context, request []byte, add func(body []byte) error) (interrupted bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false, unix.EBADF
	}
	return c.streamLocked(ctx, request, add)
}

// streamLocked is stream; the caller holds c.mu.
func (c *Conn) streamLocked(ctx context.Context, request []byte, add func(body []byte) error) (interrupted bool, err error) {
	if c.big == nil {
		c.big = make([]byte, bufferLen)
	}
	c.seq++
	binary.NativeEndian.PutUint32(request[8:12], c.seq)
	if err := c.send(request); err != nil {
		return false, err
	}
	for {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		// A datagram that does not fit is told in the flags.
		n, _, flags, _, err := unix.Recvmsg(c.fd, c.big, nil, 0)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return false, err
		case flags&unix.MSG_TRUNC != 0:
			return false, ErrShort
		}
		got, err := messages(c.big[:n], c.seq, add)
		switch {
		case err != nil:
			return false, err
		case got.errno != 0:
			return false, got.errno
		}
		interrupted = interrupted || got.interrupted
		if got.done {
			return interrupted, nil
		}
	}
}

// collect makes a dump, again if the table changed meanwhile. reset forgets
// what an earlier attempt has added.
func (c *Conn) collect(ctx context.Context, request []byte, reset func(), add func(body []byte) error) error {
	for range dumpTries {
		reset()
		again, err := c.stream(ctx, request, add)
		if err != nil || !again {
			return err
		}
	}
	return ErrInterrupted
}

// either reads a table by diag, which asks sock_diag, or where that is missing
// by proc, which reads /proc/net and is called with c.mu held.
func (c *Conn) either(t table, diag, proc func() error) error {
	c.mu.Lock()
	missing := c.missing(t)
	c.mu.Unlock()
	if !missing {
		err := diag()
		c.mu.Lock()
		if err == nil {
			c.diag[t] = diagState{told: true}
		}
		missing = err != nil && c.doubt(t, err)
		c.mu.Unlock()
		if !missing {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return unix.EBADF
	}
	return proc()
}

// Dump lists the sockets of one protocol and family (AF_INET or AF_INET6)
// whose state is in states, a mask with one bit a state (Listening, UDPBound,
// AllStates). A dual-stack socket is in AF_INET6's list only.
func (c *Conn) Dump(proto loopback.Protocol, family int, states uint32) ([]Socket, error) {
	number, err := protocolNumber(proto)
	if err != nil {
		return nil, err
	}
	if family != unix.AF_INET && family != unix.AF_INET6 {
		return nil, fmt.Errorf("dump %s sockets: family %d: %w", proto, family, unix.EAFNOSUPPORT)
	}
	var list []Socket
	reset := func() { list = list[:0] }
	err = c.either(tableOf(number), func() error {
		request := Question{Family: byte(family), Protocol: number, States: states}.bytes()
		return c.collect(context.Background(), request, reset, func(body []byte) error {
			var r Record
			if err := parseRecord(body, &r, nil); err != nil {
				return err
			}
			list = append(list, r.Socket())
			return nil
		})
	}, func() error {
		reset()
		return c.proc.inet(context.Background(), tableOf(number), family == unix.AF_INET6, states, func(r *Record) error {
			list = append(list, r.Socket())
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("dump %s sockets: %w", proto, err)
	}
	return list, nil
}

// Dump is Conn.Dump on a conversation of its own.
func Dump(proto loopback.Protocol, family int, states uint32) ([]Socket, error) {
	c, err := Open()
	if err != nil {
		return nil, err
	}
	list, err := c.Dump(proto, family, states)
	return list, errors.Join(err, c.Close())
}
