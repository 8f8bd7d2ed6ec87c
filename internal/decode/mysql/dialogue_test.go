package mysql

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/internal/decode"
)

// packet returns a packet with its header.
func pack(seq int, body ...string) string {
	b := strings.Join(body, "")
	return string([]byte{byte(len(b)), byte(len(b) >> 8), byte(len(b) >> 16), byte(seq)}) + b
}

// greetingOf is a server's greeting, and loginWith a client's answer.
func greetingOf(caps uint64) string {
	return pack(0, "\x0a8.4.0\x00", "\x07\x00\x00\x00", "12345678\x00", le(caps, 2), "\xff", "\x02\x00", le(caps>>16, 2), "\x15", strings.Repeat("\x00", 10), "123456789012\x00", "caching_sha2_password\x00")
}

func loginWith(caps uint64) string {
	return pack(1, le(caps, 4), "\x00\x00\x00\x01", "\xff", strings.Repeat("\x00", 23), "u\x00", "\x03pw!", "d\x00", "caching_sha2_password\x00")
}

func le(v uint64, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(v >> (8 * i))
	}
	return string(b)
}

const (
	baseCaps = capMySQL | capConnectWithDB | capProtocol41 | capSecure | capPluginAuth | capAuthSized
	okBody   = "\x00\x00\x00\x02\x00\x00\x00"
	eofBody  = "\xfe\x00\x00\x02\x00"
	okAsEOF  = "\xfe\x00\x00\x02\x00\x00\x00"
)

func opening(caps uint64) []said {
	return []said{s(greetingOf(caps)), c(loginWith(caps)), s(pack(2, okBody))}
}

// col is the definition of a column.
func col(name string, kind byte) string {
	return "\x03def\x00\x00\x00" + string(rune(len(name))) + name + "\x00\x0c\x21\x00\x10\x00\x00\x00" + string([]byte{kind}) + "\x00\x00\x00\x00\x00"
}

// numbered joins packets with their numbers, from 1.
func numbered(bodies ...string) string {
	all := ""
	for i, b := range bodies {
		all += pack(i+1, b)
	}
	return all
}

func ask(text string) string { return pack(0, "\x03", text) }

// oneRow is a result of one row.
func oneRow(value string) string {
	return numbered("\x01", col("n", 0xfd), eofBody, string(rune(len(value)))+value, eofBody)
}

func wrong(code int, state, message string) string {
	return "\xff" + le(uint64(code), 2) + "#" + state + message
}

// said is what a side sends, after a gap where there is one.
type said struct {
	by  decode.Side
	b   string
	gap int64
}

func c(b ...string) said { return said{by: decode.Client, b: strings.Join(b, "")} }
func s(b ...string) said { return said{by: decode.Server, b: strings.Join(b, "")} }

// play decodes a dialogue and returns each exchange as a line, then the losses.
func play(o decode.Options, dialogue []said, piece int) []string {
	var lines []string
	sums := map[string]int64{}
	conn := decode.NewConn(o, func(e *decode.Exchange) { lines = append(lines, line(e)) }, func(l decode.Loss) {
		sums[fmt.Sprintf("lost %s %s", l.Side, l.Reason)] += l.Bytes
	})
	tls := &decode.Protocol{Name: "tls", New: func(c *decode.Conn) decode.Decoder {
		lines = append(lines, fmt.Sprintf("tls after %v", c.Facts))
		return rest{&lines}
	}}
	f := decode.NewFlow(conn, []*decode.Protocol{Protocol(), tls}, true)
	at := time.Unix(0, 0)
	for _, d := range dialogue {
		if d.gap != 0 {
			f.Gap(d.by, at, d.gap)
		}
		for b := []byte(d.b); len(b) > 0; {
			n := min(piece, len(b))
			f.Data(d.by, at, slices.Clone(b[:n]))
			b = b[n:]
		}
		at = at.Add(time.Second)
	}
	f.End(decode.Client, at, decode.Closed)
	f.End(decode.Server, at, decode.Closed)
	for _, k := range slices.Sorted(maps.Keys(sums)) {
		lines = append(lines, fmt.Sprintf("%s: %d", k, sums[k]))
	}
	return lines
}

// rest notes what a decoder of TLS is given.
type rest struct{ lines *[]string }

func (r rest) Data(s decode.Side, _ time.Time, b []byte) {
	begin := fmt.Sprintf("tls %s ", s)
	if n := len(*r.lines); strings.HasPrefix((*r.lines)[n-1], begin) {
		(*r.lines)[n-1] += string(b)
		return
	}
	*r.lines = append(*r.lines, begin+string(b))
}
func (r rest) Gap(decode.Side, time.Time, int64)      {}
func (r rest) End(decode.Side, time.Time, decode.End) {}

func line(e *decode.Exchange) string {
	var w strings.Builder
	fmt.Fprintf(&w, "%s|%s → %s", e.Method, e.Target, e.Status)
	for _, d := range e.Details {
		if d.Name != "database" && d.Name != "user" {
			fmt.Fprintf(&w, "|%s=%s", d.Name, d.Value)
		}
	}
	for _, h := range e.Request.Header {
		fmt.Fprintf(&w, "|%s=%s", h.Name, h.Value)
	}
	if len(e.Request.Body) > 0 {
		fmt.Fprintf(&w, "|sent %q", e.Request.Body)
	}
	if len(e.Response.Body) > 0 {
		fmt.Fprintf(&w, "|%q", e.Response.Body)
	}
	if e.Kind == decode.KindMessage {
		fmt.Fprintf(&w, "|from %s", e.From)
	}
	if e.Response.Incomplete {
		w.WriteString("|incomplete")
	}
	if e.Failed {
		w.WriteString("|failed")
	}
	for _, u := range e.Unknown {
		w.WriteString("|unknown " + u)
	}
	return w.String()
}

type dialogue struct {
	name     string
	options  func(*decode.Options)
	dialogue []said
	want     []string
}

func midstream(o *decode.Options) { o.Midstream = true }

// connected is the line of an opening that is like all others, which is left out.
const connected = "connect|d → OK|authentication=caching_sha2_password|server version=8.4.0|connection=7|password=•••"

func run(t *testing.T, cases []dialogue) {
	t.Helper()
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			o := decode.Options{Limits: decode.DefaultLimits()}
			if test.options != nil {
				test.options(&o)
			}
			for _, piece := range []int{1 << 30, 1, 7} {
				got := play(o, test.dialogue, piece)
				if len(got) > 0 && got[0] == connected {
					got = got[1:]
				}
				if !slices.Equal(got, test.want) {
					t.Fatalf("in pieces of %d:\n got %s\nwant %s", piece, strings.Join(got, "\n     "), strings.Join(test.want, "\n     "))
				}
			}
		})
	}
}

func with(caps uint64, d ...said) []said { return append(opening(caps), d...) }
