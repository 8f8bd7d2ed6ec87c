package shim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// What the keeper tells the shim, over the socket that the shim inherits: a
// length (4 bytes) and that many bytes of order. All numbers are
// little-endian; a string is its length (4 bytes) and its bytes; a list is its
// length (4 bytes) and its strings.
//
// What the shim answers: replies of replySize bytes. The first one, replyReady,
// carries the filter's descriptor. After it the socket ends without a word,
// since exec closes it, or tells the error for which there is no program.

// orderMax is far above what execve takes (about 6 MiB).
const orderMax = 16 << 20

const orderVersion = 1

const orderStrict = 8

// Order is what the shim has to do.
type Order struct {
	// Closed has bit n set where descriptor n (0 to 2) is to be closed.
	Closed uint8
	// Strict selects the filter. It is bit 3 of the byte of Closed.
	Strict bool
	Dir    string
	Path   string
	Args   []string
	Env    []string
}

func (o *Order) Encode() ([]byte, error) {
	b := make([]byte, 4, 4096)
	flags := o.Closed
	if o.Strict {
		flags |= orderStrict
	}
	b = append(b, orderVersion, flags)
	put := func(s string) error {
		if strings.IndexByte(s, 0) >= 0 {
			return fmt.Errorf("string %q: holds a zero byte: %w", s, unix.EINVAL)
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
		return nil
	}
	if err := errors.Join(put(o.Dir), put(o.Path)); err != nil {
		return nil, err
	}
	for _, list := range [][]string{o.Args, o.Env} {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(list)))
		for _, s := range list {
			if err := put(s); err != nil {
				return nil, err
			}
		}
	}
	if len(b)-4 > orderMax {
		return nil, fmt.Errorf("arguments and environment of %d bytes: %w", len(b), unix.E2BIG)
	}
	binary.LittleEndian.PutUint32(b, uint32(len(b)-4))
	return b, nil
}

var errOrder = errors.New("order is not as the protocol says")

// decodeOrder reads what encode wrote, without the length in front.
func decodeOrder(b []byte) (Order, error) {
	var o Order
	if len(b) < 2 || b[0] != orderVersion || b[1] > 7|orderStrict {
		return o, errOrder
	}
	o.Closed, o.Strict = b[1]&7, b[1]&orderStrict != 0
	b = b[2:]
	ok := true
	number := func() uint32 {
		if len(b) < 4 {
			ok = false
			return 0
		}
		n := binary.LittleEndian.Uint32(b)
		b = b[4:]
		return n
	}
	text := func() string {
		n := number()
		if uint64(n) > uint64(len(b)) {
			ok = false
			return ""
		}
		s := string(b[:n])
		b = b[n:]
		if strings.IndexByte(s, 0) >= 0 {
			ok = false
		}
		return s
	}
	list := func() []string {
		n := number()
		// Each string takes four bytes at least.
		if uint64(n) > uint64(len(b)/4) {
			ok = false
			return nil
		}
		out := make([]string, 0, n)
		for range n {
			out = append(out, text())
		}
		return out
	}
	o.Dir, o.Path = text(), text()
	o.Args, o.Env = list(), list()
	if !ok || len(b) != 0 || o.Path == "" || len(o.Args) == 0 {
		return Order{}, errOrder
	}
	return o, nil
}

// The shim's replies.
const (
	ReplySize  = 8
	replyReady = 'r'
	ReplyError = 'e'
)

// stage is what the shim was doing when it met an error.
type stage uint8

const (
	stageOrder stage = iota
	stageDir
	stagePrivs
	stageFilter
	stageSend
	stageExec
	stageEnd
)

func (s stage) String() string {
	return [...]string{"read order", "change directory", "set no_new_privs", "set filter", "send filter", "exec"}[s]
}

type Reply struct {
	Kind  byte
	stage stage
	errno unix.Errno
}

func (r Reply) encode() []byte {
	b := make([]byte, ReplySize)
	b[0], b[1] = r.Kind, byte(r.stage)
	binary.LittleEndian.PutUint32(b[4:], uint32(r.errno))
	return b
}

var ErrReply = errors.New("reply is not as the protocol says")

func DecodeReply(b []byte) (Reply, error) {
	if len(b) != ReplySize || b[0] != replyReady && b[0] != ReplyError || b[1] >= byte(stageEnd) || b[2] != 0 || b[3] != 0 {
		return Reply{}, ErrReply
	}
	n := binary.LittleEndian.Uint32(b[4:])
	if n > 4095 || (n == 0) != (b[0] == replyReady) {
		return Reply{}, ErrReply
	}
	return Reply{Kind: b[0], stage: stage(b[1]), errno: unix.Errno(n)}, nil
}

func (r Reply) Err() error {
	if r.stage == stageExec {
		return r.errno
	}
	if r.stage == stageFilter && r.errno == unix.EBUSY {
		return fmt.Errorf("%v: already inside a home or a sandbox that has a listener: %w", r.stage, r.errno)
	}
	return fmt.Errorf("%v: %w", r.stage, r.errno)
}
