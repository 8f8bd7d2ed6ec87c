package diff

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"lodge/internal/decode"
	"lodge/internal/tap"
)

// usual records what a test begins with.
func usual(r *recorder) {
	for range 3 {
		r.items(0, false)
		r.take(10 * time.Millisecond)
	}
	r.http(curl, api, "POST /orders", "201 Created", `{"order":7}`, func() {
		r.sql(api, "INSERT INTO orders (item) VALUES ($1)", "INSERT INTO orders (item) VALUES (?)", "INSERT 0 1", "", "5")
	})
}

// compareRecordings compares two recordings, each made by a function.
func compareRecordings(a, b func(*recorder), o Options) *Report {
	ra, rb := newRecorder("a.jsonl"), newRecorder("b.jsonl")
	rb.now = rb.now.Add(time.Hour)
	a(ra)
	b(rb)
	return Compare(ra.done(), rb.done(), nil, o)
}

func TestFindings(t *testing.T) {
	for _, tt := range []struct {
		name string
		b    func(r *recorder)
		want string
	}{
		{"nothing", usual, ""},
		{"a request more", func(r *recorder) {
			usual(r)
			r.http(curl, api, "GET /new", "200 OK", "{}", func() {
				r.sql(api, "SELECT 1", "SELECT ?", "SELECT 1", "a\n1\n")
				r.sql(api, "SELECT id, price FROM items WHERE id < 7", "SELECT id, price FROM items WHERE id < ?", "SELECT 2", "id\tprice\n1\t12\n2\t7\n")
			})
		}, "- **added** api:4000 http `GET /new` ×1 [B#14]\n" +
			"  - it causes postgres:5432 postgresql `SELECT ?` ×1\n" +
			"  - it causes postgres:5432 postgresql `SELECT id, price FROM items WHERE id < ?` ×1\n"},
		{"one of many, once more", func(r *recorder) {
			usual(r)
			r.http(curl, api, "POST /orders", "201 Created", `{"order":7}`, func() {
				r.sql(api, "INSERT INTO orders (item) VALUES ($1)", "INSERT INTO orders (item) VALUES (?)", "INSERT 0 1", "", "5")
			})
		}, "- **count** api:4000 http `POST /orders` ×2, was ×1 [B#13]\n" +
			"  - it causes postgres:5432 postgresql `INSERT INTO orders (item) VALUES (?)` ×1\n"},
		{"an N+1 query", func(r *recorder) {
			r.items(50, true)
			r.items(0, false)
			r.items(0, false)
			r.http(curl, api, "POST /orders", "201 Created", `{"order":7}`, func() {
				r.sql(api, "INSERT INTO orders (item) VALUES ($1)", "INSERT INTO orders (item) VALUES (?)", "INSERT 0 1", "", "5")
			})
		}, "- **added** postgres:5432 postgresql `SELECT price FROM items WHERE id = ?` ×50, within one api:4000 http `GET /items` (N+1) [B#2 3 4]\n" +
			"- **added** postgres:5432 postgresql `SELECT id FROM items WHERE id < ?` ×1, within one api:4000 http `GET /items` [B#1]\n" +
			"- **count** postgres:5432 postgresql `SELECT id, price FROM items WHERE id < ?` ×2, was ×3; ×0, was ×1, within one api:4000 http `GET /items` [A#1]\n"},
		{"an N+1 query that was there once", func(r *recorder) {
			usual(r)
			r.http(curl, api, "GET /more", "200 OK", "{}", func() {
				for range 51 {
					r.sql(api, "SELECT name FROM items WHERE id = $1", "SELECT name FROM items WHERE id = ?", "SELECT 1", "name\na\n", "1")
				}
			})
		}, "- **count** postgres:5432 postgresql `SELECT name FROM items WHERE id = ?` ×51, was ×1, within one api:4000 http `GET /more` (N+1) [B#12 13 14]\n"},
		{"a new error", func(r *recorder) {
			usual(r)
			for _, x := range r.list[:3] {
				if e := x.Exchange; e.Target == "/items?page=2" {
					e.Code, e.Status, e.Failed, e.Response.Body = 500, "500 Internal Server Error", true, []byte("oops")
				}
			}
		}, "- **new error** api:4000 http `GET /items`: `500 Internal Server Error`, was `200 OK` (1 of 3) [A#2 B#2]\n"},
		{"a connection refused", func(r *recorder) {
			usual(r)
			r.take(time.Second)
			r.list = append(r.list, &tap.Record{Number: 99, Time: r.now, Transport: 6, Client: api.end(), Server: process{0, "redis", "127.80.0.1:6379"}.end(), Failure: tap.Refused})
		}, "- **new error** redis:6379 tcp `connect refused`: `refused` ×1 [B#99]\n"},
		{"a status", func(r *recorder) {
			usual(r)
			r.list[10].Exchange.Code, r.list[10].Exchange.Status = 200, "200 OK"
		}, "- **status** api:4000 http `POST /orders`: `200 OK`, was `201 Created` (1 of 1) [A#11 B#11]\n"},
		{"a header", func(r *recorder) {
			usual(r)
			for _, x := range r.list {
				if x.Exchange.Protocol == "http" && x.Server.Service == "api" {
					x.Exchange.Response.Header = append(x.Exchange.Response.Header, decode.Field{Name: "X-Frame-Options", Value: "DENY"})
				}
			}
		}, "- **response header** api:4000 http `GET /items`: `x-frame-options` added: `DENY` (4 of 4) [A#2 5 8 B#2 5 8]\n" +
			"  - and in api:4000 http `POST /orders`\n"},
		{"a value in a body", func(r *recorder) {
			usual(r)
			e := r.list[1].Exchange
			e.Response.Body = []byte(strings.Replace(string(e.Response.Body), `"price":12`, `"price":12.5`, 1))
		}, "- **response body** api:4000 http `GET /items`: `items[].price` `12.5`, was `12`, first at `items[0].price` (1 of 3) [A#2 B#2]\n"},
		{"a row", func(r *recorder) {
			usual(r)
			e := r.list[0].Exchange
			e.Response.Body = []byte("id\tprice\n1\t12\n2\t7\n3\t8\n")
			e.Status, e.Details[0].Value = "SELECT 3", "3"
		}, "- **response body** postgres:5432 postgresql `SELECT id, price FROM items WHERE id < ?`: 1 line added, first `3 8` (1 of 3) [A#1 B#1]\n"},
		{"a parameter", func(r *recorder) {
			usual(r)
			r.list[9].Exchange.Details[0].Value = "6"
		}, "- **parameter** postgres:5432 postgresql `INSERT INTO orders (item) VALUES (?)`: `$1` `6`, was `5` (1 of 1) [A#10 B#10]\n"},
		{"a literal", func(r *recorder) {
			usual(r)
			r.list[0].Exchange.Target = "SELECT id, price FROM items WHERE id < 1000"
		}, "- **request** postgres:5432 postgresql `SELECT id, price FROM items WHERE id < ?`: `literal 1` `1000`, was `100` (1 of 3) [A#1 B#1]\n"},
		{"a query", func(r *recorder) {
			usual(r)
			r.list[1].Exchange.Target = "/items?page=3"
		}, "- **request** api:4000 http `GET /items`: `?page` `3`, was `2` (1 of 3) [A#2 B#2]\n"},
		{"a size that is not known by content", func(r *recorder) {
			usual(r)
			for _, x := range r.list {
				if x.Exchange.Target == "/items?page=2" {
					x.Exchange.Response.Truncated, x.Exchange.Response.BodyBytes = true, 70000
				}
			}
		}, "- **size of response body** api:4000 http `GET /items`: added: `70000` (3 of 3) [A#2 5 8 B#2 5 8]\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := usual
			if strings.Contains(tt.name, "was there once") {
				a = func(r *recorder) {
					usual(r)
					r.http(curl, api, "GET /more", "200 OK", "{}", func() {
						r.sql(api, "SELECT name FROM items WHERE id = $1", "SELECT name FROM items WHERE id = ?", "SELECT 1", "name\na\n", "1")
					})
				}
			}
			r := compareRecordings(a, tt.b, Options{})
			if got := findings(t, r); got != tt.want {
				t.Errorf("got\n%swant\n%s", got, tt.want)
			}
			if r.Different != (tt.want != "") {
				t.Errorf("different %v", r.Different)
			}
		})
	}
}

