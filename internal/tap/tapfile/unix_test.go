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
		g, err := u.Open(at, client, server, midstream)
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
	for _, errno := range []syscall.Errno{syscall.ENOENT, syscall.ECONNREFUSED, syscall.EACCES, syscall.EPROTOTYPE} {
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
	if !slices.Equal(got, want) || len(want) != 8 {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for i, why := range []string{"absent", "refused", "denied", "failed"} {
		if !strings.Contains(want[4+i], why) {
			t.Errorf("%s, want %s", want[4+i], why)
		}
	}
}
