package tap

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/decode"
	"lodge/internal/mark"
	"lodge/internal/model"
)

// echo is a protocol of the tests: a line is a request, the line of the other side its
// answer.
var echo = &decode.Protocol{
	Name: "echo",
	Detect: func(p *decode.Prefix) decode.Verdict {
		switch b := p.Bytes[decode.Client]; {
		case bytes.HasPrefix(b, []byte("echo")):
			return decode.Yes
		case len(b) < 4:
			return decode.Maybe
		}
		return decode.No
	},
	New: func(c *decode.Conn) decode.Decoder { return &echoDecoder{conn: c} },
}

type echoDecoder struct {
	conn *decode.Conn
	in   [2]decode.Buffer
	x    *decode.Exchange
}

func (d *echoDecoder) Data(s decode.Side, at time.Time, b []byte) {
	d.in[s].Write(at, b)
	i := bytes.IndexByte(d.in[s].Bytes(), '\n')
	if i < 0 {
		return
	}
	line := string(d.in[s].Bytes()[:i])
	d.in[s].Advance(int64(i) + 1)
	if s == decode.Client {
		d.x = &decode.Exchange{Protocol: "echo", Kind: decode.KindRequest, Target: line, Started: at, Request: decode.Message{Bytes: int64(i) + 1}}
		return
	}
	d.x.Answered, d.x.Ended, d.x.Status, d.x.Response.Bytes = at, at, line, int64(i)+1
	d.conn.Emit(d.x)
	d.x = nil
}

func (d *echoDecoder) Gap(s decode.Side, _ time.Time, n int64) {
	d.conn.Lost(decode.Loss{Protocol: "echo", Side: s, Reason: decode.LostGap, Bytes: n})
	d.in[s].Reset()
}

func (d *echoDecoder) End(_ decode.Side, _ time.Time, _ decode.End) {
	if d.x != nil {
		d.x.Response.Incomplete = true
		d.conn.Emit(d.x)
		d.x = nil
	}
}

var (
	client = netip.MustParseAddrPort("127.0.0.1:40000")
	server = netip.MustParseAddrPort("127.0.0.1:7")
	begin  = time.Unix(1000, 0)
)

// rig is an engine with its records.
type rig struct {
	*Engine
	got []*Record
	n   int
}

func newRig(o Options) *rig {
	r := &rig{}
	o.Protocols, o.Decode.Limits = []*decode.Protocol{echo}, decode.DefaultLimits()
	o.Record = func(x *Record) { r.got = append(r.got, x) }
	r.Engine = New(o)
	return r
}

// send gives a packet to the engine: flags are letters (S, A, F, R), pid its sender.
func (r *rig) send(from, to netip.AddrPort, flags string, seq, ack uint32, data string, pid int) {
	r.n++
	p := packet.Packet{Time: begin.Add(time.Duration(r.n) * time.Millisecond), Src: from, Dst: to, Protocol: packet.TCP, Seq: seq, Ack: ack, Payload: []byte(data), PayloadLen: len(data)}
	for _, f := range flags {
		p.Flags |= map[rune]packet.Flags{'S': packet.SYN, 'A': packet.ACK, 'F': packet.FIN, 'R': packet.RST}[f]
	}
	o := &Origin{}
	if pid != 0 {
		o.Process = model.Process{PID: pid, Name: fmt.Sprintf("p%d", pid)}
	}
	r.Packet(&p, o)
}

// line is a record in words.
func line(x *Record) string {
	name := func(e *End) string {
		var pids []string
		for _, p := range e.Processes {
			pids = append(pids, fmt.Sprint(p.PID))
		}
		return e.Address.String() + "(" + strings.Join(pids, ",") + " " + string(e.Source) + ")"
	}
	out := name(&x.Client) + " " + name(&x.Server)
	if x.Exchange == nil {
		return out + " " + string(x.Failure)
	}
	d, _ := x.Latency()
	return out + " " + x.Exchange.Target + "=" + x.Exchange.Status + " " + d.String()
}

func (r *rig) lines() (out []string) {
	for _, x := range r.got {
		out = append(out, line(x))
	}
	return out
}