// Latencies are told where they are asked for, of enough exchanges.
// Names of processes do not act on the terminal, and a text that is not UTF-8 is the same
// in lines and in packets.
func TestHostileTexts(t *testing.T) {
	recorded := func(name, target string) *Run {
		r := newRecorder("run")
		x := r.http(curl, process{pid: 20, at: "127.0.0.1:3000"}, "GET /", "200 OK", "{}", nil)
		x.Target, x.Host = target, "a\xffb"
		x.Response.Header = append(x.Response.Header, decode.Field{Name: "X-A", Value: target})
		r.list[0].Server.Processes[0].Name = name
		if utf8.ValidString(target) {
			x.Host = "a\ufffdb"
		}
		return r.done()
	}
	if got := findings(t, Compare(recorded("p", "/\xff\xfe"), recorded("p", "/\ufffd\ufffd"), nil, Options{})); got != "" {
		t.Error(got)
	}
	got := findings(t, Compare(recorded("ev\x1b[31m\u202eil", "/a"), recorded("ev\x1b[31m\u202eil", "/b"), nil, Options{}))
	if got == "" || strings.ContainsAny(got, "\x1b\u202e") {
		t.Errorf("%q", got)
	}
}

func TestLatency(t *testing.T) {
	record := func(n int, took time.Duration) func(*recorder) {
		return func(r *recorder) {
			for i := range n {
				r.http(curl, api, fmt.Sprintf("GET /items/%d", i), "200 OK", "{}", func() { r.take(took) })
			}
		}
	}
	fast, slow := record(10, time.Millisecond), record(10, 20*time.Millisecond)
	if got := findings(t, compareRecordings(fast, slow, Options{})); got != "" {
		t.Errorf("without being asked: %s", got)
	}
	if got := findings(t, compareRecordings(record(9, time.Millisecond), record(9, time.Second), Options{Latency: true})); got != "" {
		t.Errorf("of nine: %s", got)
	}
	if got := findings(t, compareRecordings(fast, record(10, 5*time.Millisecond), Options{Latency: true})); got != "" {
		t.Errorf("a factor of less than four: %s", got)
	}
	if got, want := findings(t, compareRecordings(fast, slow, Options{Latency: true})), "- **latency** api:4000 http `GET /items/{n}`: median 22.0 ms, was 3.00 ms (10 and 10)\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
