package stream

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/decode"
)

var (
	clientAddr = netip.MustParseAddrPort("127.0.0.1:40000")
	serverAddr = netip.MustParseAddrPort("127.9.8.7:80")
)

// script plays segments to a table and writes down what comes out. A line is
//
//	c|s FLAGS SEQ ACK [PAYLOAD] [+N] [*N]
//
// with FLAGS of S, F, R, A, seq and ack relative to isn of the side, +N for N
// more bytes of payload that the capture cut, and *N for N times the payload. Or
//
//	t N             N milliseconds pass, with Expire
//	isn c|s N       another initial sequence number
//	flush
type script struct {
	t      *testing.T
	table  *Table
	isn    [2]uint32
	addr   [2]netip.AddrPort
	now    time.Time
	log    []string
	conns  int
	unwant bool
}

func newScript(t *testing.T, o Options) *script {
	s := &script{t: t, isn: [2]uint32{1000, 500000}, addr: [2]netip.AddrPort{clientAddr, serverAddr}, now: time.Unix(1_000_000, 0)}
	s.table = New(o, func(o Opened) Conn {
		s.conns++
		who := "server"
		if o.Key.Src == s.addr[0] {
			who = "client"
		}
		line := "open by " + who
		if !o.ClientKnown {
			line += "?"
		}
		if o.Midstream {
			line += " midstream"
		}
		s.add("%s", line)
		if s.unwant {
			return nil
		}
		return &logged{s: s}
	})
	return s
}

func (s *script) add(format string, args ...any) { s.log = append(s.log, fmt.Sprintf(format, args...)) }

type logged struct {
	s    *script
	over [2]bool
	last [2]time.Time
}

func (l *logged) check(s decode.Side, at time.Time) {
	if l.over[s] {
		l.s.t.Errorf("a call after the end of the %s", s)
	}
	if at.Before(l.last[s]) {
		l.s.t.Errorf("time goes back from %v to %v", l.last[s], at)
	}
	l.last[s] = at
}

func (l *logged) Data(s decode.Side, at time.Time, b []byte) {
	l.check(s, at)
	if len(b) == 0 {
		l.s.t.Error("no bytes")
	}
	text := string(b)
	if len(text) > 40 {
		text = fmt.Sprintf("%d bytes", len(b))
	}
	l.s.add("%c %s", s.String()[0], text)
}

func (l *logged) Gap(s decode.Side, at time.Time, n int64) {
	l.check(s, at)
	l.s.add("%c gap %d", s.String()[0], n)
}

func (l *logged) End(s decode.Side, at time.Time, how decode.End) {
	l.check(s, at)
	l.over[s] = true
	l.s.add("%c %s", s.String()[0], [...]string{"", "closed", "reset", "stopped"}[how])
}

func (l *logged) Refused(time.Time) { l.s.add("refused") }

func (s *script) play(lines ...string) {
	for _, l := range lines {
		s.line(l)
		checkCounts(s.t, s.table)
	}
}

func (s *script) line(l string) {
	f := strings.Fields(l)
	num := func(v string) int {
		n, err := strconv.Atoi(v)
		if err != nil {
			s.t.Fatalf("line %q: %v", l, err)
		}
		return n
	}
	switch f[0] {
	case "t":
		s.now = s.now.Add(time.Duration(num(f[1])) * time.Millisecond)
		s.table.Expire(s.now)
		return
	case "isn":
		s.isn[strings.Index("cs", f[1])] = uint32(num(f[2]))
		return
	case "flush":
		s.table.Flush()
		return
	}
	side := strings.Index("cs", f[0])
	s.now = s.now.Add(time.Millisecond)
	p := packet.Packet{
		Time: s.now, Src: s.addr[side], Dst: s.addr[1-side], Protocol: packet.TCP,
		Seq: s.isn[side] + uint32(num(f[2])),
	}
	for _, c := range f[1] {
		switch c {
		case 'S':
			p.Flags |= packet.SYN
		case 'F':
			p.Flags |= packet.FIN
		case 'R':
			p.Flags |= packet.RST
		case 'A':
			p.Flags |= packet.ACK
			p.Ack = s.isn[1-side] + uint32(num(f[3]))
		}
	}
	cut := 0
	for _, v := range f[min(len(f), 4):] {
		switch v[0] {
		case '+':
			cut = num(v[1:])
		case '*':
			p.Payload = []byte(strings.Repeat(string(p.Payload), num(v[1:])))
		default:
			p.Payload = []byte(v)
		}
	}
	p.PayloadLen = len(p.Payload) + cut
	s.table.Packet(&p)
}

// checkCounts holds that each byte and each connection is accounted for.
func checkCounts(t interface {
	Helper()
	Fatalf(string, ...any)
}, table *Table) {
	t.Helper()
	c := table.Counts()
	if c.Bytes != c.Delivered+c.Retransmitted+c.Late+c.AfterEnd+c.Stray+c.Cut+c.Held {
		t.Fatalf("bytes are not accounted for: %+v", c)
	}
	if c.Opened != c.Closed+c.Reset+c.Replaced+c.Expired+c.Evicted+c.Stopped+c.Open {
		t.Fatalf("connections are not accounted for: %+v", c)
	}
	if (c.Held == 0) != (table.cost == 0) && table.cost == 0 {
		t.Fatalf("%d bytes are held, at a cost of %d", c.Held, table.cost)
	}
}

// nonzero returns the counts that are set, without those that all have.
func nonzero(c Counts) string {
	text := strings.Trim(fmt.Sprintf("%+v", c), "{}")
	var out []string
	for _, f := range strings.Fields(text) {
		name, value, _ := strings.Cut(f, ":")
		if value != "0" && !strings.Contains(" Packets Bytes Delivered Opened Closed Open Stopped ", " "+name+" ") {
			out = append(out, f)
		}
	}
	return strings.Join(out, " ")
}
