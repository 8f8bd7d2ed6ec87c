package stream

// Counts accounts for the packets that a [Table] was given. Of the payload,
//
//	Bytes = Delivered + Retransmitted + Late + AfterEnd + Stray + Cut + Held
//
// and of the connections,
//
//	Opened = Closed + Reset + Replaced + Expired + Evicted + Stopped + Open
type Counts struct {
	// Packets were given, with Bytes of payload on the wire.
	Packets, Bytes uint64

	// Delivered bytes were handed over by [Conn.Data].
	Delivered uint64
	// Retransmitted bytes had been delivered, or were held, when they came again.
	Retransmitted uint64
	// Late bytes came after they had been given up, or are from before the first
	// ones that were delivered.
	Late uint64
	// AfterEnd bytes came after the end of their side, or in a RST.
	AfterEnd uint64
	// Stray bytes were far from where their side's stream was.
	Stray uint64
	// Cut bytes were on the wire and not captured, because the capture keeps only
	// the front of each packet. They are in Missing too.
	Cut uint64
	// Held bytes wait for those before them now.
	Held uint64

	// Gaps were reported, of Missing bytes together. GapsUnknown are those among
	// them whose size is not known.
	Gaps, Missing, GapsUnknown uint64
	// OutOfOrder packets had to be held.
	OutOfOrder uint64
	// Ignored packets belonged to no connection, or said what cannot be.
	Ignored uint64
	// AssumedFINs are ends that were not seen: one byte more than was sent had been
	// acknowledged, which is how a FIN counts.
	AssumedFINs uint64

	// Opened connections, TCP and UDP.
	Opened uint64
	// Closed by a FIN of each side, and by a RST.
	Closed, Reset uint64
	// Refused are those of Reset where the RST answered the SYN.
	Refused uint64
	// Replaced by a new connection with the same addresses, before they were closed.
	Replaced uint64
	// Expired were silent for too long, Evicted made room for others, Stopped were
	// open at [Table.Flush].
	Expired, Evicted, Stopped uint64
	// Open connections there are now.
	Open uint64
}
