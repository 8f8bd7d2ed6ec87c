package captest

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/capture/stream"
	"lodge/internal/decode"
)

// Script decodes a connection that a test writes down: "c BYTES" and "s BYTES" are
// what client and server send, one segment or datagram each; "-c N" and "-s N" are
// N bytes that are missing, "-c" and "-s" so many as nobody knows; "C" and "S" end
// a side. In the end, what has not ended is stopped. With streams, it is decoded
// again with the bytes cut otherwise, as in [Splits].
func Script(t *testing.T, o decode.Options, p *decode.Protocol, lines ...string) Flow {
	t.Helper()
	c := script(t, o, p, lines)
	want := splitText(c, c.events, o, []*decode.Protocol{p})
	for name, events := range splits(c) {
		if d := difference(want, splitText(c, events, o, []*decode.Protocol{p})); d != "" {
			t.Errorf("%q, %s: other exchanges than as written (-):\n%s", lines, name, d)
			break
		}
	}
	return run(c, c.events, o, []*decode.Protocol{p}).flow
}

func script(t *testing.T, o decode.Options, p *decode.Protocol, lines []string) *talk {
	t.Helper()
	transport := packet.TCP
	if p.Datagram {
		transport = packet.UDP
	}
	at := time.Unix(1_000_000_000, 0)
	c := &talk{begin: at, opened: stream.Opened{Midstream: o.Midstream, ClientKnown: !o.Midstream}}
	c.opened.Key.Protocol = transport
	c.opened.Key.Src = netip.MustParseAddrPort("127.0.0.1:40000")
	c.opened.Key.Dst = netip.MustParseAddrPort("127.0.0.1:80")
	var over [2]bool
	for _, l := range lines {
		at = at.Add(time.Millisecond)
		e := event{at: at}
		kind, text, more := strings.Cut(l, " ")
		if strings.EqualFold(strings.TrimPrefix(kind, "-"), "s") {
			e.side = decode.Server
		}
		switch kind {
		case "c", "s":
			e.b = []byte(text)
		case "-c", "-s":
			e.kind, e.n = gap, -1
			if more {
				n, err := strconv.Atoi(text)
				if err != nil {
					t.Fatalf("script %q: %v", l, err)
				}
				e.n = int64(n)
			}
		case "C", "S":
			e.kind, e.how = ended, decode.Closed
			over[e.side] = true
		default:
			t.Fatalf("script %q: no such line", l)
		}
		c.events = append(c.events, e)
	}
	for s, is := range over {
		if !is {
			c.events = append(c.events, event{kind: ended, side: decode.Side(s), at: at, how: decode.Stopped})
		}
	}
	return c
}

// Lines returns a line for each exchange of a flow and each reason of a loss: what
// a test of a decoder compares first.
func Lines(f Flow) []string {
	var all []string
	for _, e := range f.Exchanges {
		parts := []string{string(e.Kind), e.From.String(), e.Method}
		if e.Target != "" {
			parts = append(parts, e.Target)
		}
		if e.Status != "" {
			parts = append(parts, "→ "+e.Status)
		}
		if e.Failed {
			parts = append(parts, "(failed)")
		}
		for _, m := range []struct {
			name string
			*decode.Message
		}{{"request", &e.Request}, {"response", &e.Response}} {
			if len(m.Body) > 0 {
				parts = append(parts, m.name+" "+strconv.Quote(string(m.Body)))
			}
			if m.Truncated {
				parts = append(parts, m.name+" truncated")
			}
			if m.Incomplete {
				parts = append(parts, m.name+" incomplete")
			}
		}
		for _, u := range e.Unknown {
			parts = append(parts, "unknown: "+u)
		}
		all = append(all, strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), " "))
	}
	return append(all, sumLosses(f.Losses)...)
}

// Same compares the lines of a flow with those that a test wants.
func Same(t *testing.T, f Flow, want ...string) {
	t.Helper()
	if d := difference(strings.Join(want, "\n")+"\n", strings.Join(Lines(f), "\n")+"\n"); d != "" {
		t.Errorf("other exchanges than wanted (-):\n%s", d)
	}
}
