package tap

import (
	"maps"
	"slices"

	"lodge/internal/decode"
)

// Account says what was seen and what became of it, layer by layer: nothing is
// lost without being counted. Each layer takes what the one before delivered.
type Account struct {
	// Capture is what the source of packets counted.
	Capture Capture `json:"capture"`
	// Unix is the same of Unix sockets, whose packets are calls that sent something; nil
	// where they were not tapped.
	Unix *Capture `json:"unix,omitempty"`
	// Streams is what was made of the packets.
	Streams Streams `json:"streams"`
	// Decode is what was made of the streams' bytes.
	Decode Decode `json:"decode"`
	// Records is what came out.
	Records Records `json:"records"`
	// TLS is what uprobes have taken, nil where there were none.
	TLS *TLS `json:"tls,omitempty"`
}

// TLS counts secrets of TLS that uprobes have taken: Seen is the sum of Delivered, LeftOut
// and Lost. A secret is one derivation, of which a connection has up to five.
type TLS struct {
	// Files are those with a library of TLS.
	Files []TLSFile `json:"files"`
	// Probes is how many places in them are probed.
	Probes    int    `json:"probes"`
	Seen      uint64 `json:"seen"`
	Delivered uint64 `json:"delivered"`
	// LeftOut are those of processes whose secrets are not this user's to have
	// ("other_user").
	LeftOut map[string]uint64 `json:"left_out,omitempty"`
	// Lost are those that did not arrive, by reason.
	Lost map[string]uint64 `json:"lost,omitempty"`
}

// TLSFile is a file with a library of TLS.
type TLSFile struct {
	Path    string `json:"path"`
	Library string `json:"library"`
	Probed  bool   `json:"probed"`
	// Reason is why it is not probed.
	Reason string `json:"reason,omitempty"`
}

// Count is a number of packets and their bytes.
type Count struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// Add adds a packet of n bytes.
func (c *Count) Add(n int) { c.Packets++; c.Bytes += uint64(n) }

// Plus returns the sum.
func (c Count) Plus(o Count) Count { return Count{c.Packets + o.Packets, c.Bytes + o.Bytes} }

// Capture counts packets where they are captured: Seen is the sum of all others.
type Capture struct {
	// Relay reports that they are no packets but pieces of what went through a relay:
	// a connection that was asked for, the bytes of one read, the end of a side.
	Relay bool `json:"relay,omitempty"`

	Seen      Count `json:"seen"`
	Delivered Count `json:"delivered"`
	// LeftOut were seen and not asked for: pure acknowledgements ("ack"), what a
	// filter excludes ("filter"), connections to no home ("outside"), and of Unix sockets
	// looks for a name server that is not there ("nscd").
	LeftOut map[string]Count `json:"left_out,omitempty"`
	// Lost were wanted and did not arrive, by reason.
	Lost map[string]Count `json:"lost,omitempty"`
	// Unknown reports that the source does not tell what it lost, such as a file
	// without drop counts.
	Unknown bool `json:"lost_unknown,omitempty"`
	// UnsureBytes, of Unix sockets, were shown before their call was over, which then did
	// not send them.
	UnsureBytes uint64 `json:"unsure_bytes,omitempty"`
}

// Missing returns Seen less all that is accounted for: zero packets, where the
// source counts right.
func (c *Capture) Missing() int64 {
	n := int64(c.Seen.Packets) - int64(c.Delivered.Packets)
	for _, m := range []map[string]Count{c.LeftOut, c.Lost} {
		for _, v := range m {
			n -= int64(v.Packets)
		}
	}
	return n
}

