package captest

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lodge/internal/decode"
)

// echo is a protocol of the tests: the client sends lines, the server answers
// each with one. It keeps no bytes, or is wrong in the way that a test asks for.
func echo(wrong string) *decode.Protocol {
	return &decode.Protocol{
		Name: "echo",
		Detect: func(p *decode.Prefix) decode.Verdict {
			switch b := p.Bytes[decode.Client]; {
			case len(b) == 0:
				return decode.Maybe
			case b[0] < 'a' || b[0] > 'z':
				return decode.No
			}
			return decode.Yes
		},
		New: func(c *decode.Conn) decode.Decoder { return &echoDecoder{c: c, wrong: wrong} },
	}
}

type echoDecoder struct {
	c       *decode.Conn
	wrong   string
	in      [2]decode.Buffer
	asked   []*decode.Exchange
	last    *decode.Exchange
	kept    []byte
	over    [2]bool
	pending int
}

func (d *echoDecoder) Data(s decode.Side, at time.Time, b []byte) {
	d.in[s].Write(at, b)
	if d.wrong == "segments" && s == decode.Client {
		d.pending++
	}
	for {
		i := bytes.IndexByte(d.in[s].Bytes(), '\n')
		if i < 0 {
			return
		}
		text := string(d.in[s].Bytes()[:i])
		m := decode.Message{Bytes: int64(i) + 1, Body: []byte(text), BodyBytes: int64(i)}
		if d.wrong == "keeps" {
			m.Body = b[:min(i, len(b))]
		}
		begun := d.in[s].At()
		d.in[s].Advance(int64(i) + 1)
		if s == decode.Client {
			d.asked = append(d.asked, &decode.Exchange{Protocol: "echo", Kind: decode.KindRequest, Started: begun, Ended: at, Target: text, Request: m})
			continue
		}
		if len(d.asked) == 0 {
			d.c.Lost(decode.Loss{Protocol: "echo", Side: s, Reason: decode.LostState, Bytes: m.Bytes})
			continue
		}
		e := d.asked[0]
		d.asked = d.asked[1:]
		e.Answered, e.Ended, e.Status, e.Response = begun, at, text, m
		if d.wrong == "segments" {
			e.Code = d.pending
		}
		if d.wrong == "changes" && d.last != nil {
			d.last.Status = "changed"
		}
		d.last = e
		d.c.Emit(e)
	}
}

func (d *echoDecoder) Gap(s decode.Side, _ time.Time, n int64) {
	d.c.Lost(decode.Loss{Protocol: "echo", Side: s, Reason: decode.LostGap, Bytes: n + int64(d.in[s].Len())})
	d.in[s].Reset()
}

func (d *echoDecoder) End(s decode.Side, _ time.Time, _ decode.End) {
	d.over[s] = true
	if d.over[0] && d.over[1] {
		for _, e := range d.asked {
			e.Response.Incomplete = true
			d.c.Emit(e)
		}
		d.asked = nil
	}
}

// capture writes a pcap file of one connection. "c TEXT" and "s TEXT" are
// segments, "-c N" loses N bytes, "C" and "S" are FINs.
func capture(t *testing.T, nano bool, script ...string) string {
	t.Helper()
	order := binary.LittleEndian
	var b []byte
	magic, unit := uint32(0xa1b2c3d4), uint32(1)
	if nano {
		magic, unit = 0xa1b23c4d, 1000
	}
	for _, n := range []uint32{magic, 4<<16 | 2, 0, 0, 65535, 228} {
		b = order.AppendUint32(b, n)
	}
	var seq [2]uint32
	n := 0
	packet := func(s int, flags byte, payload string) {
		h := []byte{0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1, 0x9c, 0x40, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, flags, 2, 0, 0, 0, 0, 0}
		if s == 1 {
			copy(h[20:24], []byte{0, 80, 0x9c, 0x40})
		}
		binary.BigEndian.PutUint16(h[2:], uint16(len(h)+len(payload)))
		binary.BigEndian.PutUint32(h[24:], seq[s])
		binary.BigEndian.PutUint32(h[28:], seq[1-s])
		size := uint32(len(h) + len(payload))
		for _, v := range []uint32{1000, uint32(n) * 1000 * unit, size, size} {
			b = order.AppendUint32(b, v)
		}
		b = append(append(b, h...), payload...)
		n++
		seq[s] += uint32(len(payload))
		if flags&3 != 0 {
			seq[s]++
		}
	}
	const fin, syn, ack = 1, 2, 16
	packet(0, syn, "")
	packet(1, syn|ack, "")
	for _, l := range script {
		switch kind, text, _ := strings.Cut(l, " "); kind {
		case "c":
			packet(0, ack, text)
		case "s":
			packet(1, ack, text)
		case "-c":
			seq[0] += uint32(len(text))
		case "C":
			packet(0, fin|ack, "")
		case "S":
			packet(1, fin|ack, "")
		default:
			t.Fatal(l)
		}
	}
	file := filepath.Join(t.TempDir(), "x.pcap")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// record gives errors to what is tested, which is not the test that runs.
type recorder struct {
	testing.TB
	errors []string
}

func (r *recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, format)
}

var conversation = []string{"c one\ntw", "c o\n", "s 1\n2", "s \n", "c three\n", "-c gone\n", "c four\n", "s 3\n", "S", "C"}

