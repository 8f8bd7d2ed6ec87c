package diff

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/internal/decode"
	"lodge/internal/model"
	"lodge/internal/tap"
)

// three compares a with b, with a further run of a's side.
func three(a, again, b func(r *recorder)) *Report {
	var runs [3]*Run
	for i, f := range []func(*recorder){a, again, b} {
		r := newRecorder(string(rune('a' + i)))
		r.now = r.now.Add(time.Duration(i) * time.Hour)
		f(r)
		runs[i] = r.done()
	}
	return Compare(runs[0], runs[2], runs[1:2], Options{})
}

func times(n int, f func(r *recorder)) func(r *recorder) {
	return func(r *recorder) {
		for range n {
			f(r)
		}
	}
}

// A count that differs between runs of one side may differ as much once more.
func TestLearnCounts(t *testing.T) {
	poll := func(r *recorder) { r.http(curl, api, "GET /poll", "200 OK", "{}", nil) }
	for _, tt := range []struct {
		a, again, b int
		want        string
	}{
		{3, 3, 4, "- **count** api:4000 http `GET /poll` ×4, was ×3"},
		{3, 5, 4, ""},
		{3, 5, 7, ""},
		{3, 5, 1, ""},
		{3, 5, 8, "- **count** api:4000 http `GET /poll` ×8, was ×3"},
		{1, 2, 51, "- **count** api:4000 http `GET /poll` ×51, was ×1"},
		{0, 1, 1, ""},
		{1, 0, 0, ""},
	} {
		if got := findings(t, three(times(tt.a, poll), times(tt.again, poll), times(tt.b, poll))); !strings.HasPrefix(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("%d, %d, %d: %q, want %q", tt.a, tt.again, tt.b, got, tt.want)
		}
	}
}

// What is volatile is so in its place only, and the rest of its place is compared.
func TestLearnPlaces(t *testing.T) {
	body := func(format string) func(n int) func(r *recorder) {
		return func(n int) func(r *recorder) {
			return func(r *recorder) {
				r.http(curl, api, "GET /x", "200 OK", strings.ReplaceAll(format, "N", fmt.Sprint(n)), nil)
				r.http(curl, api, "GET /y", "200 OK", `{"n":1,"list":["a","b"]}`, nil)
			}
		}
	}
	for _, tt := range []struct {
		name, a, b, want string
	}{
		{"a value", `{"n":N,"m":1}`, `{"n":N,"m":2}`, "`m` `2`, was `1`"},
		{"a value of another type", `{"n":N}`, `{"n":"x"}`, "`n` `\"x\"`, was `1`"},
		{"a value that is gone", `{"n":N,"m":1}`, `{"m":1}`, "`n` removed: `1`"},
		{"a value in a list", `{"l":[{"n":N,"m":1}]}`, `{"l":[{"n":N,"m":2}]}`, "`l[].m` `2`, was `1`"},
		{"a length", `{"l":[{"n":N}]}`, `{"l":[{"n":N},{"n":N}]}`, "`l` 2 elements, was 1"},
		{"an order", `["a","b"]`, `["b","a"]`, "in another order"},
		{"a word of a line", "one N two\nx\n", "one N three\nx\n", "`one 3 three`, was `one 1 two`"},
		{"another line", "one N two\nx\n", "one N two\ny\n", "`y`, was `x`"},
		{"a form of a page", "<p>N</p>\n<b>", "<p>N</p>\n<i>", "`<i>`, was `<b>`"},
	} {
		if got := findings(t, three(body(tt.a)(1), body(tt.a)(2), body(tt.a)(3))); got != "" {
			t.Errorf("%s: the same: %s", tt.name, got)
		}
		got := findings(t, three(body(tt.a)(1), body(tt.a)(2), body(tt.b)(3)))
		if !strings.Contains(got, "GET /x`: "+tt.want) && !strings.Contains(got, tt.want) || strings.Count(got, "- **") != 1 {
			t.Errorf("%s: got\n%swant %s", tt.name, got, tt.want)
		}
	}
}

