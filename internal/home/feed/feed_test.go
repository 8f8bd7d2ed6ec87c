package feed

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"testing"
	"time"

	"lodge/internal/rawjson"
)

func frame(t testing.TB, h Header, payload []byte) []byte {
	t.Helper()
	h.Size = len(payload)
	b := make([]byte, HeaderSize, HeaderSize+len(payload))
	h.Put(b)
	return append(b, payload...)
}

// TestFrames: what is written is read, and each kind of end is told.
func TestFrames(t *testing.T) {
	o := Opening{
		Client: netip.MustParseAddrPort("127.0.0.1:40000"), Server: netip.MustParseAddrPort("[::1]:80"),
		Process: Process{PID: 7, Start: 9, Name: "a", Command: "a \xff", Directory: "/", UID: 1000}, ClientService: "web",
	}
	opened, err := rawjson.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(12, 345)
	var all []byte
	all = append(all, frame(t, Header{Kind: Opened, Connection: 1, At: at}, opened)...)
	all = append(all, frame(t, Header{Kind: Data, Side: Server, Connection: 1 << 40, At: at, Missing: 1 << 33}, bytes.Repeat([]byte("x"), MaxPayload))...)
	all = append(all, frame(t, Header{Kind: Reset, Connection: 1, At: at}, nil)...)
	r := NewReader(bytes.NewReader(all))
	h, payload, err := r.Next()
	if err != nil || h.Kind != Opened || h.Connection != 1 || !h.At.Equal(at) {
		t.Fatal(h, err)
	}
	if got, err := h.Opening(payload); err != nil || got != o {
		t.Fatalf("got %+v, %v", got, err)
	}
	h, payload, err = r.Next()
	if err != nil || h.Side != Server || h.Missing != 1<<33 || h.Connection != 1<<40 || len(payload) != MaxPayload {
		t.Fatal(h, len(payload), err)
	}
	if h, payload, err = r.Next(); err != nil || h.Kind != Reset || len(payload) != 0 {
		t.Fatal(h, err)
	}
	if _, _, err = r.Next(); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	for _, n := range []int{1, HeaderSize - 1, HeaderSize, HeaderSize + 3} {
		r := NewReader(bytes.NewReader(all[:n]))
		if _, _, err := r.Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}

// FuzzReader: a reader takes any bytes, and what it returns lies within them.
func FuzzReader(f *testing.F) {
	f.Add(frame(f, Header{Kind: Data, Connection: 1}, []byte("abc")))
	f.Add(frame(f, Header{Kind: Opened, Connection: 1}, []byte(`{"client":"127.0.0.1:1","server":"127.0.0.1:2"}`)))
	f.Add(frame(f, Header{Kind: Counts}, []byte(`{"seen":{"pieces":1}}`)))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, left := NewReader(bytes.NewReader(b)), len(b)
		for {
			h, payload, err := r.Next()
			if err != nil {
				return
			}
			if left -= HeaderSize + len(payload); left < 0 || len(payload) != h.Size {
				t.Fatalf("%d bytes too many, a payload of %d", -left, len(payload))
			}
			_, _ = h.Opening(payload)
			_, _ = h.Totals(payload)
		}
	})
}
