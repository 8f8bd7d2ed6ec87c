package tapfile

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/capture/pcapfile"
	"lodge/internal/decode"
	"lodge/internal/decode/all"
	"lodge/internal/decode/tls"
	"lodge/internal/decode/tlskeys"
	"lodge/internal/tap"
)

// buffer is a file in memory.
type buffer struct{ bytes.Buffer }

func (b *buffer) writeAt(p []byte, at int64) { copy(b.Bytes()[at:], p) }

// Keys stand before all packets as far as there is room, and the others where they came.
func TestKeySpace(t *testing.T) {
	line := func(i int) string {
		return fmt.Sprintf("CLIENT_RANDOM %064x %s\n", i, strings.Repeat("ab", 48))
	}
	size := len(line(0))
	for _, tt := range []struct {
		space, lines, before int
	}{
		{0, 2, 0}, {3 * size, 0, 0}, {3 * size, 2, 2}, {3 * size, 3, 3}, {3*size + 1, 3, 3}, {3*size + 2, 4, 3},
	} {
		var file buffer
		w, err := NewWriter(&file, Options{Link: packet.LinkEthernet, Interface: "lo", Version: "1", KeySpace: tt.space})
		if err != nil {
			t.Fatal(err)
		}
		at := time.Unix(1e9, 0)
		if err := w.Packet(0, at, make([]byte, 60), 60, 0, nil, nil); err != nil {
			t.Fatal(err)
		}
		for i := range tt.lines {
			if err := w.Secrets([]byte(line(i))); err != nil {
				t.Fatal(err)
			}
			if at, b := w.KeySpace(); len(b) > 0 {
				file.writeAt(b, at)
			}
		}
		if err := w.Close(&tap.Capture{}); err != nil {
			t.Fatal(err)
		}
		r, err := pcapfile.Open(bytes.NewReader(file.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		read := func() (lines int) {
			var log tlskeys.Log
			for _, s := range r.Secrets() {
				_, _ = log.Write(s.Data)
			}
			lines, ignored, bad := log.Counts()
			if ignored+bad > 0 {
				t.Errorf("%+v: %d lines ignored, %d bad", tt, ignored, bad)
			}
			return lines
		}
		if got := read(); got != tt.before {
			t.Errorf("%+v: %d lines before the first packet", tt, got)
		}
		for err == nil {
			_, err = r.Next()
		}
		if got := read(); got != tt.lines {
			t.Errorf("%+v: %d lines", tt, got)
		}
	}
}

// A capture file with keys is decrypted, wherever they stand in it.
func TestKeysOfFile(t *testing.T) {
	const capture = "../../decode/tls/testdata/keys/nginx13"
	packets, err := os.ReadFile(capture + ".pcap")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := os.ReadFile(capture + ".keys")
	if err != nil {
		t.Fatal(err)
	}
	for _, where := range []string{"before", "in the middle", "nowhere"} {
		in, err := pcapfile.Open(bytes.NewReader(packets))
		if err != nil {
			t.Fatal(err)
		}
		var file bytes.Buffer
		w, err := NewWriter(&file, Options{Link: packet.LinkEthernet, Interface: "lo", Version: "1"})
		if err != nil {
			t.Fatal(err)
		}
		for n := 0; ; n++ {
			if where == "before" && n == 0 || where == "in the middle" && n == 10 {
				if err := w.Secrets(keys); err != nil {
					t.Fatal(err)
				}
			}
			r, err := in.Next()
			if err != nil {
				break
			}
			if err := w.Packet(0, r.Time, r.Data, int(r.OrigLen), 0, nil, nil); err != nil {
				t.Fatal(err)
			}
		}
		src, err := Open(&file)
		if err != nil {
			t.Fatal(err)
		}
		var log tlskeys.Log
		src.Keys(func(b []byte) { _, _ = log.Write(b) })
		secure := 0
		e := tap.New(tap.Options{
			Protocols: all.Protocols(tls.Config{Keys: &log}), Decode: decode.Options{Limits: decode.DefaultLimits()}, Ends: src, OriginSource: tap.SourceFile,
			Record: func(r *tap.Record) {
				if r.Exchange != nil && r.Exchange.Secure {
					secure++
				}
			},
		})
		if err := src.Run(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		want := 14
		if where == "nowhere" {
			want = 0
		}
		if secure != want {
			t.Errorf("keys %s: %d exchanges, want %d", where, secure, want)
		}
	}
}