// Lists whose order or length differs between runs of one side are compared without it.
func TestLearnLists(t *testing.T) {
	serve := func(body string) func(r *recorder) {
		return func(r *recorder) { r.http(curl, api, "GET /x", "200 OK", body, nil) }
	}
	for _, tt := range []struct {
		name, a, again, b, want string
	}{
		{"order", `["a","b","c"]`, `["c","a","b"]`, `["b","a","c"]`, ""},
		{"order, and another element", `["a","b","c"]`, `["c","a","b"]`, `["b","a","d"]`, "`[]` `\"d\"`, was `\"c\"`"},
		{"order of lines", "a\nb\nc\n", "c\na\nb\n", "b\nc\na\n", ""},
		{"order, and another line", "a\nb\nc\n", "c\na\nb\n", "b\nd\na\n", "`d`, was `c`"},
		{"length", `{"l":[1,2],"m":1}`, `{"l":[1,2,3],"m":1}`, `{"l":[],"m":1}`, ""},
		{"length, and another value", `{"l":[1,2],"m":1}`, `{"l":[1,2,3],"m":1}`, `{"l":[],"m":2}`, "`m` `2`, was `1`"},
		{"lines", "a\nb\n", "a\n", "c\nd\ne\n", ""},
		{"presence", `{"a":1}`, `{"a":1,"b":2}`, `{"a":1}`, ""},
		{"keys that are identifiers", `{"17":{"x":1}}`, `{"18":{"x":1}}`, `{"19":{"x":1}}`, ""},
		{"nothing", `{"a":1}`, `{"a":1}`, `{"a":[1]}`, "`a` `[1]`, was `1`"},
	} {
		got := findings(t, three(serve(tt.a), serve(tt.again), serve(tt.b)))
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) || strings.Count(got, "- **") > 1 {
			t.Errorf("%s: got\n%swant %s", tt.name, got, tt.want)
		}
	}
}

// The report lists what was learned.
func TestVolatileIsListed(t *testing.T) {
	run := func(n int) func(r *recorder) {
		return func(r *recorder) {
			x := r.http(curl, api, "GET /x", "200 OK", fmt.Sprintf(`{"n":%d}`, n), nil)
			x.Response.Header = append(x.Response.Header, decode.Field{Name: "X-Run", Value: fmt.Sprint(n)})
		}
	}
	r := three(run(1), run(2), run(3))
	var got []string
	for _, v := range r.Volatile {
		got = append(got, fmt.Sprintf("%s %s %s %s", v.Group.String(), v.Part, v.Name, v.What))
	}
	want := "api:4000 http `GET /x` response_body n value\napi:4000 http `GET /x` response_header x-run value"
	if s := strings.Join(got, "\n"); s != want || r.Different {
		t.Errorf("got\n%s\nwant\n%s", s, want)
	}
}

// at is a server's end.
func at(address, project, service, process, dir string) tap.End {
	e := tap.End{Address: netip.MustParseAddrPort(address), Project: project, Service: service}
	if process != "" {
		e.Processes = []model.Process{{PID: 7, Name: process, Directory: dir}}
	}
	return e
}