func TestFlows(t *testing.T) {
	for _, nano := range []bool{false, true} {
		file := capture(t, nano, conversation...)
		flows, begin := decodeFile(t, file, decode.Options{Limits: decode.DefaultLimits()}, []*decode.Protocol{echo("")})
		const want = `127.0.0.1:40000 → 127.0.0.1:80 tcp, echo, client closed, server closed, 1 gaps of 5 bytes
	request echo from client
		time: 0.002000, answered 0.004000, ended 0.004000
		target: one
		status: 1
		request: 4 bytes, body of 3
			| one
		response: 2 bytes, body of 1
			| 1
	request echo from client
		time: 0.002000, answered 0.004000, ended 0.005000
		target: two
		status: 2
		request: 4 bytes, body of 3
			| two
		response: 2 bytes, body of 1
			| 2
	request echo from client
		time: 0.006000, answered 0.008000, ended 0.008000
		target: three
		status: 3
		request: 6 bytes, body of 5
			| three
		response: 2 bytes, body of 1
			| 3
	request echo from client
		time: 0.007000, answered never, ended 0.007000
		target: four
		request: 5 bytes, body of 4
			| four
		response: 0 bytes, incomplete
	lost echo gap: 5 bytes of the client
`
		if d := difference(want, text(flows, begin, true)); d != "" {
			t.Errorf("nanoseconds %v: %s", nano, d)
		}
		if n := len(Exchanges(flows)); n != 4 {
			t.Errorf("%d exchanges", n)
		}
		Splits(t, file, echo(""))
	}
}

func TestGolden(t *testing.T) {
	file := capture(t, false, conversation...)
	flows, begin := decodeFile(t, file, decode.Options{Limits: decode.DefaultLimits()}, []*decode.Protocol{echo("")})
	if err := os.WriteFile(file+".golden", []byte(text(flows, begin, true)), 0o600); err != nil {
		t.Fatal(err)
	}
	if !*update {
		Golden(t, file, echo(""))
	}
}

func TestChangedAfterEmit(t *testing.T) {
	r := &recorder{TB: t}
	Flows(r, capture(t, false, conversation...), echo("changes"))
	if len(r.errors) != 2 {
		t.Errorf("errors %q", r.errors)
	}
	r = &recorder{TB: t}
	Flows(r, capture(t, false, conversation...), echo("keeps"))
	if len(r.errors) == 0 {
		t.Error("bytes that are kept are not found")
	}
}

func TestSplitsFindsDependence(t *testing.T) {
	talks, _ := load(t, capture(t, false, conversation...))
	o := decode.Options{Limits: decode.DefaultLimits()}
	for _, talk := range talks {
		protocols := []*decode.Protocol{echo("segments")}
		want := splitText(talk, talk.events, o, protocols)
		for name, events := range splits(talk) {
			if splitText(talk, events, o, protocols) == want {
				t.Errorf("%s: no difference", name)
			}
		}
	}
}

func TestDifference(t *testing.T) {
	if d := difference("a\nb\nc\nd\n", "a\nx\ny\nd\n"); d != "line 2:\n  a\n- b\n- c\n+ x\n+ y\n" {
		t.Errorf("%s", d)
	}
	if d := difference("a\n", "a\nb\n"); d != "line 2:\n  a\n+ b\n" {
		t.Errorf("%s", d)
	}
}

func TestBodyText(t *testing.T) {
	for in, want := range map[string]string{
		"a\r\nb\n":                     "\t\t\t| a\\r\n\t\t\t| b\n",
		"\x00a":                        "\t\t\t| 00000000  00 61                                             |.a|\n",
		strings.Repeat("ü", 520):       "\t\t\t| " + strings.Repeat("ü", 512) + "\n\t\t\t… 1040 bytes kept, crc32 ",
		"x" + strings.Repeat("ü", 520): "\t\t\t| x" + strings.Repeat("ü", 511) + "\n\t\t\t… 1041 bytes kept, crc32 ",
	} {
		var w strings.Builder
		bodyText(&w, []byte(in))
		if !strings.HasPrefix(w.String(), want) {
			t.Errorf("%q is\n%s", in, w.String())
		}
	}
}

func TestPlay(t *testing.T) {
	talks, _ := load(t, capture(t, false, conversation...))
	for _, flags := range []byte{0, playForced, playUnordered, playMidstream | playSecrets} {
		got := Play(append([]byte{flags}, encode(talks[0].events)...), echo(""))
		if len(got) != 4 || got[1].Status != "2" {
			t.Errorf("flags %d: %d exchanges", flags, len(got))
		}
	}
	Play(nil, echo(""))
	Play([]byte{0, 0xff}, echo(""))
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a body beyond the limit is not found")
			}
		}()
		Play(append([]byte{playSmall, 0, 0, 30}, []byte("abcdefghijklmnopqrstuvwxyz123\n")...), echo(""))
	}()
}

func TestTshark(t *testing.T) {
	file := capture(t, false, conversation...)
	for range 2 {
		lines := Tshark(t, file, "-T", "fields", "-e", "frame.number", "-e", "tcp.len")
		if len(lines) != 11 || len(lines[2]) != 2 || lines[2][1] != "6" {
			t.Errorf("tshark: %q", lines)
		}
	}
	if len(tsharkRuns.of) != 1 {
		t.Errorf("%d runs", len(tsharkRuns.of))
	}
}
