package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/decode"
	"lodge/internal/model"
	"lodge/internal/tap"
)

func TestLines(t *testing.T) {
	at := time.Date(2026, 3, 4, 12, 0, 0, 250_000_000, time.UTC)
	r := &tap.Record{
		Number: 3, Connection: 2, Transport: packet.TCP, Time: at,
		Client: tap.End{Address: netip.MustParseAddrPort("127.0.0.1:40000"), Processes: []model.Process{{PID: 7, Name: "curl"}}, Source: tap.SourcePacket},
		Server: tap.End{Address: netip.MustParseAddrPort("127.80.0.1:4000"), Project: "shop", Service: "api"},
		Exchange: &decode.Exchange{
			Protocol: "http", Version: "1.1", Kind: decode.KindRequest, Started: at, Answered: at.Add(1500 * time.Nanosecond), Ended: at.Add(time.Millisecond),
			Method: "GET", Target: "/<a>", Status: "200 OK", Code: 200,
			Request:  decode.Message{Bytes: 100},
			Response: decode.Message{Bytes: 50, Body: []byte{0xff, 0}, BodyBytes: 2},
		},
	}
	var b bytes.Buffer
	w := NewWriter(&b)
	if err := w.Record(r); err != nil {
		t.Fatal(err)
	}
	const want = `{"kind":"request","number":3,"time":"2026-03-04T12:00:00.25Z","connection":2,"transport":"tcp",` +
		`"client":{"ip":"127.0.0.1","port":40000,"processes":[{"pid":7,"name":"curl"}],"source":"packet"},` +
		`"server":{"ip":"127.80.0.1","port":4000,"processes":[],"project":"shop","service":"api"},` +
		`"protocol":"http","version":"1.1","method":"GET","target":"/<a>","status":200,"answer":"200 OK","failed":false,"latency_us":1.5,"duration_us":1000,` +
		`"request":{"body_bytes":0,"bytes":100},"response":{"body_base64":"/wA=","body_bytes":2,"bytes":50}}` + "\n"
	if b.String() != want {
		t.Errorf("got  %s\nwant %s", b.String(), want)
	}
	b.Reset()
	// Times are UTC, also of a machine that has another time.
	if err := w.Record(&tap.Record{Number: 4, Transport: packet.TCP, Failure: tap.Refused, Time: at.In(time.FixedZone("", 9*3600))}); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); !strings.Contains(got, `"time":"2026-03-04T12:00:00.25Z"`) || !strings.Contains(got, `"kind":"failure"`) || !strings.Contains(got, `"failed":true,"failure":"refused"`) || strings.Contains(got, "latency") {
		t.Errorf("a failure: %s", got)
	}
	b.Reset()
	a := &tap.Account{Capture: tap.Capture{Seen: tap.Count{Packets: 2, Bytes: 9}, Delivered: tap.Count{Packets: 2, Bytes: 9}}}
	if err := w.Account(a); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Kind     string
		Complete bool
		Capture  struct{ Seen struct{ Packets, Bytes int } }
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil || got.Kind != "account" || !got.Complete || got.Capture.Seen.Bytes != 9 {
		t.Errorf("account %s: %v", b.String(), err)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestFull(t *testing.T) {
	w := NewWriter(full{})
	r := &tap.Record{Failure: tap.Refused}
	for i := range 2 {
		if w.Record(r) == nil {
			t.Errorf("record %d: an error of writing is lost", i)
		}
	}
	if w.Account(&tap.Account{}) == nil {
		t.Error("an error before the account is lost")
	}
}
