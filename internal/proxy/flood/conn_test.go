package flood

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// accountedH2 returns a connection behind its preface, without a socket, whose
// client is known.
func accountedH2(t *testing.T, frames int) *Conn {
	t.Helper()
	l := NewLedger(func(_, _ netip.AddrPort) (string, bool) { return "one", true }, frames, 30*time.Second)
	a := l.accountOf(addressed{remote: netip.MustParseAddrPort("192.0.2.1:1"), local: netip.MustParseAddrPort("127.0.0.1:1")})
	h, err := NewConn(l, nil, nil, a, nil)
	if err != nil {
		t.Fatal(err)
	}
	h.in.skip = 0
	return h
}

// TestLongTransfer: what a client has earned counts for all its connections, too,
// however long it goes on.
func TestLongTransfer(t *testing.T) {
	const burst = 512
	h := accountedH2(t, burst)
	var data, update bytes.Buffer
	if err := http2.NewFramer(&data, nil).WriteData(1, false, make([]byte, 8<<10)); err != nil {
		t.Fatal(err)
	}
	for range 4 { // for each 4 KiB, of the stream and of the connection
		if err := http2.NewFramer(&update, nil).WriteWindowUpdate(1, 4<<10); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 10000 {
		for range 16 { // pieces in flight
			h.sent(data.Bytes())
		}
		for range 16 {
			h.received(update.Bytes())
			h.settle()
		}
		if h.flooded() {
			t.Fatalf("after %d KiB", i*16*8)
		}
	}
}

// TestFarBehind: a client that acknowledges a whole window of small messages, each
// with two WINDOW_UPDATE frames and a PING, only when it has all of them is
// none, however often it does.
func TestFarBehind(t *testing.T) {
	h := accountedH2(t, 8192)
	var data, answer bytes.Buffer
	if err := http2.NewFramer(&data, nil).WriteData(1, false, []byte("piece")); err != nil {
		t.Fatal(err)
	}
	f := http2.NewFramer(&answer, nil)
	if err := errors.Join(f.WriteWindowUpdate(0, 5), f.WriteWindowUpdate(1, 5), f.WritePing(false, [8]byte{})); err != nil {
		t.Fatal(err)
	}
	const window = 65535 // RFC 9113, section 6.9.2
	for i := range 20 {
		for range window / len("piece") {
			h.sent(data.Bytes())
		}
		for range window / len("piece") {
			h.received(answer.Bytes())
			h.settle()
		}
		if h.flooded() {
			t.Fatalf("after %d windows", i)
		}
	}
}
