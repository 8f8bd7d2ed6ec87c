package bpf

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/cilium/ebpf"
)

// Count is a number of packets, and of their bytes as they are on lo.
type Count struct{ Packets, Bytes uint64 }

// TapCounts says what became of the packets: Seen is the sum of the others.
type TapCounts struct {
	// Seen are all packets of lo while the tap was open.
	Seen Count
	// Delivered are those in the rings.
	Delivered Count
	// RingFull, NoRing and Failed are lost: the ring was full, the CPU has none,
	// or the packet could not be copied.
	RingFull, NoRing, Failed Count
	// NotAllowed are those of which no end is known to be a socket of the user.
	NotAllowed Count
	// Acks are TCP's acknowledgements without data, where they are left out.
	Acks Count
	// Filtered are those that were not asked for.
	Filtered Count
	// TooLarge, NotCopied and NoRoom are lost by taps of Unix sockets, whose packets are
	// calls: more than is copied of one call, what the kernel itself sends from a file, a
	// pipe or by io_uring, and more calls at the same time than there is room for.
	TooLarge, NotCopied, NoRoom Count
}

// outcomes begin in the order of enum outcome in src/tap.h.
func (c *TapCounts) outcomes() [10]*Count {
	return [10]*Count{
		&c.Delivered, &c.RingFull, &c.NoRing, &c.Failed, &c.NotAllowed, &c.Acks, &c.Filtered,
		&c.TooLarge, &c.NotCopied, &c.NoRoom,
	}
}

// Lost is the sum of those that were lost.
func (c *TapCounts) Lost() (sum Count) {
	for _, l := range []Count{c.RingFull, c.NoRing, c.Failed, c.TooLarge, c.NotCopied, c.NoRoom} {
		sum.Packets += l.Packets
		sum.Bytes += l.Bytes
	}
	return sum
}

// addsUp reports whether Seen is the sum of the others.
func (c *TapCounts) addsUp() bool {
	var sum Count
	for _, o := range c.outcomes() {
		sum.Packets += o.Packets
		sum.Bytes += o.Bytes
	}
	return sum == c.Seen
}

// countTries is how often counts that do not add up are read again.
const countTries = 1000

// readCounts reads the counts of a tap of lo.
func readCounts(m *ebpf.Map, final bool) (TapCounts, error) {
	return addUp(final, func() (out TapCounts, err error) {
		var cpus []tapCounts
		if err := m.Lookup(uint32(0), &cpus); err != nil {
			return out, fmt.Errorf("read counts of tap: %w", err)
		}
		for i := range cpus {
			c := &cpus[i]
			out.Seen.Packets += c.Seen
			out.Seen.Bytes += c.SeenBytes
			outcomes := out.outcomes()
			for j, o := range outcomes[:len(c.Packets)] {
				o.Packets += c.Packets[j]
				o.Bytes += c.Bytes[j]
			}
		}
		return out, nil
	})
}

// addUp reads counts until they add up: while programs count, a packet may be half
// counted when it is read. final says that none does any more, and then counts that do
// not add up are an error.
func addUp(final bool, read func() (TapCounts, error)) (TapCounts, error) {
	for range countTries {
		out, err := read()
		if err != nil || out.addsUp() {
			return out, err
		}
		if final {
			return out, errors.New("read counts of tap: they do not add up")
		}
		runtime.Gosched()
	}
	return TapCounts{}, fmt.Errorf("read counts of tap: they did not add up in %d readings", countTries)
}
