package diff

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lodge/internal/decode"
	"lodge/internal/tap"
)

// visit is one request to the API, with the statements that it causes.
type visit struct {
	endpoint, query int
	statements      []int
}

// variation is what differs from one run of a plan to the next.
type variation struct {
	seed  uint64
	run   uint64 // so that runs differ whatever the seed is
	batch int    // how many visits are open at a time
	hours int
}

// play records a plan: visits of one batch in any order, on any connection, at once.
func play(name string, plan []visit, v variation) *recorder {
	random := rand.New(rand.NewPCG(v.seed, v.run))
	r := newRecorder(name)
	r.now = r.now.Add(time.Duration(v.hours) * time.Hour)
	for batch := range slices.Chunk(plan, 4) {
		order := random.Perm(len(batch))
		for part := range slices.Chunk(order, v.batch) {
			started, end := r.now, r.now
			for _, i := range part {
				r.now = started
				r.visit(batch[i], random)
				if r.now.After(end) {
					end = r.now
				}
			}
			r.now = end.Add(time.Millisecond)
		}
	}
	// Connections and the order in which exchanges end are others too.
	for _, x := range r.list {
		x.Connection = 10*x.Connection + random.Uint64N(9)
	}
	random.Shuffle(len(r.list), func(i, j int) { r.list[i], r.list[j] = r.list[j], r.list[i] })
	for i, x := range r.list {
		x.Number = uint64(i + 1)
	}
	return r
}

func (r *recorder) visit(v visit, random *rand.Rand) {
	serial := random.Uint64()
	random64 := func() string { return fmt.Sprintf("%016x", random.Uint64()) }
	body := fmt.Sprintf(`{"endpoint":%d,"query":%d,"serial":%d,"nested":{"list":[{"k":1,"ref":"%s"},{"k":2,"ref":"%s"}]},"made":%d}`,
		v.endpoint, v.query, serial, random64(), random64(), r.now.UnixMilli())
	if v.endpoint == 2 {
		body = fmt.Sprintf("<html>\n<p>%d</p>\n<input name=csrf value=\"%s\">\n<p>%d</p>\n</html>\n", v.query, random64(), v.endpoint)
	}
	target := fmt.Sprintf("/endpoint%d?q=%d", v.endpoint, v.query)
	if v.endpoint == 3 {
		target = "/things/x" + random64() + "/" + target[1:]
	}
	x := r.http(curl, api, "GET "+target, "200 OK", body, func() {
		for _, s := range v.statements {
			r.sql(api, fmt.Sprintf("SELECT v%d FROM t WHERE id = $1 AND o = $2", s), fmt.Sprintf("SELECT v%d FROM t WHERE id = ? AND o = ?", s),
				"SELECT 2", fmt.Sprintf("v\tref\n%d\t%s\n%d\t%s\n", s, random64(), s+1, random64()), fmt.Sprint(v.query), random64())
		}
	})
	x.Response.Header = append(x.Response.Header, decode.Field{Name: "X-Serial", Value: random64()}, decode.Field{Name: "X-Fixed", Value: "a"})
}

func drawPlan(t *rapid.T) []visit {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) visit {
		return visit{rapid.IntRange(0, 3).Draw(t, "endpoint"), rapid.IntRange(0, 2).Draw(t, "query"), rapid.SliceOfN(rapid.IntRange(0, 3), 0, 4).Draw(t, "statements")}
	}), 1, 20).Draw(t, "plan")
}

func drawVariation(t *rapid.T, name string) variation {
	return variation{rapid.Uint64().Draw(t, name), uint64(name[0])<<8 | uint64(len(name)), rapid.IntRange(1, 3).Draw(t, name+" batch"), rapid.IntRange(0, 100).Draw(t, name+" hours")}
}

func noFindings(t *rapid.T, r *Report) {
	t.Helper()
	if r.Different {
		var b strings.Builder
		if err := r.WriteText(&b); err != nil {
			t.Fatal(err)
		}
		t.Fatal(b.String())
	}
}