// Servers are the same whatever the address of the home is, and however much is known.
func TestServers(t *testing.T) {
	run := func(name string, servers ...tap.End) *Run {
		r := newRecorder(name)
		for i := range servers {
			x := r.http(curl, api, "GET /x", "200 OK", fmt.Sprintf(`{"host":%q,"dir":%q}`, servers[i].Address.Addr().String()+".x", "/"+name+"/data"), nil)
			x.Host = strings.ReplaceAll(servers[i].Project, "/", "") + ".localhost"
			r.list[i].Server = servers[i]
		}
		return r.done()
	}
	for _, tt := range []struct {
		name string
		a, b []tap.End
		want string
	}{
		{"two homes", []tap.End{at("127.80.0.1:4000", "shop", "api", "node", "/a/api")}, []tap.End{at("127.81.0.1:4000", "shop-2", "api", "node", "/b/api")}, ""},
		{"one is not known", []tap.End{at("127.80.0.1:4000", "", "", "node", "/a")}, []tap.End{at("127.80.0.1:4000", "", "", "", "")}, "same"},
		{"another process", []tap.End{at("127.0.0.1:4000", "", "", "node", "/a")}, []tap.End{at("127.0.0.1:4000", "", "", "bun", "/b")}, "- **server** :4000: `bun`, was `node`\n"},
		{"a service and a process", []tap.End{at("127.0.0.1:4000", "shop", "api", "node", "/a")}, []tap.End{at("127.0.0.1:4000", "", "", "node", "/b")}, "same"},
		{"another port", []tap.End{at("127.0.0.1:4000", "", "", "node", "/a")}, []tap.End{at("127.0.0.1:4001", "", "", "node", "/b")}, "- **missing** node:4000 http `GET /x` ×1 [A#1]\n- **added** node:4001 http `GET /x` ×1 [B#1]\n"},
		{"ephemeral ports", []tap.End{at("127.0.0.1:40001", "", "", "node", "/a")}, []tap.End{at("127.0.0.1:40002", "", "", "node", "/b")}, ""},
		{"two addresses of one server", []tap.End{at("127.0.0.1:4000", "", "", "node", "/a"), at("[::1]:4000", "", "", "", "")}, []tap.End{at("127.0.0.1:4000", "", "", "", ""), at("[::1]:4000", "", "", "node", "/b")}, ""},
		{"two projects at once", []tap.End{at("127.80.0.1:4000", "one", "api", "x", "/a"), at("127.81.0.1:4000", "two", "api", "x", "/a")}, []tap.End{at("127.81.0.1:4000", "one", "api", "x", "/b"), at("127.80.0.1:4000", "two", "api", "x", "/b")}, ""},
		{"one of two projects", []tap.End{at("127.80.0.1:4000", "one", "api", "x", "/a"), at("127.81.0.1:4000", "two", "api", "x", "/a")}, []tap.End{at("127.80.0.1:4000", "one", "api", "x", "/b")}, "- **missing** two/api:4000 http `GET /x` ×1 [A#2]\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := findings(t, Compare(run("a", tt.a...), run("b", tt.b...), nil, Options{}))
			if tt.want == "same" { // what depends on the directory is not
				if strings.Contains(got, "missing") || strings.Contains(got, "server") {
					t.Errorf("not the same server:\n%s", got)
				}
				return
			}
			if got != tt.want {
				t.Errorf("got\n%swant\n%s", got, tt.want)
			}
		})
	}
}

// What was lost, or was not compared, stands first.
func TestLosses(t *testing.T) {
	a, b := newRecorder("a.jsonl"), newRecorder("b.jsonl")
	usual(a)
	usual(b)
	ra := a.done()
	ra.Account(&tap.Account{Records: tap.Records{Exchanges: 12, Selected: 11}, Capture: tap.Capture{Lost: map[string]tap.Count{"ring_full": {Packets: 3}}, Seen: tap.Count{Packets: 3}}})
	rb := NewRun("b.jsonl", Limits{Records: 9, Bytes: 1 << 20})
	for i, x := range b.list {
		if i == 3 {
			x.Exchange.Unknown = []string{"a header"}
		}
		rb.Add(x)
	}
	rb.Lost("it ends early")
	r := Compare(ra, rb, nil, Options{})
	var text strings.Builder
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	const want = "- A: a.jsonl, 11 exchanges\n  - 3 packets lost: the ring was full\n  - 1 record is left out by a filter\n" +
		"- B: b.jsonl, 11 exchanges\n  - it ends early\n  - what was lost is not known: it has no account\n  - 2 records are not compared: there are too many\n" +
		"  - 1 exchange is known in part only\n\n**This comparison is not complete:** what is missing below may have been lost, and not gone.\n\n- **missing**"
	if !strings.HasPrefix(text.String(), want) || r.Complete {
		t.Errorf("got\n%s", text.String())
	}
}

