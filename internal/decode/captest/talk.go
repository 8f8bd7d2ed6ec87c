package captest

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/capture/stream"
	"lodge/internal/decode"
)

// talk is one connection of a capture, as events.
type talk struct {
	opened  stream.Opened
	begin   time.Time // of the capture
	refused bool
	events  []event
}

type eventKind uint8

const (
	data eventKind = iota
	gap
	ended
)

// event is one call of a decoder.
type event struct {
	kind eventKind
	side decode.Side
	at   time.Time
	b    []byte     // of data
	n    int64      // of gap
	how  decode.End // of ended
}

// Data implements [stream.Conn].
func (t *talk) Data(s decode.Side, at time.Time, b []byte) {
	t.events = append(t.events, event{kind: data, side: s, at: at, b: bytes.Clone(b)})
}

// Gap implements [stream.Conn].
func (t *talk) Gap(s decode.Side, at time.Time, n int64) {
	t.events = append(t.events, event{kind: gap, side: s, at: at, n: n})
}

// End implements [stream.Conn].
func (t *talk) End(s decode.Side, at time.Time, how decode.End) {
	t.events = append(t.events, event{kind: ended, side: s, at: at, how: how})
}

// Refused implements [stream.Refuser].
func (t *talk) Refused(time.Time) { t.refused = true }

// missing returns the number of gaps and of the bytes in them.
func (t *talk) missing() (gaps, n int64) {
	for _, e := range t.events {
		if e.kind == gap {
			gaps++
			n += max(0, e.n)
		}
	}
	return gaps, n
}

// carries reports whether the connection had payload.
func (t *talk) carries() bool {
	for _, e := range t.events {
		if e.kind != ended {
			return true
		}
	}
	return false
}

// datagrams reports whether the connection is one of UDP.
func (t *talk) datagrams() bool { return t.opened.Key.Protocol == packet.UDP }

// load returns the connections of a capture that carried something, and the time
// of its first packet.
func load(t testing.TB, file string) (talks []*talk, begin time.Time) {
	t.Helper()
	var all []*talk
	table := stream.New(stream.Options{}, func(o stream.Opened) stream.Conn {
		c := &talk{opened: o, begin: begin}
		all = append(all, c)
		return c
	})
	var p packet.Packet
	err := readPackets(file, func(r record) error {
		if begin.IsZero() {
			begin = r.at
		}
		err := packet.Parse(r.link, r.data, r.origLen, &p)
		var link packet.LinkTypeError
		switch {
		case errors.As(err, &link):
			return err
		case err != nil: // not TCP or UDP
			return nil
		}
		p.Time = r.at
		table.Expire(r.at)
		table.Packet(&p)
		return nil
	})
	if err != nil {
		t.Fatalf("read capture: %v", err)
	}
	table.Flush()
	for _, c := range all {
		if c.carries() {
			talks = append(talks, c)
		}
	}
	return talks, begin
}
