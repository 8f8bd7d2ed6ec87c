package helperapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"

	"lodge/internal/fdpass"
)

// TapRequest asks for the packets of lo, in the network namespace in which the
// client made its connection: of root's taps all packets, of an ordinary user's
// those of which one end is a socket of that user.
type TapRequest struct {
	// Acks asks for TCP's acknowledgements without data, too, Others for what is
	// neither TCP nor UDP.
	Acks   bool `json:"acks,omitempty"`
	Others bool `json:"others,omitempty"`
	// Snaplen is how many bytes of each packet are wanted; 0: all.
	Snaplen uint32 `json:"snaplen,omitempty"`
	// Ports and Prefixes ask for packets of which either end has one of them; empty:
	// any.
	Ports    []PortRange    `json:"ports,omitempty"`
	Prefixes []netip.Prefix `json:"prefixes,omitempty"`
	// RingBytes is the size of each CPU's ring, a power of two; 0: as large as each
	// of a user's taps may have it, and at most 4 MiB.
	RingBytes int `json:"ring_bytes,omitempty"`
}

// PortRange is all ports from First to Last.
type PortRange struct {
	First uint16 `json:"first"`
	Last  uint16 `json:"last"`
}

// The bounds of a request.
const (
	MaxTapPorts    = 1024
	MaxTapPrefixes = 1024
)

// TapUnixRequest asks for what processes send by Unix sockets of which one end is in
// the network namespace in which the client made its connection: of root's taps all,
// of an ordinary user's what processes of that user send, or others send to sockets
// of that user. What the client itself sends is left out. The answer is a [TapReply]
// of the kind [TapCalls].
type TapUnixRequest struct {
	// MaxCall is how many bytes of each call are copied; 0: 1 MiB.
	MaxCall int `json:"max_call,omitempty"`
	// RingBytes is as in [TapRequest].
	RingBytes int `json:"ring_bytes,omitempty"`
}

// TapKind says where a tap's packets come from.
type TapKind string

// The kinds of taps. Package capture/ring reads the first two in the same way.
const (
	// TapTCX is a program at the egress of lo, which knows the sender.
	TapTCX TapKind = "tcx"
	// TapPacket is the filter of a packet socket (packet(7)), which does not: the
	// kernel is older than Linux 6.6. Ordinary users have none.
	TapPacket TapKind = "packet"
	// TapCalls is system calls on Unix sockets; package capture/unixcalls knows its
	// records. What its counts call packets are calls that sent something, and those of
	// connect(2) that failed.
	TapCalls TapKind = "calls"
)

// TapReply describes a tap. Its descriptors are to be had by [OpTapRings].
type TapReply struct {
	ID    uint64  `json:"id"`
	Kind  TapKind `json:"kind"`
	Rings int     `json:"rings"`
	// RingBytes is the size of each ring.
	RingBytes int `json:"ring_bytes"`
}

// TapRingsRequest asks for some rings of a tap.
type TapRingsRequest struct {
	ID uint64 `json:"id"`
	// First is the index of the first one. The reply has as many from there on as a
	// message can bring.
	First int `json:"first,omitempty"`
}

// FileRing is the name of the descriptors of rings.
const FileRing = "ring"

// TapIDRequest names a tap of this connection: to ask for its counts, or to end
// it.
type TapIDRequest struct {
	ID uint64 `json:"id"`
}

// TapCount is a number of packets, and of their bytes as they are on lo.
type TapCount struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// TapCounts says what became of the packets of lo: Seen is the sum of the others.
type TapCounts struct {
	Seen      TapCount `json:"seen"`
	Delivered TapCount `json:"delivered"`
	// RingFull, NoRing and Failed are lost: the ring was full, the CPU on which it
	// was sent has none, or it could not be copied.
	RingFull TapCount `json:"lost_ring_full"`
	NoRing   TapCount `json:"lost_no_ring"`
	Failed   TapCount `json:"lost_copy_failed"`
	// NotAllowed are those of which no end is known to be a socket of the user.
	NotAllowed TapCount `json:"not_allowed"`
	// Acks are TCP's acknowledgements without data, where they were not asked for.
	Acks TapCount `json:"acks_left_out"`
	// Filtered are those of other ports, prefixes and protocols.
	Filtered TapCount `json:"filtered"`
	// Of a tap of Unix sockets, lost as well: TooLarge is what a call sent beyond as much
	// as is copied of one, NotCopied what the kernel sent from a file, a pipe or by
	// io_uring(7), NoRoom are calls beyond as many at the same time as are followed.
	TooLarge  TapCount `json:"lost_too_large"`
	NotCopied TapCount `json:"lost_not_copied"`
	NoRoom    TapCount `json:"lost_no_room"`
}