func TestEngine(t *testing.T) {
	r := newRig(Options{OriginSource: SourcePacket})
	r.send(client, server, "S", 100, 0, "", 1)
	r.send(server, client, "SA", 500, 101, "", 0)
	r.send(client, server, "A", 101, 501, "echo a\n", 1)
	r.send(server, client, "A", 501, 108, "b\n", 2)
	r.send(client, server, "A", 108, 503, "echo c\n", 1)
	r.send(server, client, "A", 503, 115, "d\n", 3) // a worker that has the socket too
	r.send(client, server, "A", 115, 505, "echo e\n", 1)
	r.send(client, server, "FA", 122, 505, "", 1)
	r.send(server, client, "FA", 505, 123, "", 2)
	// Nothing listens there, and nothing answers.
	other := netip.MustParseAddrPort("127.0.0.1:8")
	r.send(client, other, "S", 7, 0, "", 4)
	r.send(other, client, "RA", 0, 8, "", 0)
	r.send(client, netip.MustParseAddrPort("127.0.0.1:9"), "S", 7, 0, "", 4)
	// What is no protocol is counted.
	r.send(netip.MustParseAddrPort("127.0.0.1:5"), server, "A", 7, 0, "what", 4)
	r.Close()
	want := []string{
		"127.0.0.1:40000(1 packet) 127.0.0.1:7(2 packet) echo a=b 1ms",
		"127.0.0.1:40000(1 packet) 127.0.0.1:7(2,3 packet) echo c=d 1ms",
		"127.0.0.1:40000(1 packet) 127.0.0.1:7(2,3 packet) echo e= 0s",
		"127.0.0.1:40000(4 packet) 127.0.0.1:8( ) refused",
		"127.0.0.1:40000(4 packet) 127.0.0.1:9( ) unanswered",
	}
	if got := r.lines(); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	a := r.Account()
	if a.Records != (Records{Exchanges: 3, Incomplete: 1, Failures: 2, Ends: 8, Attributed: 8}) {
		t.Errorf("records %+v", a.Records)
	}
	if a.Streams.Connections != 4 || a.Streams.Refused != 1 || a.Streams.Midstream != 1 || a.Decode.Bytes != 29 || a.Decode.Lost[decode.LostUnknown].Bytes != 4 {
		t.Errorf("account %+v", a)
	}
}

func TestRecordsAreNumbered(t *testing.T) {
	r := newRig(Options{})
	for i := range uint32(5) {
		from := netip.AddrPortFrom(client.Addr(), uint16(50000+i))
		r.send(from, server, "S", 100, 0, "", 1)
		r.send(server, from, "SA", 500, 101, "", 0)
		r.send(from, server, "A", 101, 501, "echo a\n", 1)
		r.send(server, from, "A", 501, 108, "b\n", 2)
	}
	for i, x := range r.got {
		if x.Number != uint64(i+1) || x.Connection != uint64(i+1) {
			t.Errorf("record %d has number %d of connection %d", i+1, x.Number, x.Connection)
		}
	}
	if len(r.got) != 5 {
		t.Errorf("%d records", len(r.got))
	}
}

// table are ends that know holders.
type table struct{ asked int }

func (f *table) Sender(p model.Process, _ mark.Mark) model.Process {
	p.Command = "complete"
	return p
}

func (f *table) Holders(_ packet.Protocol, local, _ netip.AddrPort, _ uint64) ([]model.Process, Source) {
	f.asked++
	if local == server {
		return []model.Process{{PID: 2}, {PID: 9}}, SourceSocket
	}
	return nil, ""
}

func (f *table) Place(at netip.AddrPort, p *model.Process) Place {
	if at == server {
		return Place{Project: "shop", Service: "api"}
	}
	return Place{}
}

