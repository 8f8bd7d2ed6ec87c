package postgresql

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/internal/decode"
)

// msg returns a message: its kind, and its fields. A string is one that ends
// with a zero byte, an int is two bytes, an int32 four, and bytes are as they are.
func msg(kind byte, fields ...any) []byte {
	b := []byte{kind, 0, 0, 0, 0}
	for _, f := range fields {
		switch f := f.(type) {
		case string:
			b = append(append(b, f...), 0)
		case int:
			b = binary.BigEndian.AppendUint16(b, uint16(f))
		case int32:
			b = binary.BigEndian.AppendUint32(b, uint32(f))
		case byte:
			b = append(b, f)
		case []byte:
			b = append(b, f...)
		default:
			panic(f)
		}
	}
	binary.BigEndian.PutUint32(b[1:], uint32(len(b)-1))
	return b
}

// first returns a message without a kind.
func first(fields ...any) []byte { return msg(0, fields...)[1:] }

func all(parts ...[]byte) []byte { return slices.Concat(parts...) }

// value returns a value with its length.
func value(s string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(s))), s...)
}

var (
	startup = first(int32(3<<16), "user", "u", "database", "d", byte(0))
	ok      = all(msg('R', int32(0)), msg('Z', []byte("I")))
	ready   = msg('Z', []byte("I"))
	sync    = msg('S')
	one     = all(msg('T', 1, "n", int32(0), 0, int32(23), 4, int32(-1), 0), msg('D', 1, value("1")), msg('C', "SELECT 1"))
)

func parse(name, text string) []byte { return msg('P', name, text, 0) }
func bind(portal, name string, values ...string) []byte {
	b := [][]byte{}
	for _, v := range values {
		b = append(b, value(v))
	}
	return msg('B', portal, name, 0, len(values), all(b...), 0)
}
func execute(portal string, rows int32) []byte { return msg('E', portal, rows) }
func failure(code, message string) []byte {
	return msg('E', byte('S'), "ERROR", byte('C'), code, byte('M'), message, byte(0))
}

// said is what a side sends; a negative gap is one of unknown size.
type said struct {
	by  decode.Side
	b   []byte
	gap int64
}

func c(b ...[]byte) said { return said{by: decode.Client, b: all(b...)} }
func s(b ...[]byte) said { return said{by: decode.Server, b: all(b...)} }

// play decodes a dialogue and returns each exchange as a line, then the losses.
func play(o decode.Options, dialogue []said, piece int) []string {
	var lines []string
	sums := map[string]int64{}
	conn := decode.NewConn(o, func(e *decode.Exchange) { lines = append(lines, line(e)) }, func(l decode.Loss) {
		sums[fmt.Sprintf("lost %s %s", l.Side, l.Reason)] += l.Bytes
	})
	tls := &decode.Protocol{Name: "tls", New: func(*decode.Conn) decode.Decoder { return rest{&lines} }}
	f := decode.NewFlow(conn, []*decode.Protocol{Protocol(), tls}, true)
	at := time.Unix(0, 0)
	for _, d := range dialogue {
		if d.gap != 0 {
			f.Gap(d.by, at, d.gap)
		}
		for b := d.b; len(b) > 0; {
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
		if h.Name != "user" && h.Name != "database" {
			fmt.Fprintf(&w, "|%s=%s", h.Name, h.Value)
		}
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
	if e.Begun {
		w.WriteString("|begun")
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

func run(t *testing.T, cases []dialogue) {
	t.Helper()
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			o := decode.Options{Limits: decode.DefaultLimits()}
			if test.options != nil {
				test.options(&o)
			}
			for _, piece := range []int{1 << 20, 1, 7} {
				got := play(o, test.dialogue, piece)
				if len(got) > 0 && got[0] == "connect|d → AuthenticationOk|authentication=none asked for" {
					got = got[1:]
				}
				if !slices.Equal(got, test.want) {
					t.Fatalf("in pieces of %d:\n got %s\nwant %s", piece, strings.Join(got, "\n     "), strings.Join(test.want, "\n     "))
				}
			}
		})
	}
}

// opened is a dialogue on a connection that is ready.
func opened(d ...said) []said { return append([]said{c(startup), s(ok)}, d...) }