// Streams counts packets and what they were put together to.
type Streams struct {
	// Skipped are packets that carry neither TCP nor UDP, or cannot be read, by
	// reason.
	Skipped map[string]uint64 `json:"skipped,omitempty"`

	Connections uint64 `json:"connections"`
	// Refused are connections that were answered by a reset.
	Refused uint64 `json:"refused"`
	// Midstream are those whose begin was not seen.
	Midstream uint64 `json:"midstream"`
	// Evicted were forgotten because there were too many.
	Evicted uint64 `json:"evicted"`

	PayloadBytes uint64 `json:"payload_bytes"`
	// RepeatedBytes were seen before: retransmissions, and copies.
	RepeatedBytes uint64 `json:"repeated_bytes"`
	// LateBytes came when they had been given up, or after the end of their side;
	// StrayBytes were far from where their stream was.
	LateBytes  uint64 `json:"late_bytes"`
	StrayBytes uint64 `json:"stray_bytes"`
	// MissingBytes were acknowledged, or followed by others, and not captured;
	// Gaps is in how many places.
	MissingBytes uint64 `json:"missing_bytes"`
	Gaps         uint64 `json:"gaps"`
}

// Decode counts bytes of streams, by protocol and by why they were not decoded.
type Decode struct {
	Bytes uint64 `json:"bytes"`
	// Lost are bytes that were not decoded, by reason; -1 of a decoder, a number of
	// bytes that is not known, counts as none there and once in Places.
	Lost map[decode.LossReason]LostBytes `json:"lost,omitempty"`
}

// LostBytes is how much was not decoded, and in how many places.
type LostBytes struct {
	Bytes  uint64 `json:"bytes"`
	Places uint64 `json:"places"`
}

// Records counts what came out.
type Records struct {
	Exchanges uint64 `json:"exchanges"`
	// Incomplete are exchanges of which something was not seen.
	Incomplete uint64 `json:"incomplete"`
	Failures   uint64 `json:"failures"`
	// Selected are the records that the filter let through.
	Selected uint64 `json:"selected"`
	// Dropped are records that the reader did not take in time, and Unwritten those
	// that could not be written.
	Dropped   uint64 `json:"dropped"`
	Unwritten uint64 `json:"unwritten"`
	// NotInArchive are exchanges of HTTP that are not in the .har file, as their requests
	// were not seen.
	NotInArchive uint64 `json:"not_in_archive,omitempty"`
	// Ends are both ends of each record, Attributed those whose process is known.
	Ends       uint64 `json:"ends"`
	Attributed uint64 `json:"attributed"`
}

// Captured returns what was captured in all.
func (a *Account) Captured() *Capture {
	c := a.Capture
	if u := a.Unix; u != nil {
		c.Seen, c.Delivered, c.Unknown = c.Seen.Plus(u.Seen), c.Delivered.Plus(u.Delivered), c.Unknown || u.Unknown
		c.Lost, c.LeftOut = sum(c.Lost, u.Lost), sum(c.LeftOut, u.LeftOut)
	}
	return &c
}

// sum returns the sum of counts by reason.
func sum(a, b map[string]Count) map[string]Count {
	out := make(map[string]Count, len(a)+len(b))
	for _, m := range []map[string]Count{a, b} {
		for why, n := range m {
			out[why] = out[why].Plus(n)
		}
	}
	return out
}

// complete reports whether all that was wanted was delivered.
func (c *Capture) complete() bool {
	for _, n := range c.Lost {
		if n.Packets > 0 || n.Bytes > 0 {
			return false
		}
	}
	return !c.Unknown && c.Missing() == 0
}

// Complete reports whether nothing was lost on any layer that can lose without
// the programs' own doing.
func (a *Account) Complete() bool {
	if u := a.Unix; u != nil && !u.complete() {
		return false
	}
	if a.TLS != nil {
		for _, n := range a.TLS.Lost {
			if n > 0 {
				return false
			}
		}
	}
	return a.Capture.complete() && a.Streams.MissingBytes == 0 && a.Streams.Gaps == 0 &&
		a.Streams.Evicted == 0 && a.Records.Dropped == 0 && a.Records.Unwritten == 0
}

// Sorted returns the keys of a map of counts in order.
func Sorted[K ~string, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
