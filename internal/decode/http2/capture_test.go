package http2

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lodge/internal/decode"
	"lodge/internal/decode/captest"
	"lodge/internal/decode/http1"
	"lodge/internal/decode/websocket"
)

var captures = []string{"testdata/nginx.pcap", "testdata/node.pcap", "testdata/odd.pcap"}

func TestCaptures(t *testing.T) {
	for _, file := range captures {
		captest.Golden(t, file, New(Config{}))
		captest.Splits(t, file, New(Config{}))
	}
}

// TestJoined cuts the beginning off captures, after each packet, and holds that
// nothing is said of an exchange that the whole capture does not say.
func TestJoined(t *testing.T) {
	for _, file := range captures {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		whole := map[string]*decode.Exchange{}
		each(t, file, func(key string, e *decode.Exchange) { whole[key] = e })
		at, records := 24, []int{}
		for at < len(b) {
			records = append(records, at)
			at += 16 + int(binary.LittleEndian.Uint32(b[at+8:]))
		}
		cut := filepath.Join(t.TempDir(), "cut.pcap")
		unknown, known := 0, 0
		step := 1 + len(records)/40
		for i := step; i < len(records); i += step {
			if err := os.WriteFile(cut, append(b[:24:24], b[records[i]:]...), 0o600); err != nil {
				t.Fatal(err)
			}
			each(t, cut, func(key string, e *decode.Exchange) {
				full := whole[key]
				if full == nil {
					t.Fatalf("%s from packet %d: exchange %s is not in the whole", file, i, key)
				}
				for _, x := range [][2]string{{e.Method, full.Method}, {e.Target, full.Target}, {e.Host, full.Host}, {e.Status, full.Status}} {
					if x[0] != "" && x[0] != x[1] {
						t.Errorf("%s from packet %d, %s: %q, want %q", file, i, key, x[0], x[1])
					}
				}
				u, k := subset(t, key, e.Request.Header, full.Request.Header)
				v, l := subset(t, key, e.Response.Header, full.Response.Header)
				unknown, known = unknown+u+v, known+k+l
				if u+v > 0 && len(e.Unknown) == 0 {
					t.Errorf("%s: unknown fields are not explained", key)
				}
			})
		}
		if t.Logf("%s: %d fields known, %d unknown", file, known, unknown); known == 0 || unknown == 0 {
			t.Errorf("%s: %d fields known, %d unknown", file, known, unknown)
		}
	}
}

// each calls f with the requests in a capture, with a name for each stream.
func each(t *testing.T, file string, f func(key string, e *decode.Exchange)) {
	t.Helper()
	for _, flow := range captest.FlowsWith(t, file, decode.Options{Limits: decode.DefaultLimits(), Secrets: true}, New(Config{})) {
		for _, e := range flow.Exchanges {
			if e.Kind == decode.KindRequest && !e.Begun {
				f(fmt.Sprint(flow.Client.Port(), "/", e.Stream), e)
			}
		}
	}
}

// subset holds that the known fields of part are those of whole at their places,
// and counts them and the others.
func subset(t *testing.T, key string, part, whole []decode.Field) (unknown, known int) {
	t.Helper()
	// A pseudo-header field that is not known is among them too, before the others.
	skip := len(part) - len(whole)
	for i, f := range part {
		if f.Name == UnknownName {
			unknown++
			continue
		}
		known++
		if i < skip || f != whole[i-skip] {
			t.Errorf("%s: %v, want %v", key, part, whole)
			return unknown, known
		}
	}
	return unknown, known
}

func FuzzHTTP2(f *testing.F) {
	captest.Seeds(f, "testdata/*.pcap")
	f.Fuzz(func(t *testing.T, b []byte) { captest.Play(b, New(Config{})) })
}

// all returns HTTP/2 with WebSocket in extended CONNECT, and HTTP/1 before it.
func all() []*decode.Protocol {
	return []*decode.Protocol{http1.Protocol(), New(Config{Tunnels: map[string]*decode.Protocol{websocket.Name: websocket.Protocol()}})}
}

// TestUpgradeCapture is the upgrade of curl and nghttp from HTTP/1.1, where the
// first response is on stream 1, prior knowledge, events, an aborted handler, and
// a client that gives up.
func TestUpgradeCapture(t *testing.T) {
	captest.Golden(t, "testdata/upgrade.pcap", all()...)
	captest.Splits(t, "testdata/upgrade.pcap", all()...)
}

// TestTunnelCapture holds that the first stream in a tunnel that CONNECT made is its own,
// and not the answer to the CONNECT.
func TestTunnelCapture(t *testing.T) {
	captest.Golden(t, "testdata/tunnel.pcap", all()...)
	captest.Splits(t, "testdata/tunnel.pcap", all()...)
}

// TestWebSocketCapture holds that frames in an extended CONNECT are messages.
func TestWebSocketCapture(t *testing.T) {
	var got []string
	for _, e := range captest.Exchanges(captest.Flows(t, "testdata/node.pcap", all()...)) {
		if e.Protocol == websocket.Name {
			got = append(got, fmt.Sprintf("%s %s %s %d %s", e.From, e.Method, e.Target, e.Stream, e.Request.Body))
		}
	}
	want := []string{"client text /chat 21 ping", "server text /chat 21 pong", "client close /chat 21 ", "server text /chat 21 pong", "server close /chat 21 "}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	captest.Splits(t, "testdata/node.pcap", all()...)
}