// A request that waits for its answer when the recording ends is told as such.
func TestCutByTheEnd(t *testing.T) {
	wait := func(r *recorder) {
		usual(r)
		r.record(curl, api, r.now, &decode.Exchange{Protocol: "http", Method: "GET", Target: "/slow", Group: "GET /slow"})
	}
	answered := func(r *recorder) {
		usual(r)
		r.http(curl, api, "GET /slow", "200 OK", "{}", nil)
	}
	if r := compareRecordings(usual, wait, Options{}); r.Different || !strings.Contains(strings.Join(r.B.Notes, ""), "1 request was not answered when the recording ended") {
		t.Errorf("%+v", r)
	}
	// Later on it is known that there is no answer.
	late := func(r *recorder) {
		wait(r)
		r.take(5 * time.Second)
		r.http(curl, api, "GET /end", "200 OK", "{}", nil)
	}
	end := func(r *recorder) {
		answered(r)
		r.http(curl, api, "GET /end", "200 OK", "{}", nil)
	}
	if got := findings(t, compareRecordings(end, late, Options{})); !strings.Contains(got, "GET /slow`: no answer, was `200 OK`") {
		t.Errorf("got %s", got)
	}
}

// What depends on how many connections a program opens is told from a factor of two on.
// A recording that began when connections were open already has neither their begins nor
// what these told.
func TestJoinedSessions(t *testing.T) {
	recorded := func(connects int, version string, midstream uint64, facts ...decode.Field) *Run {
		r := newRecorder("run")
		usual(r)
		for range connects {
			r.record(api, db, r.now, &decode.Exchange{Protocol: "postgresql", Kind: decode.KindSession, Method: "connect", Target: "shop", Status: "AuthenticationOk"})
			r.take(time.Second)
		}
		for range 3 {
			x := r.sql(api, "SELECT a FROM b", "SELECT a FROM b", "SELECT 1", "a\n1\n")
			x.Version, x.Details = version, append(facts, x.Details...)
			r.take(time.Second)
		}
		run := r.done()
		run.account.Streams.Midstream = midstream
		return run
	}
	facts := []decode.Field{{Name: "database", Value: "shop"}, {Name: "user", Value: "app"}}
	cold := func() *Run { return recorded(6, "3.0", 0, facts...) }
	for _, tt := range []struct {
		name string
		b    *Run
		want string
	}{
		{"joined", recorded(0, "", 6), ""},
		{"too few", recorded(0, "", 4), "**missing** postgres"},
		{"another user", recorded(6, "3.0", 0, facts[0], decode.Field{Name: "user", Value: "root"}), "`user` `root`, was `app`"},
	} {
		if got := findings(t, Compare(cold(), tt.b, nil, Options{})); !strings.Contains(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("%s: %q", tt.name, got)
		}
	}
}

func TestSessions(t *testing.T) {
	connect := func(n int) func(r *recorder) {
		return func(r *recorder) {
			usual(r)
			for range n {
				r.record(api, db, r.now, &decode.Exchange{Protocol: "postgresql", Kind: decode.KindSession, Method: "connect", Target: "shop", Status: "AuthenticationOk"})
				r.take(time.Second)
			}
		}
	}
	for _, tt := range []struct {
		a, b int
		told bool
	}{{1, 3, false}, {0, 3, false}, {0, 4, true}, {4, 7, false}, {4, 8, true}, {9, 4, true}} {
		if got := findings(t, compareRecordings(connect(tt.a), connect(tt.b), Options{})); (got != "") != tt.told {
			t.Errorf("%d and %d: %q", tt.a, tt.b, got)
		}
	}
}

// The lists of what is known are searched as sorted ones.
func TestListsAreSorted(t *testing.T) {
	for _, list := range [][]string{volatileHeaders[:], volatileNames[:], volatileDetails[:], resultDetails[:], setUp[:], perConnection[:]} {
		if !slices.IsSorted(list) {
			t.Errorf("not sorted: %q", list)
		}
		for _, word := range list {
			if word != strings.ToLower(word) || !in(list, word) {
				t.Errorf("%q is not found", word)
			}
		}
	}
}
