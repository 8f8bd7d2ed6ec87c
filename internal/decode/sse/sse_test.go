package sse

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/internal/decode"
)

var options = decode.Options{Limits: decode.DefaultLimits()}

func show(e *decode.Exchange) string {
	s := fmt.Sprintf("%s %q", e.Method, e.Request.Body)
	for _, d := range e.Details[1:] {
		s += fmt.Sprintf(" %s=%s", d.Name, d.Value)
	}
	if e.Request.Incomplete {
		s += " incomplete"
	}
	if len(e.Unknown) > 0 {
		s += " " + strings.Join(e.Unknown, "; ")
	}
	return s
}

func play(t *testing.T, in, codings string, size int) (events []string) {
	t.Helper()
	c := decode.NewConn(options, func(e *decode.Exchange) {
		if e.Protocol != Name || e.Kind != decode.KindMessage || e.From != decode.Server || e.Host != "h" || e.Target != "/ev/1?x" || e.Stream != 3 ||
			e.Group != e.Method+" /ev/{id}" || e.Detail("path") != "/ev/1?x" {
			t.Errorf("event: %+v", e)
		}
		events = append(events, show(e))
	}, nil)
	s := New(c, &decode.Exchange{Host: "h", Target: "/ev/1?x", Stream: 3}, codings)
	for len(in) > 0 {
		n := min(size, len(in))
		s.Data(time.Unix(1, 0), []byte(in[:n]))
		in = in[n:]
	}
	s.Close()
	if s.Unknown() != "" {
		events = append(events, s.Unknown())
	}
	return events
}

func TestEvents(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     []string
	}{
		{"one", "data: hello\n\n", []string{`message "hello"`}},
		{"fields", "event: tick\nid: 7\nretry: 100\ndata: a\ndata:b\ndata:  c\n\n", []string{`tick "a\nb\n c" id=7 retry=100`}},
		{"CR", "data: a\rdata: b\r\rdata: c\r\r", []string{`message "a\nb"`, `message "c"`}},
		{"CRLF", "data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", []string{`message "a\nb"`, `message "c"`}},
		{"comments", ": hi\n\n:\n\ndata: a\n: in between\n\n", []string{`message "a"`}},
		{"no data", "event: x\nid: 1\n\ndata: a\n\n", []string{`message "a"`}},
		{"empty data", "data\n\ndata:\n\ndata: \ndata\n\n", []string{`message ""`, `message ""`, `message "\n"`}},
		{"other fields", "database: x\ndat: y\ndata: a\neventful: z\n\n", []string{`message "a"`}},
		{"byte order mark", "\xef\xbb\xbfdata: a\n\n", []string{`message "a"`}},
		{"half of one", "\xef\xbbdata: a\n\ndata: b\n\n", []string{`message "b"`}},
		{"colons", "data: a: b:c\nevent::x\n\n", []string{`:x "a: b:c"`}},
		{"no end", "data: a\n\ndata: b\ndata: c", []string{`message "a"`, `message "b\nc" incomplete`}},
		{"secret", `data: {"token":"x"}` + "\n\n", []string{`message "{\"token\":\"•••\"}"`}},
		{"last event wins", "event: a\nevent: b\nid: 1\nid\ndata:x\n\n", []string{`b "x" id=`}},
	} {
		for size := 1; size < 40; size++ {
			if got := play(t, tt.in, "", size); !slices.Equal(got, tt.want) {
				t.Errorf("%s, %d bytes at a time:\n got %q\nwant %q", tt.name, size, got, tt.want)
				break
			}
		}
	}
}

func TestCompressed(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	for i := range 3 {
		_, _ = fmt.Fprintf(z, "data: event %d\n\n", i)
		_ = z.Flush()
	}
	_, _ = io.WriteString(z, "data: last\n\n")
	_ = z.Close()
	want := []string{`message "event 0"`, `message "event 1"`, `message "event 2"`, `message "last"`}
	for size := 1; size < 200; size++ {
		if got := play(t, b.String(), "gzip", size); !slices.Equal(got, want) {
			t.Fatalf("%d bytes at a time: %q", size, got)
		}
	}
	if got := play(t, "xyz", "br", 1); !slices.Equal(got, []string{"its events are br-compressed"}) {
		t.Errorf("br: %q", got)
	}
	if got := play(t, strings.Repeat("x", 300<<10), "gzip", 1000); len(got) != 1 {
		t.Errorf("not gzip: %q", got)
	}
}

func TestLongAndLost(t *testing.T) {
	var events []*decode.Exchange
	c := decode.NewConn(options, func(e *decode.Exchange) { events = append(events, e) }, nil)
	s := New(c, &decode.Exchange{}, "")
	at := time.Unix(1, 0)
	s.Data(at, []byte("event: "+strings.Repeat("e", 5000)+"\ndata: "))
	for range 100 {
		s.Data(at, bytes.Repeat([]byte{'x'}, 10000))
	}
	s.Data(at.Add(time.Second), []byte("\n\n"))
	if len(events) != 1 || !events[0].Request.Truncated || events[0].Request.BodyBytes != 1000000 || len(events[0].Method) != maxField {
		t.Fatalf("a long event: %d", len(events))
	}
	if e := events[0]; e.Ended.Sub(e.Started) != time.Second {
		t.Errorf("times: %v %v", e.Started, e.Ended)
	}
	events = nil
	s.Data(at, []byte("data: before"))
	s.Gap()
	s.Data(at, []byte("data: not a line's begin\n\ndata: after\n\n"))
	if len(events) != 2 || show(events[0]) != `message "before" incomplete a part of the event was not captured` || show(events[1]) != `message "after"` {
		t.Errorf("around a gap: %q", show(events[0]))
	}
}

func FuzzStream(f *testing.F) {
	f.Add([]byte("\xef\xbb\xbfid: 1\r\nevent: x\rdata: a\ndata\n\n: c\n\ndata"), uint8(3))
	f.Fuzz(func(t *testing.T, in []byte, size uint8) {
		var all [2][]string
		for i, n := range []int{max(1, int(size)), max(1, len(in))} {
			c := decode.NewConn(options, func(e *decode.Exchange) { all[i] = append(all[i], show(e)) }, nil)
			s := New(c, &decode.Exchange{}, "")
			for part := range slices.Chunk(in, n) {
				s.Data(time.Time{}, part)
			}
			s.Close()
		}
		if !slices.Equal(all[0], all[1]) {
			t.Errorf("in pieces %q, whole %q", all[0], all[1])
		}
	})
}
