package tls_test

import (
	"bytes"
	gotls "crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"lodge/internal/decode"
	"lodge/internal/decode/tls"
	"lodge/internal/decode/tlskeys"
)

// wire is one side of a connection that remembers what is sent.
type wire struct {
	net.Conn
	side decode.Side
	sent *[]sent
	mu   chan struct{}
}

type sent struct {
	side decode.Side
	b    []byte
}

func (w *wire) Write(b []byte) (int, error) {
	w.mu <- struct{}{}
	*w.sent = append(*w.sent, sent{w.side, bytes.Clone(b)})
	<-w.mu
	return w.Conn.Write(b)
}

const items = 300

// talk returns the bytes of a connection of Go's TLS in which the server sends lines,
// and its keys. The server takes one of the groups, if there are some.
func talk(t *testing.T, suite, version uint16, groups ...gotls.CurveID) (all []sent, keys *tlskeys.Log) {
	t.Helper()
	certified := httptest.NewUnstartedServer(nil)
	certified.StartTLS()
	defer certified.Close()
	keys = new(tlskeys.Log)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	mu := make(chan struct{}, 1)
	client := gotls.Client(&wire{a, decode.Client, &all, mu}, &gotls.Config{InsecureSkipVerify: true, KeyLogWriter: keys, MaxVersion: version, CipherSuites: []uint16{suite}})
	server := gotls.Server(&wire{b, decode.Server, &all, mu}, &gotls.Config{Certificates: certified.TLS.Certificates, MaxVersion: version, CipherSuites: []uint16{suite}, CurvePreferences: groups, DynamicRecordSizingDisabled: true})
	done := make(chan error, 1)
	go func() {
		if _, err := io.ReadFull(server, make([]byte, len("give\n"))); err != nil {
			done <- err
			return
		}
		for i := range items {
			if _, err := fmt.Fprintf(server, "item %d %s\n", i, bytes.Repeat([]byte("."), i%7*100)); err != nil {
				done <- err
				return
			}
		}
		done <- server.Close()
	}()
	_, err = fmt.Fprint(client, "give\n")
	if err == nil {
		_, err = io.Copy(io.Discard, client)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(client.Close(), <-done); err != nil {
		t.Fatal(err)
	}
	return all, keys
}

// plain is a protocol that notes what comes.
type plain struct {
	got  [2]bytes.Buffer
	gaps [2]int
}

func (p *plain) protocol() *decode.Protocol {
	return &decode.Protocol{Name: "plain", Detect: func(*decode.Prefix) decode.Verdict { return decode.Yes }, New: func(*decode.Conn) decode.Decoder { return p }}
}

func (p *plain) Data(s decode.Side, _ time.Time, b []byte) { p.got[s].Write(b) }
func (p *plain) Gap(s decode.Side, _ time.Time, n int64)   { p.gaps[s]++; p.got[s].WriteString("GAP\n") }
func (p *plain) End(decode.Side, time.Time, decode.End)    {}

// TestGaps takes bytes out of a connection: what follows them is found again, with the
// number of its record.
func TestGaps(t *testing.T) {
	for _, kind := range []struct {
		suite, version uint16
	}{
		{gotls.TLS_AES_128_GCM_SHA256, gotls.VersionTLS13},
		{gotls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, gotls.VersionTLS12},
		{gotls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, gotls.VersionTLS12},
		{gotls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, gotls.VersionTLS12},
	} {
		all, keys := talk(t, kind.suite, kind.version)
		var stream int
		for _, s := range all {
			if s.side == decode.Server {
				stream += len(s.b)
			}
		}
		for seed := range uint64(40) {
			r := rand.New(rand.NewPCG(seed, 2))
			from := stream/3 + r.IntN(stream/3)
			size := 1 + r.IntN([]int{10, 300, 5000}[seed%3])
			known := seed%4 != 0
			tryGap(t, fmt.Sprintf("suite %04x, %d bytes from %d on, seed %d", kind.suite, size, from, seed), all, keys, from, size, known, r)
		}
	}
}

func tryGap(t *testing.T, what string, all []sent, keys *tlskeys.Log, from, size int, known bool, r *rand.Rand) {
	t.Helper()
	p := new(plain)
	var lost int64
	c := decode.NewConn(decode.Options{Limits: decode.DefaultLimits()}, func(*decode.Exchange) {}, func(l decode.Loss) { lost += max(l.Bytes, 0) })
	d := tls.New(tls.Config{Keys: keys, Inside: []*decode.Protocol{p.protocol()}}).New(c)
	at := time.Unix(1e9, 0)
	pos := 0
	for _, s := range all {
		b := s.b
		if s.side == decode.Server {
			begin := pos
			pos += len(b)
			if cut := min(max(from-begin, 0), len(b)); begin <= from && from < pos {
				give(d, s.side, at, b[:cut], r)
				n := int64(size)
				if !known {
					n = -1
				}
				d.Gap(s.side, at, n)
			}
			switch {
			case begin+len(b) <= from:
			case begin >= from+size:
			default:
				b = b[min(max(from+size-begin, 0), len(b)):]
			}
		}
		give(d, s.side, at, b, r)
	}
	d.End(decode.Client, at, decode.Closed)
	d.End(decode.Server, at, decode.Closed)
	if got := p.got[decode.Client].String(); got != "give\n" {
		t.Errorf("%s: the client sent %q", what, got)
	}
	lines := bytes.Split(bytes.TrimSuffix(p.got[decode.Server].Bytes(), []byte("\n")), []byte("\n"))
	var numbers []int
	for _, l := range lines {
		var n int
		if _, err := fmt.Sscanf(string(l), "item %d", &n); err == nil {
			numbers = append(numbers, n)
		}
	}
	if p.gaps[decode.Server] != 1 || !slices.IsSorted(numbers) || len(numbers) == 0 || numbers[0] != 0 || numbers[len(numbers)-1] != items-1 {
		t.Errorf("%s: %d gaps, items %v", what, p.gaps[decode.Server], numbers)
	}
	// What is lost is the gap, and the records that it cuts.
	if most := int64(size + 2*800); lost > most {
		t.Errorf("%s: %d bytes lost", what, lost)
	}
}

func give(d decode.Decoder, s decode.Side, at time.Time, b []byte, r *rand.Rand) {
	for len(b) > 0 {
		n := min(1+r.IntN(2000), len(b))
		d.Data(s, at, b[:n])
		b = b[n:]
	}
}

// TestBounds holds that a connection without keys holds a bounded amount, and says why
// it is not decrypted.
func TestBounds(t *testing.T) {
	all, _ := talk(t, gotls.TLS_AES_128_GCM_SHA256, gotls.VersionTLS13)
	var got []*decode.Exchange
	c := decode.NewConn(decode.Options{Limits: decode.DefaultLimits()}, func(e *decode.Exchange) { got = append(got, e) }, nil)
	d := tls.New(tls.Config{Keys: new(tlskeys.Log)}).New(c)
	at := time.Unix(1e9, 0)
	for _, s := range all {
		d.Data(s.side, at, s.b)
	}
	if len(got) != 0 {
		t.Errorf("%d exchanges while the keys may come", len(got))
	}
	record := append([]byte{23, 3, 3, 0x40, 0}, make([]byte, 1<<14)...)
	for range 20 {
		d.Data(decode.Server, at, record)
	}
	if len(got) != 1 || got[0].Method != "handshake" {
		t.Fatalf("%d exchanges when too much is held", len(got))
	}
	d.End(decode.Client, at, decode.Closed)
	d.End(decode.Server, at, decode.Closed)
	if len(got) != 2 || got[1].Unknown[0] != "what was sent: it is encrypted; no keys for this connection in the key log" {
		t.Errorf("%+v", got[1])
	}
}