// Lost is the sum of those that were lost.
func (c *TapCounts) Lost() (sum TapCount) {
	for _, l := range []TapCount{c.RingFull, c.NoRing, c.Failed, c.TooLarge, c.NotCopied, c.NoRoom} {
		sum.Packets += l.Packets
		sum.Bytes += l.Bytes
	}
	return sum
}

// Tap is a tap of a client. It goes on until End, or until the client is closed.
type Tap struct {
	TapReply
	client *Client
}

// StartTap starts a tap, and returns it with the descriptors that package
// capture/ring reads, which the caller closes. Where the kernel cannot, or not for
// this user, the error is an [Error] with the code [NoTap].
func StartTap(ctx context.Context, c *Client, req TapRequest) (*Tap, []*os.File, error) {
	return startTap(ctx, c, "tap lo", OpTap, req)
}

// StartTapUnix starts a tap of Unix sockets. Its rings hold records of package
// capture/unixcalls. Else it is as [StartTap].
func StartTapUnix(ctx context.Context, c *Client, req TapUnixRequest) (*Tap, []*os.File, error) {
	return startTap(ctx, c, "tap Unix sockets", OpTapUnix, req)
}

func startTap(ctx context.Context, c *Client, what, op string, req any) (*Tap, []*os.File, error) {
	rep, g, err := do[TapReply](ctx, c, call{
		what: what, op: op, args: req,
		undo: func(late *Reply) {
			var rep TapReply
			if json.Unmarshal(late.Result, &rep) == nil {
				_, _ = (&Tap{rep, c}).End(context.Background()) // with the helper gone, so is the tap
			}
		},
	})
	if err = errors.Join(err, g.Close()); err != nil {
		return nil, nil, err
	}
	t := &Tap{rep, c}
	var files []*os.File
	for len(files) < rep.Rings {
		more, err := t.rings(ctx, len(files))
		files = append(files, more...)
		if err != nil {
			_, eerr := t.End(context.WithoutCancel(ctx))
			return nil, nil, errors.Join(err, eerr, fdpass.Close(files))
		}
	}
	return t, files, nil
}

// rings returns rings from the first one on.
func (t *Tap) rings(ctx context.Context, first int) ([]*os.File, error) {
	what := "get rings of tap " + strconv.FormatUint(t.ID, 10)
	_, g, err := do[none](ctx, t.client, call{what: what, op: OpTapRings, args: TapRingsRequest{t.ID, first}})
	if err != nil {
		return nil, err
	}
	files := g.Take(FileRing)
	err = g.Close()
	if len(files) == 0 || first+len(files) > t.Rings {
		err = errors.Join(err, fmt.Errorf("the helper's answer has %d descriptors", len(files)))
	}
	if err != nil {
		return files, fmt.Errorf("%s: %w", what, err)
	}
	return files, nil
}

// Counts returns what became of the packets until now.
func (t *Tap) Counts(ctx context.Context) (TapCounts, error) {
	return t.counts(ctx, "get counts of tap", OpTapCounts)
}

// End ends the tap. The counts are those of all of its packets: what is in the
// rings then, and what was read from them before, is what was delivered.
func (t *Tap) End(ctx context.Context) (TapCounts, error) {
	return t.counts(ctx, "end tap", OpEndTap)
}

func (t *Tap) counts(ctx context.Context, what, op string) (TapCounts, error) {
	c, g, err := do[TapCounts](ctx, t.client, call{
		what: what + " " + strconv.FormatUint(t.ID, 10), op: op, args: TapIDRequest{t.ID},
	})
	return c, errors.Join(err, g.Close())
}
