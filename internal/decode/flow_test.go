package decode

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// lines is a protocol of the tests: the client sends lines that begin with its
// name, each answered by a line. "start NAME" hands the connection over.
func lines(name string) *Protocol {
	return &Protocol{
		Name: name,
		Detect: func(p *Prefix) Verdict {
			b := p.Bytes[Client]
			switch n := min(len(b), len(name)); {
			case string(b[:n]) != name[:n]:
				return No
			case n < len(name):
				return Maybe
			}
			return Yes
		},
		New: func(c *Conn) Decoder { return &lineDecoder{name: name, conn: c} },
	}
}

type lineDecoder struct {
	name string
	conn *Conn
	in   [2]Buffer
}

func (d *lineDecoder) Data(s Side, at time.Time, b []byte) {
	d.in[s].Write(at, b)
	for {
		i := bytes.IndexByte(d.in[s].Bytes(), '\n')
		if i < 0 {
			return
		}
		line := string(d.in[s].Bytes()[:i])
		d.in[s].Advance(int64(i) + 1)
		d.conn.Emit(&Exchange{Protocol: d.name, From: s, Target: line})
		if next, ok := strings.CutPrefix(line, d.name+" start "); ok {
			d.conn.Handoff(strings.Trim(next, "?"), [2][]byte{d.in[0].Bytes(), d.in[1].Bytes()})
			return
		}
	}
}

func (d *lineDecoder) Gap(s Side, _ time.Time, n int64) {
	d.conn.Lost(Loss{Protocol: d.name, Side: s, Reason: LostGap, Bytes: n})
	d.in[s].Reset()
}

func (d *lineDecoder) End(s Side, _ time.Time, how End) {
	d.conn.Emit(&Exchange{Protocol: d.name, From: s, Target: fmt.Sprintf("end %d", how)})
}

// say plays a conversation on a flow: "c:" and "s:" are bytes, "C" and "S" ends,
// "gap c N" a gap.
func say(t *testing.T, o Options, clientKnown bool, script ...string) (got []string, f *Flow) {
	t.Helper()
	c := NewConn(o, func(e *Exchange) { got = append(got, fmt.Sprintf("%s %s %s", e.Protocol, e.From, e.Target)) },
		func(l Loss) { got = append(got, fmt.Sprintf("lost %s %s %d", l.Side, l.Reason, l.Bytes)) })
	f = NewFlow(c, []*Protocol{lines("one"), lines("only"), lines("two")}, clientKnown)
	for i, line := range script {
		switch {
		case strings.HasPrefix(line, "c:"):
			f.Data(Client, at(i), []byte(line[2:]))
		case strings.HasPrefix(line, "s:"):
			f.Data(Server, at(i), []byte(line[2:]))
		case line == "gap c":
			f.Gap(Client, at(i), 5)
		case line == "C":
			f.End(Client, at(i), Closed)
		case line == "S":
			f.End(Server, at(i), Reset)
		default:
			t.Fatalf("say %q", line)
		}
	}
	return got, f
}

func TestFlow(t *testing.T) {
	for _, tt := range []struct {
		name      string
		unordered bool
		script    []string
		want      []string
		protocol  string
		swapped   bool
	}{
		{name: "at once", script: []string{"c:one a\n", "s:b\n", "C", "S"}, want: []string{"one client one a", "one server b", "one client end 1", "one server end 2"}, protocol: "one"},
		{name: "byte by byte", script: []string{"c:o", "c:n", "c:l", "c:y x\n"}, want: []string{"only client only x"}, protocol: "only"},
		{name: "the server speaks first", script: []string{"s:hello\n", "c:two\n"}, want: []string{"two server hello", "two client two"}, protocol: "two"},
		{name: "none of them", script: []string{"s:hello\n", "c:three\n", "c:more"}, want: []string{"lost server unknown 6", "lost client unknown 6", "lost client unknown 4"}},
		{name: "never enough", script: []string{"c:on", "C", "S", "S"}, want: []string{"lost client unknown 2"}},
		{name: "the other way round", unordered: true, script: []string{"s:two x\n", "c:y\n", "S"}, want: []string{"two client two x", "two server y", "two client end 2"}, protocol: "two", swapped: true},
		{name: "not turned where the client is known", script: []string{"s:two x\n", "c:y\n"}, want: []string{"lost server unknown 6", "lost client unknown 2"}},
		{name: "handed over", script: []string{"c:one start two\ntwo a\n", "s:b\n", "C"}, want: []string{"one client one start two", "two client two a", "two server b", "two client end 1"}, protocol: "two"},
		{name: "handed over while it waits", script: []string{"s:x\n", "c:one start two\ntwo a\n"}, want: []string{"one server x", "one client one start two", "two client two a"}, protocol: "two"},
		{name: "handed over, turned", unordered: true, script: []string{"s:one start two\ntwo a\n", "c:z\n", "C"}, want: []string{"one client one start two", "two client two a", "two server z", "two server end 1"}, protocol: "two", swapped: true},
		{name: "handed over to what is found", script: []string{"c:one start ?\non", "c:ly c\n"}, want: []string{"one client one start ?", "only client only c"}, protocol: "only"},
		{name: "handed over to what is not known", script: []string{"c:one start x\ntwo b\n", "s:b\n"}, want: []string{"one client one start x", "lost client unknown 6", "lost server unknown 2"}},
		{name: "handed over after an end", script: []string{"S", "c:one start two\ntwo\n", "C"}, want: []string{"one client one start two", "two client two", "two server end 2", "two client end 1"}, protocol: "two"},
		{name: "a gap first", script: []string{"gap c", "c:one\n"}, want: []string{"one client one"}, protocol: "one"},
		{name: "a gap while it waits", script: []string{"c:on", "gap c", "c:two\n"}, want: []string{"lost client unknown 2", "two client two"}, protocol: "two"},
		{name: "a gap later", script: []string{"c:one\n", "gap c", "c:x\n"}, want: []string{"one client one", "lost client gap 5", "one client x"}, protocol: "one"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, f := say(t, Options{}, !tt.unordered, tt.script...)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
			if f.Protocol() != tt.protocol || f.Swapped() != tt.swapped {
				t.Errorf("protocol %q, swapped %v; want %q, %v", f.Protocol(), f.Swapped(), tt.protocol, tt.swapped)
			}
		})
	}
}

