package tapfile

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/decode"
	"lodge/internal/decode/all"
	"lodge/internal/decode/tls"
	"lodge/internal/model"
	"lodge/internal/tap"
)

// Connections of Unix sockets are read again as the same, from their begin and from their
// middle, and those that were not made with their reason.
func TestUnixStreams(t *testing.T) {
	var file bytes.Buffer
	w, err := NewWriter(&file, Options{Link: packet.LinkEthernet, Interface: "lo", Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	full := func(r *tap.Record) string {
		return fmt.Sprintf("%s %s %s %s %s", text(r), r.Transport, r.Client.At(), r.Server.At(), r.Time.UTC().Format(time.RFC3339Nano))
	}
	var want []string
	e := tap.New(tap.Options{
		Protocols: all.Protocols(tls.Config{}), Decode: decode.Options{Limits: decode.DefaultLimits()}, OriginSource: tap.SourcePacket,
		Record: func(r *tap.Record) { want = append(want, full(r)) },
	})
	u := NewUnixStreams(w)
	at := time.Unix(1e9, 0).UTC()
	for i, path := range []string{"/run/a.sock", "@abstract", "", "/run/a.sock"} {
		midstream := i%2 == 1
		o := tap.Opening{At: at, Server: tap.End{Path: path}, Unix: true, Midstream: midstream}
		s := e.Open(o)
		s.Sent(decode.Client, &tap.Origin{Process: model.Process{PID: 10 + i, Name: "client"}})
		s.Sent(decode.Server, &tap.Origin{Process: model.Process{PID: 20 + i, Name: "server"}})
		client, server := s.Ends()
		g, err := u.Open(at, client, server, midstream, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range []struct {
			side decode.Side
			text string
		}{{decode.Client, "GET /" + fmt.Sprint(i) + " HTTP/1.1\r\nHost: x\r\n\r\n"}, {decode.Server, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"}} {
			at = at.Add(time.Millisecond)
			s.Data(d.side, at, 0, []byte(d.text))
			if err := g.Data(d.side, at, 0, []byte(d.text), client, server); err != nil {
				t.Fatal(err)
			}
		}
	}
	// What no decoder knows, as a stream and in datagrams.
	for i, datagram := range []bool{false, true} {
		o := tap.Opening{At: at, Server: tap.End{Path: "/dev/log"}, Unix: true, Datagram: datagram, Midstream: datagram}
		s := e.Open(o)
		s.Sent(decode.Client, &tap.Origin{Process: model.Process{PID: 30 + i, Name: "client"}})
		s.Sent(decode.Client, &tap.Origin{Receiver: model.Process{PID: 35 + i, Name: "server"}})
		client, server := s.Ends()
		g, err := u.Open(at, client, server, datagram, datagram)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			at = at.Add(time.Millisecond)
			b := []byte("<14>Nov 30 13:00:00 one: line of a log")
			s.Data(decode.Client, at, 0, b)
			if err := g.Data(decode.Client, at, 0, b, client, server); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, errno := range []syscall.Errno{syscall.ENOENT, syscall.ECONNREFUSED, syscall.EACCES, syscall.EPROTOTYPE, syscall.EAGAIN, syscall.EINPROGRESS} {
		at = at.Add(time.Millisecond)
		o := tap.Opening{At: at, Server: tap.End{Path: "/run/b.sock"}, Unix: true}
		e.Complete(&o.Client, &tap.Origin{Process: model.Process{PID: 40, Name: "curl"}})
		e.Fail(o, tap.FailureOf(uint16(errno)))
		if err := u.Fail(at, &o.Client, &o.Server, uint32(errno)); err != nil {
			t.Fatal(err)
		}
	}
	e.Close()
	if err := w.Close(&tap.Capture{}); err != nil {
		t.Fatal(err)
	}
	src, err := Open(&file)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	again := tap.New(tap.Options{
		Protocols: all.Protocols(tls.Config{}), Decode: decode.Options{Limits: decode.DefaultLimits()}, OriginSource: tap.SourceFile, Ends: src,
		Record: func(r *tap.Record) { got = append(got, full(r)) },
	})
	if err := src.Run(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	slices.Sort(got) // each has the session without an end at its own end
	slices.Sort(want)
	if !slices.Equal(got, want) || len(want) != 13 {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	all := strings.Join(want, "\n")
	for _, why := range []string{"absent", "refused", "denied", "failed", "full", "unanswered", "datagram", "data"} {
		if !strings.Contains(all, why) {
			t.Errorf("no record has %s:\n%s", why, all)
		}
	}
}
