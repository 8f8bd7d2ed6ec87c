package tap

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/internal/decode"
)

// TestUnknown: what Unix sockets carry in a protocol that is not known is a record of each
// connection, told before its end where it takes long, and of each datagram; of TCP it is
// none. All of it is counted as not decoded.
func TestUnknown(t *testing.T) {
	at := func(n int) time.Time { return begin.Add(time.Duration(n) * 400 * time.Millisecond) }
	for _, c := range []struct {
		unix, datagram, secrets bool
		want                    []string
	}{
		{unix: false, want: nil},
		{unix: true, want: []string{"session data 4+0 begun true", "session data 6+4 begun false"}},
		{unix: true, datagram: true, want: []string{"message datagram 2+0 begun false", "message datagram 2+0 begun false", "message datagram 2+0 begun false"}},
		{unix: true, datagram: true, secrets: true, want: []string{`message datagram 2+0 begun false \x00\x01`, `message datagram 2+0 begun false \x02\x03`, `message datagram 2+0 begun false \x00\x01`}},
	} {
		r := newRig(Options{Decode: decode.Options{Secrets: c.secrets}})
		s := r.Open(Opening{At: begin, Server: End{Path: "/run/x"}, Unix: c.unix, Datagram: c.datagram})
		s.Data(decode.Client, at(0), 0, []byte{0, 1})
		s.Data(decode.Client, at(3), 0, []byte{2, 3})
		if !c.datagram {
			s.Data(decode.Server, at(4), 0, []byte{2, 3, 4, 5})
		}
		s.Data(decode.Client, at(5), 0, []byte{0, 1})
		s.End(decode.Client, at(6), 0, decode.Closed)
		s.End(decode.Server, at(7), 0, decode.Closed)
		r.Close()
		var got []string
		for _, x := range r.got {
			e := x.Exchange
			if e.Protocol != Unknown || !e.Started.Equal(at(0)) && !c.datagram || !e.Answered.IsZero() {
				t.Errorf("%+v", e)
			}
			got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %d+%d begun %v %s", e.Kind, e.Method, e.Request.Bytes, e.Response.Bytes, e.Begun, strings.Trim(fmt.Sprintf("%q", e.Request.Body), `"`))))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v: got\n%s", c, strings.Join(got, "\n"))
		}
		want := uint64(10)
		if c.datagram {
			want = 6
		}
		if n := r.Account().Decode.Lost[decode.LostUnknown].Bytes; n != want {
			t.Errorf("%+v: %d bytes are counted as not decoded, want %d", c, n, want)
		}
	}
}

// A connection that is reset, or is open when the recording ends, is told once.
func TestUnknownEnds(t *testing.T) {
	for _, reset := range []bool{true, false} {
		r := newRig(Options{})
		s := r.Open(Opening{At: begin, Unix: true})
		s.Data(decode.Server, begin, 0, []byte{0, 1})
		if reset {
			s.End(decode.Client, begin, 0, decode.Reset)
		}
		r.Close()
		if len(r.got) != 1 || r.got[0].Exchange.Response.Bytes != 2 || r.got[0].Exchange.Begun {
			t.Errorf("reset %v: %d records", reset, len(r.got))
		}
	}
}
