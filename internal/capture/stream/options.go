package stream

import "time"

// Options bound what a [Table] keeps, and for how long. A zero field is that of
// [DefaultOptions].
type Options struct {
	// MaxConns is the number of connections that are known at a time, closed ones
	// included. For a new one, the closed or else the connection that was silent
	// for longest is forgotten.
	MaxConns int
	// ConnBytes and HeldBytes are how many bytes are held out of order, for one
	// connection and in all. Beyond that, missing bytes are given up.
	ConnBytes, HeldBytes int
	// Idle and IdleUDP are the times after which [Table.Expire] forgets a silent
	// connection.
	Idle, IdleUDP time.Duration
	// Linger is how long a closed connection is remembered, so that segments which
	// are sent again are not taken for a new one.
	Linger time.Duration
	// GapPackets and GapAfter are how many packets of the same side, and what time,
	// missing bytes are waited for where the other side neither acknowledges nor
	// misses them: the capture may leave out acknowledgements.
	GapPackets int
	GapAfter   time.Duration
}

// DefaultOptions are for a machine's loopback.
func DefaultOptions() Options {
	return Options{
		MaxConns:   64 << 10,
		ConnBytes:  1 << 20,
		HeldBytes:  64 << 20,
		Idle:       24 * time.Hour,
		IdleUDP:    time.Minute,
		Linger:     10 * time.Second,
		GapPackets: 128,
		GapAfter:   time.Second,
	}
}

func (o Options) withDefaults() Options {
	d := DefaultOptions()
	set(&o.MaxConns, d.MaxConns)
	set(&o.ConnBytes, d.ConnBytes)
	set(&o.HeldBytes, d.HeldBytes)
	set(&o.Idle, d.Idle)
	set(&o.IdleUDP, d.IdleUDP)
	set(&o.Linger, d.Linger)
	set(&o.GapPackets, d.GapPackets)
	set(&o.GapAfter, d.GapAfter)
	return o
}

func set[T int | time.Duration](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}

const (
	// window is the distance in sequence numbers within which a segment or an
	// acknowledgement can belong to what was seen. It is more than a socket buffer
	// holds.
	window = 64 << 20
	// segmentCost is what a held segment takes beside its bytes.
	segmentCost = 128
	// maxSegments is how many segments of a side are held.
	maxSegments = 1024
	// ackPackets and ackAfter are how long acknowledged bytes are waited for that
	// were not seen: a capture may have the acknowledgement first.
	ackPackets = 8
	ackAfter   = 100 * time.Millisecond
	// missedFactor is how much longer than Options.GapAfter missing bytes are waited
	// for which the receiver misses as well: the sender sends them again, later each
	// time.
	missedFactor = 15
	// maxGaps is how many gaps of a side are remembered, to know what comes late.
	maxGaps = 16
	// straySegments is how many segments in a row from far away make the stream
	// continue there.
	straySegments = 3
)