func TestEndsAreAsked(t *testing.T) {
	f := &table{}
	r := newRig(Options{OriginSource: SourcePacket, Ends: f})
	r.send(client, server, "S", 100, 0, "", 1)
	r.send(server, client, "SA", 500, 101, "", 0)
	for i := range uint32(3) {
		r.send(client, server, "A", 101+7*i, 501+2*i, "echo a\n", 1)
		r.send(server, client, "A", 501+2*i, 108+7*i, "b\n", 2)
	}
	if got, want := line(r.got[0]), "127.0.0.1:40000(1 packet) 127.0.0.1:7(2,9 packet) echo a=b 1ms"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	x := r.got[2]
	if x.Client.Processes[0].Command != "complete" || x.Server.Project != "shop" || x.Server.Service != "api" || x.Client.Project != "" {
		t.Errorf("ends %+v, %+v", x.Client, x.Server)
	}
	if f.asked != 2 {
		t.Errorf("the table was asked %d times for two ends that it knows", f.asked)
	}
}

func TestComplete(t *testing.T) {
	a := Account{Capture: Capture{Seen: Count{Packets: 5}, Delivered: Count{Packets: 4}, LeftOut: map[string]Count{"ack": {Packets: 1}}}}
	if !a.Complete() || a.Capture.Missing() != 0 {
		t.Error("nothing was lost")
	}
	for name, change := range map[string]func(a *Account){
		"lost": func(a *Account) {
			a.Capture.Lost = map[string]Count{"ring_full": {Packets: 1}}
			a.Capture.Seen.Packets++
		},
		"missing":   func(a *Account) { a.Capture.Seen.Packets++ },
		"unknown":   func(a *Account) { a.Capture.Unknown = true },
		"gap":       func(a *Account) { a.Streams.Gaps = 1 },
		"evicted":   func(a *Account) { a.Streams.Evicted = 1 },
		"dropped":   func(a *Account) { a.Records.Dropped = 1 },
		"unwritten": func(a *Account) { a.Records.Unwritten = 1 },
	} {
		b := a
		change(&b)
		if b.Complete() {
			t.Errorf("%s: told as complete", name)
		}
	}
}

// A datagram to a port that nothing has is a failure each time, told by an error of ICMP.
func TestRefusedDatagram(t *testing.T) {
	r := newRig(Options{OriginSource: SourcePacket})
	p := packet.Packet{Time: begin, Src: client, Dst: server, Protocol: packet.UDP, Payload: []byte("hi"), PayloadLen: 2}
	for i := range 2 {
		p.Time = begin.Add(time.Duration(i) * time.Second)
		r.Packet(&p, &Origin{Process: model.Process{PID: 5}})
		quoted := p
		quoted.Payload, quoted.PayloadLen = nil, 0
		if c := r.Unreachable(&quoted).Connection(); c != uint64(i+1) {
			t.Errorf("it is of connection %d", c)
		}
	}
	stray := p
	stray.Src, stray.Dst = server, client
	r.Unreachable(&stray)
	r.Close()
	var got []string
	for _, x := range r.got {
		got = append(got, x.Transport.String()+" "+line(x))
	}
	want := []string{"udp 127.0.0.1:40000(5 packet) 127.0.0.1:7( ) refused", "udp 127.0.0.1:40000(5 packet) 127.0.0.1:7( ) refused"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if a := r.Account(); a.Records.Failures != 2 || a.Streams.Refused != 2 {
		t.Errorf("account %+v", a)
	}
}

// A rule that rejects a connection answers its SYN so.
func TestRejectedConnection(t *testing.T) {
	r := newRig(Options{})
	r.send(client, server, "S", 100, 0, "", 5)
	r.Unreachable(&packet.Packet{Time: begin, Src: client, Dst: server, Protocol: packet.TCP})
	// One that is open is not ended by it.
	other := netip.MustParseAddrPort("127.0.0.1:8")
	r.send(client, other, "S", 100, 0, "", 5)
	r.send(other, client, "SA", 300, 101, "", 6)
	r.Unreachable(&packet.Packet{Time: begin, Src: client, Dst: other, Protocol: packet.TCP})
	r.send(client, other, "A", 101, 301, "echo a\n", 5)
	r.send(other, client, "A", 301, 108, "b\n", 6)
	r.Close()
	if len(r.got) != 2 || r.got[0].Failure != Refused || r.got[1].Exchange == nil {
		t.Errorf("records %v", r.got)
	}
}