// A recording does not differ from itself, whatever the order of its records and whatever
// their connections are.
func TestSameRecording(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan, v := drawPlan(t), drawVariation(t, "run")
		a, b := play("a", plan, v), play("b", plan, v)
		seed := rapid.Uint64().Draw(t, "order")
		random := rand.New(rand.NewPCG(seed, 2))
		for _, x := range b.list {
			x.Connection += random.Uint64N(5)
		}
		random.Shuffle(len(b.list), func(i, j int) { b.list[i], b.list[j] = b.list[j], b.list[i] })
		noFindings(t, Compare(a.done(), b.done(), nil, Options{Latency: true}))
	})
}

// Two runs of one plan differ in nothing, once a further run of the first tells what is
// volatile.
func TestSamePlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan := drawPlan(t)
		a, again, b := play("a", plan, drawVariation(t, "a")), play("again", plan, drawVariation(t, "again")), play("b", plan, drawVariation(t, "b"))
		noFindings(t, Compare(a.done(), b.done(), []*Run{again.done()}, Options{}))
	})
}

// changes are what is planted, each with what is told of it.
var changes = []struct {
	name string
	// plant changes an exchange, or returns false where it is none for it.
	plant func(x *decode.Exchange) bool
	want  func(f *Finding) bool
}{
	{"a header", func(x *decode.Exchange) bool {
		if x.Protocol != "http" {
			return false
		}
		x.Response.Header[4].Value = "b"
		return true
	}, func(f *Finding) bool {
		return f.Kind == KindHeader && f.Part == PartResponseHeader && f.Name == "x-fixed" && f.A == "a" && f.B == "b"
	}},
	{"a header more", func(x *decode.Exchange) bool {
		x.Request.Header = append(x.Request.Header, decode.Field{Name: "X-More", Value: "1"})
		return true
	}, func(f *Finding) bool {
		return f.Kind == KindHeader && f.Part == PartRequestHeader && f.Name == "x-more" && f.Change == "added" && f.B == "1"
	}},
	{"no volatile header", func(x *decode.Exchange) bool {
		if x.Protocol != "http" {
			return false
		}
		x.Response.Header = slices.Delete(x.Response.Header, 3, 4)
		return true
	}, func(f *Finding) bool {
		return f.Kind == KindHeader && f.Name == "x-serial" && f.Change == "removed"
	}},
	{"an error", func(x *decode.Exchange) bool {
		x.Failed, x.Status, x.Response.Body = true, "503 no", nil
		if x.Protocol == "http" {
			x.Code = 503
		}
		return true
	}, func(f *Finding) bool { return f.Kind == KindError && f.B == "503 no" }},
	{"a value", func(x *decode.Exchange) bool {
		if x.Protocol != "http" || !strings.Contains(string(x.Response.Body), `"k":2`) {
			return false
		}
		x.Response.Body = []byte(strings.Replace(string(x.Response.Body), `"k":2`, `"k":3`, 1))
		return true
	}, func(f *Finding) bool {
		return f.Kind == KindBody && f.Name == "nested.list[].k" && f.Place == "nested.list[1].k" && f.A == "2" && f.B == "3"
	}},
	{"a type of a volatile value", func(x *decode.Exchange) bool {
		from := strings.Index(string(x.Response.Body), `"serial":`)
		if from < 0 {
			return false
		}
		end := from + strings.IndexByte(string(x.Response.Body[from:]), ',')
		x.Response.Body = []byte(string(x.Response.Body[:from]) + `"serial":null` + string(x.Response.Body[end:]))
		return true
	}, func(f *Finding) bool {
		return f.Kind == KindBody && f.Name == "serial" && f.Change == "type" && f.B == "null"
	}},
	{"a line", func(x *decode.Exchange) bool {
		if !strings.HasPrefix(string(x.Response.Body), "<html>") {
			return false
		}
		x.Response.Body = []byte(strings.Replace(string(x.Response.Body), "name=csrf", "name=token", 1))
		return true
	}, func(f *Finding) bool {
		return f.Kind == KindBody && f.Change == "line" && strings.Contains(f.B, "name=token")
	}},
	{"a parameter", func(x *decode.Exchange) bool {
		if x.Protocol == "http" {
			return false
		}
		x.Details[0].Value = "99"
		return true
	}, func(f *Finding) bool {
		return f.Kind == KindRequest && f.Part == PartDetail && f.Name == "$1" && f.B == "99"
	}},
}

