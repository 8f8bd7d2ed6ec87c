package har

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"lodge/internal/decode"
	"lodge/internal/model"
	"lodge/internal/tap"
)

// sample is a POST with a compressed answer.
func sample() *tap.Record {
	at := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	return &tap.Record{
		Connection: 5, Time: at,
		Client: tap.End{Address: netip.MustParseAddrPort("127.0.0.1:40000"), Processes: []model.Process{{PID: 7, Name: "curl"}}},
		Server: tap.End{Address: netip.MustParseAddrPort("127.0.0.1:4000")},
		Exchange: &decode.Exchange{
			Protocol: "http", Version: "1.1", Kind: decode.KindRequest, Started: at, Answered: at.Add(2 * time.Millisecond), Ended: at.Add(3 * time.Millisecond),
			Method: "POST", Target: "/items?a=1&b=x%20y&c", Host: "localhost:4000", Status: "201 Created", Code: 201,
			Request: decode.Message{Bytes: 120, BodyBytes: 2, Body: []byte("hi"), Header: []decode.Field{{Name: "Content-Type", Value: "text/plain"}, {Name: "Cookie", Value: "a=1; b=2"}}},
			Response: decode.Message{
				Bytes: 150, BodyBytes: 30, Body: bytes.Repeat([]byte("x"), 100), Encoding: "gzip",
				Header: []decode.Field{{Name: "Content-Type", Value: "text/html"}, {Name: "Set-Cookie", Value: "s=9; Path=/"}, {Name: "Location", Value: "/items/1"}},
			},
		},
	}
}

func archived(t *testing.T, list ...*tap.Record) map[string]any {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b, "1.0")
	for _, r := range list {
		if err := w.Record(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close("nothing lost"); err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(b.Bytes(), &out); err != nil {
		t.Fatalf("%v in %s", err, b.String())
	}
	return out["log"].(map[string]any)
}

func TestEntry(t *testing.T) {
	log := archived(t, sample(), sample())
	entries := log["entries"].([]any)
	if len(entries) != 2 || log["version"] != "1.2" {
		t.Fatalf("log %v", log)
	}
	got, err := json.Marshal(entries[1])
	if err != nil {
		t.Fatal(err)
	}
	var want any
	const text = `{"startedDateTime":"2026-03-04T12:00:00Z","time":3,"cache":{},"timings":{"send":0,"wait":2,"receive":1},
	"serverIPAddress":"127.0.0.1","connection":"5","_client":{"processes":[{"pid":7,"name":"curl"}]},
	"request":{"method":"POST","url":"http://localhost:4000/items?a=1&b=x%20y&c","httpVersion":"HTTP/1.1",
	  "cookies":[{"name":"a","value":"1"},{"name":"b","value":"2"}],
	  "headers":[{"name":"Content-Type","value":"text/plain"},{"name":"Cookie","value":"a=1; b=2"}],
	  "queryString":[{"name":"a","value":"1"},{"name":"b","value":"x y"},{"name":"c","value":""}],
	  "postData":{"mimeType":"text/plain","params":[],"text":"hi"},"headersSize":118,"bodySize":2},
	"response":{"status":201,"statusText":"Created","httpVersion":"HTTP/1.1","cookies":[{"name":"s","value":"9"}],
	  "headers":[{"name":"Content-Type","value":"text/html"},{"name":"Set-Cookie","value":"s=9; Path=/"},{"name":"Location","value":"/items/1"}],
	  "content":{"size":100,"compression":70,"mimeType":"text/html","text":"` + "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" + `"},
	  "redirectURL":"/items/1","headersSize":120,"bodySize":30}}`
	if err := json.Unmarshal([]byte(text), &want); err != nil {
		t.Fatal(err)
	}
	wanted, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var again any
	if err := json.Unmarshal(got, &again); err != nil {
		t.Fatal(err)
	}
	if got, err = json.Marshal(again); err != nil || !bytes.Equal(got, wanted) {
		t.Errorf("got  %s\nwant %s", got, wanted)
	}
}

// What is not HTTP is left out, and an archive without entries is one.
// What could act on a terminal is escaped.
func TestControlCharacters(t *testing.T) {
	r := sample()
	r.Exchange.Target = "/\u202e\u009b\x1b[2J"
	var b bytes.Buffer
	if err := NewWriter(&b, "1.0").Record(r); err != nil {
		t.Fatal(err)
	}
	if text := b.String(); strings.ContainsAny(text, "\u202e\u009b\x1b") || !strings.Contains(text, `\u202e\u009b\u001b[2J`) {
		t.Error(text)
	}
}

func TestEmpty(t *testing.T) {
	sql := sample()
	sql.Exchange.Protocol = "postgresql"
	log := archived(t, sql, &tap.Record{Failure: tap.Refused})
	if n := len(log["entries"].([]any)); n != 0 {
		t.Errorf("%d entries", n)
	}
}

func TestNoAnswer(t *testing.T) {
	r := sample()
	r.Exchange.Response, r.Exchange.Answered, r.Exchange.Status, r.Exchange.Code = decode.Message{Incomplete: true}, time.Time{}, "", 0
	response := archived(t, r)["entries"].([]any)[0].(map[string]any)["response"].(map[string]any)
	if response["status"] != 0.0 || response["_error"] == nil || response["bodySize"] != -1.0 {
		t.Errorf("response %v", response)
	}
}

// What has no place in the format is counted.
func TestLeftOut(t *testing.T) {
	w := NewWriter(&bytes.Buffer{}, "1.0")
	answer, statement := sample(), sample()
	answer.Exchange.Method, answer.Exchange.Target = "", ""
	statement.Exchange.Protocol, statement.Exchange.Method = "redis", ""
	for _, r := range []*tap.Record{sample(), answer, answer, statement} {
		if err := w.Record(r); err != nil {
			t.Fatal(err)
		}
	}
	if w.LeftOut() != 2 {
		t.Errorf("%d are left out", w.LeftOut())
	}
}
