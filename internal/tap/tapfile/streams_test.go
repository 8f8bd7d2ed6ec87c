package tapfile

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/decode"
	"lodge/internal/decode/all"
	"lodge/internal/decode/tls"
	"lodge/internal/model"
	"lodge/internal/tap"
)

// TestStreams: connections that an engine is given as streams are read again from the file
// of their made-up packets as the same records, with the same times.
func TestStreams(t *testing.T) {
	for _, ip := range []string{"127.0.0.1", "::1"} {
		t.Run(ip, func(t *testing.T) { testStreams(t, netip.MustParseAddr(ip)) })
	}
}

func testStreams(t *testing.T, ip netip.Addr) {
	var file bytes.Buffer
	w, err := NewWriter(&file, Options{Link: packet.LinkEthernet, Interface: "lo", Version: "test", Note: "made up"})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	full := func(r *tap.Record) string {
		latency, _ := r.Latency()
		return text(r) + " " + r.Time.UTC().Format(time.RFC3339Nano) + " " + latency.String()
	}
	e := tap.New(tap.Options{
		Protocols: all.Protocols(tls.Config{}), Decode: decode.Options{Limits: decode.DefaultLimits()},
		Record: func(r *tap.Record) { want = append(want, full(r)) },
	})
	begin := time.Unix(1_700_000_000, 0)
	at := func(ms int) time.Time { return begin.Add(time.Duration(ms) * time.Millisecond) }
	opening := func(port uint16) tap.Opening {
		return tap.Opening{
			At:     at(int(port)),
			Client: tap.End{Address: netip.AddrPortFrom(ip, port), Project: "shop", Service: "web", Processes: []model.Process{{PID: 7, Name: "curl", Command: "curl x"}}},
			Server: tap.End{Address: netip.AddrPortFrom(ip, 80), Project: "shop", Service: "api", Processes: []model.Process{{PID: 8, Name: "nginx", Command: "nginx"}}},
		}
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	open := func(port uint16) (data func(s decode.Side, ms, missing int, b string), end func(s decode.Side, ms int, how decode.End)) {
		s := e.Open(opening(port))
		client, server := s.Ends()
		g, err := w.Streams().Open(at(int(port)), client, server)
		check(err)
		data = func(side decode.Side, ms, missing int, b string) {
			s.Data(side, at(ms), int64(missing), []byte(b))
			check(g.Data(side, at(ms), int64(missing), []byte(b), client, server))
		}
		end = func(side decode.Side, ms int, how decode.End) {
			s.End(side, at(ms), 0, how)
			check(g.End(side, at(ms), 0, how, client, server))
		}
		return data, end
	}
	const c, s = decode.Client, decode.Server
	data, end := open(1000)
	data(c, 1001, 0, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
	data(s, 1005, 0, "HTTP/1.1 200 OK\r\nContent-Length: 40000\r\n\r\n"+strings.Repeat("x", 20000))
	data(s, 1006, 0, strings.Repeat("x", 20000))
	end(c, 1007, decode.Closed)
	end(s, 1008, decode.Closed)
	// The same addresses once more; it ends with a reset, in the middle of an answer.
	data, end = open(1000)
	data(c, 1011, 0, "GET /b HTTP/1.1\r\nHost: x\r\n\r\n")
	data(s, 1012, 0, "HTTP/1.1 500 No\r\nContent-Length: 100\r\n\r\nx")
	end(s, 1013, decode.Reset)
	// Bytes are missing in a body.
	data, end = open(1020)
	data(c, 1021, 0, "GET /c HTTP/1.1\r\nHost: x\r\n\r\n")
	data(s, 1022, 0, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx")
	data(s, 1023, 98, "x")
	data(c, 1024, 0, "GET /d HTTP/1.1\r\nHost: x\r\n\r\n")
	data(s, 1025, 0, "HTTP/1.1 204 No Content\r\n\r\n")
	end(c, 1026, decode.Closed)
	end(s, 1027, decode.Closed)
	refused := opening(1030)
	refused.Server = tap.End{Address: refused.Server.Address} // a file knows nothing of an end without a process
	e.Refuse(refused)
	check(w.Streams().Refuse(refused.At, &refused.Client, &refused.Server))
	e.Close()
	lost := tap.Count{Packets: 2, Bytes: 98}
	check(w.Close(&tap.Capture{Seen: tap.Count{Packets: 40}, Delivered: tap.Count{Packets: 38}, Lost: map[string]tap.Count{"queue_full": lost}}))

	var got []string
	src, err := Open(bytes.NewReader(file.Bytes()))
	check(err)
	again := tap.New(tap.Options{
		Protocols: all.Protocols(tls.Config{}), Decode: decode.Options{Limits: decode.DefaultLimits()}, Ends: src, OriginSource: tap.SourceFile,
		Record: func(r *tap.Record) { got = append(got, full(r)) },
	})
	check(src.Run(t.Context(), again))
	if !slices.Equal(got, want) || len(want) != 5 {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	a, b := e.Account(), again.Account()
	if a.Streams.Connections != b.Streams.Connections || a.Streams.Refused != b.Streams.Refused || a.Streams.PayloadBytes != b.Streams.PayloadBytes || a.Streams.MissingBytes != b.Streams.MissingBytes {
		t.Errorf("streams %+v, from the file %+v", a.Streams, b.Streams)
	}
	if c := src.Capture(); c.Lost["before_the_file"].Packets != 2 || c.Unknown {
		t.Errorf("capture %+v", c)
	}
	if !bytes.Contains(file.Bytes(), []byte("made up")) {
		t.Error("the file does not say that its packets are made up")
	}
}
