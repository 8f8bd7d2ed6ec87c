package tap

import (
	"net/netip"
	"testing"
	"time"

	"lodge/internal/decode"
	"lodge/internal/model"
)

func opening(port uint16) Opening {
	o := Opening{At: begin}
	o.Client = End{Address: client, Source: SourceRelay, Processes: []model.Process{{PID: 7, Start: 1, Name: "curl"}}, Project: "shop", Service: "web"}
	o.Server = End{Address: server, Project: "shop", Service: "api"}
	o.Client.Address = netip.AddrPortFrom(client.Addr(), port)
	return o
}

// TestStreams: bytes that a source gives become the records that packets of them would.
func TestStreams(t *testing.T) {
	r := newRig(Options{})
	s := r.Open(opening(1))
	at := func(n int) time.Time { return begin.Add(time.Duration(n) * time.Second) }
	s.Data(decode.Client, at(1), 0, []byte("ec"))
	s.Data(decode.Client, at(2), 0, []byte("ho\n"))
	s.Data(decode.Server, at(3), 0, []byte("yes\n"))
	s.End(decode.Client, at(4), 0, decode.Closed)
	s.Data(decode.Client, at(4), 0, []byte("echo after the end\n"))
	if len(r.got) != 1 {
		t.Fatalf("%d records", len(r.got))
	}
	x := r.got[0]
	if latency, ok := x.Latency(); !ok || latency != time.Second && latency != 2*time.Second || x.Exchange.Target != "echo" || x.Exchange.Status != "yes" {
		t.Errorf("got %+v, %v", x.Exchange, latency)
	}
	if x.Connection != 1 || x.Client.Service != "web" || x.Client.Source != SourceRelay || x.Client.Processes[0].PID != 7 || x.Server.Service != "api" || x.Server.Known() {
		t.Errorf("ends %+v, %+v", x.Client, x.Server)
	}
	s.End(decode.Server, at(5), 0, decode.Closed)

	// A reset ends both sides, and with them the stream.
	b := r.Open(opening(2))
	b.Data(decode.Client, at(6), 0, []byte("echo 2\n"))
	b.End(decode.Server, at(7), 0, decode.Reset)
	b.Data(decode.Server, at(8), 0, []byte("yes\n"))
	if len(r.got) != 2 || !r.got[1].Exchange.Response.Incomplete {
		t.Fatalf("%d records", len(r.got))
	}
	if len(r.streams) != 0 {
		t.Errorf("%d streams are open", len(r.streams))
	}

	// Missing bytes are a gap, and are counted.
	c := r.Open(opening(3))
	c.Data(decode.Client, at(9), 0, []byte("echo 3\n"))
	c.Data(decode.Server, at(9), 100, []byte("yes\n"))
	r.Close()
	c.Data(decode.Server, at(10), 0, []byte("more"))
	a := r.Account()
	if g := a.Streams; g.Connections != 3 || g.Gaps != 1 || g.MissingBytes != 100 || g.PayloadBytes != 5+4+7+7+4 || a.Complete() {
		t.Errorf("account %+v", g)
	}
	if a.Decode.Lost[decode.LostGap].Bytes != 100 {
		t.Errorf("decoding %+v", a.Decode)
	}
}

// TestStreamRefused: a connection that was not made is a failure, without a process at the
// other end; one that is made and carries nothing is none.
func TestStreamRefused(t *testing.T) {
	r := newRig(Options{})
	r.Refuse(opening(1))
	r.Open(opening(2))
	r.Close()
	if len(r.got) != 1 || r.got[0].Failure != Refused || !r.got[0].Client.Known() || !r.got[0].Time.Equal(begin) {
		t.Fatalf("%d records", len(r.got))
	}
	if a := r.Account(); a.Records.Failures != 1 || a.Records.Ends != 1 || a.Records.Attributed != 1 || a.Streams.Refused != 1 || a.Streams.Connections != 2 {
		t.Errorf("account %+v", a)
	}
}

// TestStreamTimes: no time goes back within a connection.
func TestStreamTimes(t *testing.T) {
	var last time.Time
	r := newRig(Options{Bytes: func(_ uint64, _ decode.Side, at time.Time, _ []byte) {
		if at.Before(last) {
			t.Errorf("%v after %v", at, last)
		}
		last = at
	}})
	s := r.Open(opening(1))
	for _, n := range []int{3, 1, 2, -5} {
		s.Data(decode.Client, begin.Add(time.Duration(n)), 0, []byte("x"))
	}
	r.Close()
}
