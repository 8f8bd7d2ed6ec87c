package text

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/decode"
	"lodge/internal/model"
	"lodge/internal/tap"
)

var at = time.Date(2026, 3, 4, 12, 0, 0, 250_000_000, time.Local)

func sample() *tap.Record {
	return &tap.Record{
		Number: 1, Connection: 1, Transport: packet.TCP, Time: at,
		Client: tap.End{Address: netip.MustParseAddrPort("127.0.0.1:40000"), Processes: []model.Process{{PID: 7, Name: "curl", Command: "curl -s localhost:4000"}}},
		Server: tap.End{Address: netip.MustParseAddrPort("127.80.0.1:4000"), Project: "shop", Service: "api", Processes: []model.Process{{PID: 8, Name: "node"}}},
		Exchange: &decode.Exchange{
			Protocol: "http", Version: "1.1", Kind: decode.KindRequest, Started: at, Answered: at.Add(1320 * time.Microsecond), Ended: at.Add(2 * time.Millisecond),
			Method: "GET", Target: "/items?page=2", Host: "localhost:4000", Status: "200 OK", Code: 200,
			Request:  decode.Message{Bytes: 100, Header: []decode.Field{{Name: "Host", Value: "localhost:4000"}}},
			Response: decode.Message{Bytes: 2000, Header: []decode.Field{{Name: "Content-Type", Value: "text/plain"}}, Body: []byte("one\ntwo\x1b[2J\n"), BodyBytes: 12},
		},
	}
}

func line(r *tap.Record) string {
	parts := partsOf(r, at, new(Printer).note(r))
	return strings.Join(strings.Fields(parts.line(0)), " ")
}

