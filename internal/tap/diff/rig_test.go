package diff

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/decode"
	"lodge/internal/model"
	"lodge/internal/tap"
)

// recorder makes recordings of a project: web asks api, which asks a database.
type recorder struct {
	run    *Run
	list   []*tap.Record
	now    time.Time
	number uint64
	conn   map[string]uint64
}

var begin = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func newRecorder(name string) *recorder {
	return &recorder{run: NewRun(name, DefaultLimits()), now: begin, conn: make(map[string]uint64)}
}

// process is a process of the project: its name, where it listens.
type process struct {
	pid     int
	service string
	at      string
}

var (
	curl = process{pid: 10}
	web  = process{20, "web", "127.80.0.1:3000"}
	api  = process{30, "api", "127.80.0.1:4000"}
	db   = process{40, "postgres", "127.80.0.1:5432"}
)

func (p process) end() tap.End {
	e := tap.End{Processes: []model.Process{{PID: p.pid, Name: fmt.Sprintf("p%d", p.pid)}}, Source: tap.SourcePacket, Service: p.service}
	if p.service != "" {
		e.Project = "shop"
	}
	if p.at != "" {
		e.Address = netip.MustParseAddrPort(p.at)
	} else {
		e.Address = netip.MustParseAddrPort("127.0.0.1:50000")
	}
	return e
}

// record adds an exchange between two processes that lasts from begin to the recorder's
// time.
func (r *recorder) record(client, server process, begin time.Time, x *decode.Exchange) *tap.Record {
	key := client.service + ">" + server.service
	if r.conn[key] == 0 {
		r.conn[key] = uint64(len(r.conn) + 1)
	}
	r.number++
	x.Started, x.Answered, x.Ended = begin, r.now, r.now
	if x.Kind == "" {
		x.Kind = decode.KindRequest
	}
	if x.Request.Bytes == 0 {
		x.Request.Bytes = 100
	}
	if x.Response.Bytes == 0 && x.Status != "" {
		x.Response.Bytes = 100
	}
	rec := &tap.Record{
		Number: r.number, Connection: r.conn[key], Transport: packet.TCP, Client: client.end(), Server: server.end(), Exchange: x, Time: begin,
	}
	rec.Client.Address = netip.MustParseAddrPort(fmt.Sprintf("127.80.0.1:%d", 40000+r.conn[key]))
	r.list = append(r.list, rec)
	return rec
}

// take lets time pass.
func (r *recorder) take(d time.Duration) { r.now = r.now.Add(d) }

// http records a request, with what its server does meanwhile.
func (r *recorder) http(client, server process, request, answer, body string, meanwhile func()) *decode.Exchange {
	started := r.now
	r.take(time.Millisecond)
	if meanwhile != nil {
		meanwhile()
	}
	r.take(time.Millisecond)
	method, target, _ := strings.Cut(request, " ")
	path, _, _ := strings.Cut(target, "?")
	x := &decode.Exchange{Protocol: "http", Version: "1.1", Method: method, Target: target, Group: method + " " + path, Host: "localhost", Status: answer}
	if _, err := fmt.Sscanf(answer, "%d", &x.Code); err != nil {
		panic(err)
	}
	x.Failed = x.Code >= 500
	x.Request.Header = []decode.Field{{Name: "Accept", Value: "*/*"}}
	x.Response.Header = []decode.Field{
		{Name: "Date", Value: r.now.Format(time.RFC1123)}, {Name: "Content-Type", Value: "application/json"}, {Name: "Content-Length", Value: fmt.Sprint(len(body))},
	}
	x.Response.Body, x.Response.BodyBytes = []byte(body), int64(len(body))
	r.record(client, server, started, x)
	return x
}

// sql records a statement with its parameters.
func (r *recorder) sql(client process, statement, group, answer, rows string, parameters ...string) *decode.Exchange {
	started := r.now
	r.take(500 * time.Microsecond)
	method, _, _ := strings.Cut(statement, " ")
	x := &decode.Exchange{Protocol: "postgresql", Version: "3.0", Method: method, Target: statement, Group: group, Status: answer}
	for i, p := range parameters {
		x.Add(fmt.Sprintf("$%d", i+1), p)
	}
	if rows != "" {
		x.Add("rows", fmt.Sprint(strings.Count(rows, "\n")-1))
	}
	x.Response.Body, x.Response.BodyBytes = []byte(rows), int64(len(rows))
	r.record(client, db, started, x)
	return x
}

// done returns the run.
func (r *recorder) done() *Run {
	for _, x := range r.list {
		r.run.Add(x)
	}
	r.run.Account(&tap.Account{Records: tap.Records{Exchanges: uint64(len(r.list)), Selected: uint64(len(r.list))}})
	return r.run
}

// items records a page that lists items: with one statement, or with one for each.
func (r *recorder) items(n int, each bool) *decode.Exchange {
	var page *decode.Exchange
	r.http(curl, web, "GET /", "200 OK", `{"ok":true}`, func() {
		page = r.http(web, api, "GET /items?page=2", "200 OK", `{"items":[{"id":1,"price":12},{"id":2,"price":7}]}`, func() {
			if !each {
				r.sql(api, "SELECT id, price FROM items WHERE id < 100", "SELECT id, price FROM items WHERE id < ?", "SELECT 2", "id\tprice\n1\t12\n2\t7\n")
				return
			}
			r.sql(api, "SELECT id FROM items WHERE id < 100", "SELECT id FROM items WHERE id < ?", "SELECT 2", "id\n1\n2\n")
			for i := range n {
				r.sql(api, "SELECT price FROM items WHERE id = $1", "SELECT price FROM items WHERE id = ?", "SELECT 1", "price\n12\n", fmt.Sprint(i+1))
			}
		})
	})
	return page
}

// text is a report as it is printed, from the first finding on.
func findings(t *testing.T, r *Report) string {
	t.Helper()
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(b.String()) {
		if strings.HasPrefix(line, "- **") || strings.HasPrefix(line, "  - ") && len(out) > 0 {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}