// One change is told, and nothing else.
func TestPlantedChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan := drawPlan(t)
		// What is one at a time is compared in its order; at the same time any of
		// several that differ in volatile values only may be the one that is changed.
		one := func(name string) *recorder {
			v := drawVariation(t, name)
			v.batch = 1
			return play(name, plan, v)
		}
		a, again, b := one("a"), one("again"), one("b")
		c := changes[rapid.IntRange(0, len(changes)-1).Draw(t, "change")]
		var changed *tap.Record
		for _, i := range rapid.Permutation(indexes(len(b.list))).Draw(t, "which") {
			if c.plant(b.list[i].Exchange) {
				changed = b.list[i]
				break
			}
		}
		r := Compare(a.done(), b.done(), []*Run{again.done()}, Options{})
		if changed == nil {
			noFindings(t, r)
			return
		}
		if len(r.Findings) != 1 || !c.want(&r.Findings[0]) || !slices.Contains(r.Findings[0].NumbersB, changed.Number) {
			var text strings.Builder
			if err := r.WriteText(&text); err != nil {
				t.Fatal(err)
			}
			t.Fatalf("%s in record %d (%s):\n%s", c.name, changed.Number, changed.Exchange.Target, text.String())
		}
	})
}

// A visit that is missing is told with what it caused, and so is one that is added.
func TestPlantedVisit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan := drawPlan(t)
		i := rapid.IntRange(0, len(plan)-1).Draw(t, "visit")
		more := slices.Insert(slices.Clone(plan), i, plan[i])
		one := func(name string, plan []visit) *Run {
			v := drawVariation(t, name)
			v.batch = 1
			return play(name, plan, v).done()
		}
		check := func(r *Report) {
			caused := 0
			if len(r.Findings) == 1 {
				for _, w := range r.Findings[0].With {
					caused += w.Count
				}
			}
			if len(r.Findings) != 1 || caused != len(plan[i].statements) {
				var text strings.Builder
				if err := r.WriteText(&text); err != nil {
					t.Fatal(err)
				}
				t.Fatalf("visit %+v:\n%s", plan[i], text.String())
			}
		}
		check(Compare(one("a", plan), one("b", more), []*Run{one("again", plan)}, Options{}))
		check(Compare(one("a", more), one("b", plan), []*Run{one("again", more)}, Options{}))
	})
}

func indexes(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// BenchmarkCompare compares recordings in which every exchange is another one.
func BenchmarkCompare(b *testing.B) {
	const visits = 50_000
	plan := make([]visit, visits)
	for i := range plan {
		plan[i] = visit{i % 4, i % 3, []int{i % 5}}
	}
	var runs [3][]*tap.Record
	for i := range runs {
		runs[i] = play("run", plan, variation{seed: 1, run: uint64(i), batch: 2}).list
	}
	for b.Loop() {
		var made [3]*Run
		for i, list := range runs {
			made[i] = NewRun("run", DefaultLimits())
			for _, x := range list {
				made[i].Add(x)
			}
		}
		if r := Compare(made[0], made[1], made[2:], Options{}); r.Different {
			b.Fatalf("%+v", r.Findings)
		}
	}
	b.ReportMetric(float64(b.N)*2*visits/b.Elapsed().Seconds(), "exchanges/s")
}