func TestLine(t *testing.T) {
	with := func(change func(r *tap.Record)) *tap.Record {
		r := sample()
		change(r)
		return r
	}
	for _, tt := range []struct {
		r    *tap.Record
		want string
	}{
		{sample(), "12:00:00.250 http curl → shop/api:4000 GET /items?page=2 200 OK 1.32 ms 2.1k"},
		{with(func(r *tap.Record) {
			r.Exchange.Protocol, r.Exchange.Method, r.Exchange.Target, r.Exchange.Status = "postgresql", "SELECT", "select *\n  from items", "SELECT 20"
		}),
			"12:00:00.250 postgresql curl → shop/api:4000 select * from items SELECT 20 1.32 ms 2.1k"},
		{with(func(r *tap.Record) {
			r.Exchange, r.Failure = nil, tap.Refused
			r.Server = tap.End{Address: netip.MustParseAddrPort("[::1]:5433")}
		}),
			"12:00:00.250 tcp curl → [::1]:5433 connect refused"},
		{with(func(r *tap.Record) {
			r.Exchange.Kind, r.Exchange.From, r.Exchange.Method, r.Exchange.Target, r.Exchange.Response = decode.KindMessage, decode.Server, "message", "news", decode.Message{}
		}),
			"12:00:00.250 http curl ← shop/api:4000 message news 100B"},
		{with(func(r *tap.Record) {
			r.Exchange.Status, r.Exchange.Response, r.Exchange.Answered = "", decode.Message{}, time.Time{}
		}),
			"12:00:00.250 http curl → shop/api:4000 GET /items?page=2 no answer 100B"},
		{with(func(r *tap.Record) { r.Exchange.Unknown = []string{"its begin was not seen"} }),
			"12:00:00.250 http curl → shop/api:4000 GET /items?page=2 200 OK 1.32 ms 2.1k (its begin was not seen)"},
		{with(func(r *tap.Record) {
			r.Server.Service, r.Server.Project = "", ""
			r.Server.Processes = []model.Process{{PID: 9, Name: "docker-proxy"}}
			r.Server.Behind = &tap.Behind{Address: netip.MustParseAddrPort("172.17.0.2:80"), Processes: []model.Process{{PID: 10, Name: "nginx"}}, Container: "web-1"}
		}),
			"12:00:00.250 http curl → docker-proxy:4000 → nginx:80 (web-1) GET /items?page=2 200 OK 1.32 ms 2.1k"},
		{with(func(r *tap.Record) { r.Server.Service, r.Server.Processes = "", nil; r.Server.Container = "db-1" }),
			"12:00:00.250 http curl → db-1:4000 GET /items?page=2 200 OK 1.32 ms 2.1k"},
		{with(func(r *tap.Record) { r.Time = at.AddDate(0, 0, -1); r.Server.Service = "" }),
			"2026-03-03 12:00:00.250 http curl → shop/node:4000 GET /items?page=2 200 OK 1.32 ms 2.1k"},
	} {
		if got := line(tt.r); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

func TestVerbose(t *testing.T) {
	var b strings.Builder
	if err := (&Printer{Out: &b, Verbose: true, Today: at}).Record(sample()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"    client     127.0.0.1:40000, process 7 curl -s localhost:4000\n", "    server     127.80.0.1:4000, process 8 node\n",
		"    > Host: localhost:4000\n", "    < Content-Type: text/plain\n", "    < (12 bytes, not text)\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "\x1b") {
		t.Error("an escape sequence of a body is printed")
	}
}

// A narrow terminal has the request, and what identifies the ends.
func TestNarrow(t *testing.T) {
	long := sample()
	long.Exchange.Target = "/api/v2/organisations/42/projects/7/items?page=2&sort=name"
	long.Exchange.Unknown = []string{"its begin was not seen"}
	long.Client.Processes[0].Name = "a-very-long-name-of-a-client"
	for _, tt := range []struct {
		r     *tap.Record
		width int
		want  string
	}{
		{sample(), 0, "12:00:00.250  http        curl → shop/api:4000                  GET /items?page=2  200 OK  1.32 ms  2.1k"},
		{sample(), 120, "12:00:00.250  http        curl → shop/api:4000                  GET /items?page=2  200 OK  1.32 ms  2.1k"},
		{sample(), 100, "12:00:00.250  http        curl → shop/api:4000                  GET /items?page=2  200 OK  1.32 ms"},
		{sample(), 80, "12:00:00  http        curl → shop/api:4000    GET /items?page=2  200  1.32 ms"},
		{long, 120, "12:00:00.250  http        a-ve…t → shop/api:4000  GET /api/v2/organisations/42/projects…s?page=2&sort=name  200  1.32 ms"},
		{long, 80, "12:00:00  http        a-ve…t → shop/api:4000  GET /api/v2/o…t=name  200  1.32 ms"},
		{long, 40, "12:00:00  http        a-ve…t → shop/api…"},
	} {
		var b strings.Builder
		if err := (&Printer{Out: &b, Width: tt.width, Today: at}).Record(tt.r); err != nil {
			t.Fatal(err)
		}
		got := strings.TrimSuffix(b.String(), "\n")
		if got != tt.want {
			t.Errorf("%d columns:\ngot  %s\nwant %s", tt.width, got, tt.want)
		}
		if n := len([]rune(got)); tt.width > 0 && n > tt.width {
			t.Errorf("%d columns: it has %d", tt.width, n)
		}
	}
}

// What may not be shown is shown in one way, whatever protocol it comes from.
func TestOneDisplay(t *testing.T) {
	r := sample()
	r.Exchange.Target, r.Exchange.Status = "/a\x1b[31m\u202e\x7f\u009b", "200 \xff"
	want := `12:00:00.250 http curl → shop/api:4000 GET /a\x1b[31m\u202e\x7f\u009b 200 \xff 1.32 ms 2.1k`
	if got := line(r); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Whatever is in a record, one line is printed, without control characters.
func FuzzLine(f *testing.F) {
	f.Add("GET", "/x\r\n\x1b[31m", "200\nOK", "sh\x00op")
	f.Fuzz(func(t *testing.T, method, target, status, name string) {
		r := sample()
		r.Exchange.Method, r.Exchange.Target, r.Exchange.Status, r.Client.Processes[0].Name = method, target, status, name
		var b strings.Builder
		if err := (&Printer{Out: &b, Today: at}).Record(r); err != nil {
			t.Fatal(err)
		}
		text := strings.TrimSuffix(b.String(), "\n")
		if strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c == 0x7f }) {
			t.Fatalf("printed %q", text)
		}
	})
}

func TestAccount(t *testing.T) {
	a := &tap.Account{
		Capture: tap.Capture{Seen: tap.Count{Packets: 10}, Delivered: tap.Count{Packets: 7}, LeftOut: map[string]tap.Count{"ack": {Packets: 3}}},
		Streams: tap.Streams{Connections: 2},
		Records: tap.Records{Exchanges: 4, Selected: 4, Ends: 8, Attributed: 8},
	}
	if got := Account(a); len(got) != 1 || got[0] != "4 exchanges on 2 connections, 10 packets; processes known at 100 % of the ends; nothing lost" {
		t.Errorf("got %q", got)
	}
	a.Capture.Delivered.Packets, a.Capture.Lost = 5, map[string]tap.Count{"ring_full": {Packets: 2}}
	a.Records.Attributed, a.Records.Selected = 7, 1
	got := strings.Join(Account(a), "\n")
	if got != "4 exchanges (1 selected) on 2 connections, 10 packets; processes known at 87 % of the ends\n2 packets lost: the ring was full" {
		t.Errorf("got %s", got)
	}
	a.Capture.LeftOut["filter"], a.Capture.Seen.Packets, a.Records.NotInArchive = tap.Count{Packets: 4}, 14, 1
	got = strings.Join(Account(a), "\n")
	if !strings.Contains(got, " 10 packets (4 others were not asked for);") || !strings.Contains(got, "1 exchange of HTTP not in the .har: the request was not seen") {
		t.Errorf("got %s", got)
	}
	a.Capture.Lost = nil
	if got := strings.Join(Account(a), "\n"); !strings.Contains(got, "2 packets not accounted for") {
		t.Errorf("a loss without a reason is not told: %s", got)
	}
}

// What is not known of a connection is said once.
func TestNotesAreSaidOnce(t *testing.T) {
	var b strings.Builder
	p := &Printer{Out: &b, Today: at}
	for _, connection := range []uint64{1, 1, 2, 1} {
		r := sample()
		r.Connection, r.Exchange.Unknown = connection, []string{"the begin"}
		if err := p.Record(r); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(b.String(), "(the begin)"); n != 2 {
		t.Errorf("%d times in\n%s", n, b.String())
	}
}