// What waits for a protocol is bounded.
func TestFlowWaitsForSoMuch(t *testing.T) {
	patient := &Protocol{Name: "patient", Detect: func(*Prefix) Verdict { return Maybe }}
	lost := int64(0)
	f := NewFlow(NewConn(Options{}, func(*Exchange) {}, func(l Loss) { lost += l.Bytes }), []*Protocol{patient}, true)
	for i := range 100 {
		f.Data(Client, at(i), make([]byte, 1000))
	}
	if lost != 100_000 || len(f.waiting) > 0 {
		t.Errorf("%d bytes lost, %d pieces wait", lost, len(f.waiting))
	}
}

func TestSecret(t *testing.T) {
	if c := NewConn(Options{}, nil, nil); c.Secret("x") != Masked || c.Secret("") != "" {
		t.Error("a secret is shown")
	}
	if c := NewConn(Options{Secrets: true}, nil, nil); c.Secret("x") != "x" {
		t.Error("a secret that is asked for is masked")
	}
}

// TestFlowDatagrams holds that protocols of datagrams and of streams are not
// taken for each other, also where they have one name.
func TestFlowDatagrams(t *testing.T) {
	stream, datagram := lines("ask"), lines("ask")
	datagram.Datagram = true
	made := ""
	stream.New = func(c *Conn) Decoder { made += "stream "; return &lineDecoder{name: "ask", conn: c} }
	datagram.New = func(c *Conn) Decoder { made += "datagram "; return &lineDecoder{name: "ask", conn: c} }
	for _, is := range []bool{false, true} {
		c := NewConn(Options{Limits: DefaultLimits(), Datagram: is}, func(*Exchange) {}, nil)
		NewFlow(c, []*Protocol{stream, datagram}, true).Data(Client, at(0), []byte("ask\n"))
	}
	if made != "stream datagram " {
		t.Errorf("made decoders: %s", made)
	}
}

// A connection that was joined in a large message is looked at again where the next ones
// begin, and not for ever.
func TestFlowLooksAgain(t *testing.T) {
	body := strings.Repeat("x", PrefixBytes)
	for _, tt := range []struct {
		name      string
		midstream bool
		script    []string
		want      string
	}{
		{"a turn", true, []string{"s:" + body, "s:" + body, "s:" + body, "s:" + body, "s:" + body, "s:" + body, "c:one a\n", "s:b\n"}, "one client one a one server b"},
		{"the same side goes on", true, []string{"c:" + body, "c:" + body, "c:" + body, "c:" + body, "c:" + body, "c:" + body, "c:one a\n"}, ""},
		{"the begin was seen", false, []string{"s:" + body, "c:" + body, "s:x", "c:one a\n"}, ""},
	} {
		got, _ := say(t, Options{Midstream: tt.midstream}, true, tt.script...)
		var found []string
		for _, line := range got {
			if !strings.HasPrefix(line, "lost") {
				found = append(found, line)
			}
		}
		if s := strings.Join(found, " "); s != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, s, tt.want)
		}
	}
	// After a pause, the same side may begin.
	var got []string
	f := NewFlow(NewConn(Options{Midstream: true}, func(e *Exchange) { got = append(got, e.Target) }, nil), []*Protocol{lines("one")}, true)
	f.Data(Client, at(0), []byte(strings.Repeat("x", 5*PrefixBytes)))
	f.Data(Client, at(0).Add(beginAfter), []byte("one a\n"))
	if !slices.Equal(got, []string{"one a"}) {
		t.Errorf("after a pause: %q", got)
	}
}

// What is asked of detectors is bounded, however many messages there are.
func TestFlowLooksAgainBounded(t *testing.T) {
	asked := 0
	never := &Protocol{Name: "never", Detect: func(*Prefix) Verdict { asked++; return No }, New: func(*Conn) Decoder { panic("made") }}
	lost := int64(0)
	f := NewFlow(NewConn(Options{Midstream: true}, func(*Exchange) {}, func(l Loss) { lost += l.Bytes }), []*Protocol{never}, true)
	const messages = 100_000
	for i := range messages {
		f.Data(Side(i%2), at(i), []byte("ab"))
	}
	if asked > 2*(everyBegin+20) || lost != 2*messages {
		t.Errorf("asked %d times, %d bytes lost", asked, lost)
	}
}
