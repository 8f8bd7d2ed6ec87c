// Package captest tests decoders with capture files.
//
//   - [Flows] decodes a file, and returns the exchanges of each connection.
//   - [Golden] compares them with the text in FILE.golden; go test -update writes it.
//   - [Splits] holds that the exchanges do not depend on how the bytes were cut
//     into segments.
//   - [Tshark] returns what tshark says of the same file.
//   - [Seeds] and [Play] are for a decoder's fuzz target.
//
// Files are relative to the package that is tested, such as "testdata/x.pcap".
package captest

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/decode"
)

// Flow is one connection of a capture, with what was found in it.
type Flow struct {
	// Client and Server are as the protocol has them, where one was found.
	Client, Server netip.AddrPort
	Transport      packet.Protocol
	// Protocol is the last one that was found, "" where none was.
	Protocol string
	// Midstream reports that the begin was not captured, and Refused that a RST
	// answered the SYN.
	Midstream, Refused bool
	// Gaps of the capture, and the bytes that are missing in them.
	Gaps, Missing int64
	// Exchanges are in the order in which they were emitted, Losses too.
	Exchanges []*decode.Exchange
	Losses    []decode.Loss
	// Ends are how client and server ended.
	Ends [2]decode.End
}

// Flows decodes a capture with the default limits, and with secrets masked.
// Connections without payload are left out.
func Flows(t testing.TB, file string, protocols ...*decode.Protocol) []Flow {
	t.Helper()
	return FlowsWith(t, file, decode.Options{Limits: decode.DefaultLimits()}, protocols...)
}

// FlowsWith is [Flows] with options. Midstream and Datagram are set for each
// connection.
func FlowsWith(t testing.TB, file string, o decode.Options, protocols ...*decode.Protocol) []Flow {
	t.Helper()
	flows, _ := decodeFile(t, file, o, protocols)
	return flows
}

// Exchanges returns the exchanges of all flows, in the order of their begin.
func Exchanges(flows []Flow) []*decode.Exchange {
	var all []*decode.Exchange
	for _, f := range flows {
		all = append(all, f.Exchanges...)
	}
	slices.SortStableFunc(all, func(a, b *decode.Exchange) int { return a.Started.Compare(b.Started) })
	return all
}

// decodeFile returns also the time of the file's first packet.
func decodeFile(t testing.TB, file string, o decode.Options, protocols []*decode.Protocol) ([]Flow, time.Time) {
	t.Helper()
	talks, begin := load(t, file)
	var flows []Flow
	for _, talk := range talks {
		r := run(talk, talk.events, o, protocols)
		for i, e := range r.flow.Exchanges {
			if now := exchangeText(e, begin, true); now != r.emitted[i] {
				t.Errorf("%s: an exchange was changed after it was emitted:\n%s\nis now\n%s", file, r.emitted[i], now)
			}
		}
		flows = append(flows, r.flow)
	}
	return flows, begin
}

// result is what a decoder made of a conversation.
type result struct {
	flow    Flow
	emitted []string // the exchanges as they were when emitted
}

// run decodes events of a conversation.
func run(talk *talk, events []event, o decode.Options, protocols []*decode.Protocol) result {
	o.Midstream = talk.opened.Midstream
	o.Datagram = talk.opened.Key.Protocol == packet.UDP
	r := result{flow: Flow{
		Client: talk.opened.Key.Src, Server: talk.opened.Key.Dst, Transport: talk.opened.Key.Protocol,
		Midstream: o.Midstream, Refused: talk.refused,
	}}
	r.flow.Gaps, r.flow.Missing = talk.missing()
	c := decode.NewConn(o, func(e *decode.Exchange) {
		r.flow.Exchanges = append(r.flow.Exchanges, e)
		r.emitted = append(r.emitted, exchangeText(e, talk.begin, true))
	}, func(l decode.Loss) { r.flow.Losses = append(r.flow.Losses, l) })
	f := decode.NewFlow(c, protocols, talk.opened.ClientKnown)
	replay(f, events)
	r.flow.Protocol = f.Protocol()
	for _, e := range events {
		if e.kind == ended {
			r.flow.Ends[e.side] = e.how
		}
	}
	if f.Swapped() {
		r.flow.Client, r.flow.Server = r.flow.Server, r.flow.Client
		r.flow.Ends[0], r.flow.Ends[1] = r.flow.Ends[1], r.flow.Ends[0]
	}
	return r
}

// replay plays events to a decoder. Bytes are valid during the call only: they
// are overwritten after it, which finds decoders that keep them.
func replay(d decode.Decoder, events []event) {
	var scratch []byte
	for _, e := range events {
		switch e.kind {
		case data:
			scratch = append(scratch[:0], e.b...)
			d.Data(e.side, e.at, scratch)
			for i := range scratch {
				scratch[i] = 0xa5
			}
		case gap:
			d.Gap(e.side, e.at, e.n)
		case ended:
			d.End(e.side, e.at, e.how)
		}
	}
}
