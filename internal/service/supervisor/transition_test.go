package supervisor

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/internal/event"
	"lodge/internal/service"
)

// longPatience is for many starts on a machine that has much else to do.
const longPatience = 10 * time.Minute

// told reads all transitions so far, whose numbers must have no gap, and checks
// that each begins where the one before of its service ended.
func (r *rig) told() []event.Event {
	r.t.Helper()
	var all []event.Event
	s := r.Events().Subscribe(event.Position{})
	for list := s.Pending(); len(list) > 0; list = s.Pending() {
		all = append(all, list...)
	}
	state := make(map[string]string)
	for i, e := range all {
		if e.Number != uint64(i+1) || e.Kind != event.KindService || e.Service == nil {
			r.t.Fatalf("event %d is %+v", i+1, e)
		}
		if was := state[e.Subject.Service]; e.Service.From != was {
			r.t.Fatalf("event %d of %s: from %q, and it was %q", e.Number, e.Subject.Service, e.Service.From, was)
		}
		state[e.Subject.Service] = e.Service.To
	}
	return all
}

// steps are the states of a service as they were told, each once in a row.
func steps(all []event.Event, service string) string {
	var out []string
	for _, e := range all {
		if e.Subject.Service == service && (e.Service.Change == event.ChangeState) && e.Service.From != e.Service.To {
			out = append(out, e.Service.To)
		}
	}
	return strings.Join(out, " ")
}

// TestEveryEndAndStartIsTold: a service that ends at once and is started again.
func TestEveryEndAndStartIsTold(t *testing.T) {
	const rounds = 50
	r := newRig(t)
	ctx, cancel := context.WithTimeout(context.Background(), longPatience)
	defer cancel()
	sp := r.spec("job", "")
	sp.Argv = []string{"true"}
	r.define(sp)
	for range rounds {
		if err := r.Up(ctx, nil); err != nil {
			t.Fatal(err)
		}
		for { // it may still be ready
			ch := r.Changed()
			if r.get("job").State == service.Exited {
				break
			}
			select {
			case <-ch:
			case <-ctx.Done():
				t.Fatal(ctx.Err())
			}
		}
	}
	pids, ends := make(map[int]bool), 0
	for _, e := range r.told() {
		if e.Service.To == string(service.Starting) && e.Service.From == string(service.Waiting) {
			pids[e.Service.PID] = true
		}
		if e.Service.To == string(service.Exited) {
			ends++
			if e.Service.ExitStatus == nil || *e.Service.ExitStatus != 0 || e.Service.PID != 0 {
				t.Errorf("an end: %+v", e.Service)
			}
		}
	}
	if len(pids) != rounds || ends != rounds {
		t.Errorf("%d starts and %d ends were told of %d", len(pids), ends, rounds)
	}
}

func TestRestartsAreTold(t *testing.T) {
	const rounds = 20
	r := newRig(t)
	ctx, cancel := context.WithTimeout(context.Background(), longPatience)
	defer cancel()
	r.define(r.spec("web", forever))
	r.up()
	for range rounds {
		if err := r.Restart(ctx, nil); err != nil {
			t.Fatal(err)
		}
	}
	r.stop()
	want := "stopped waiting starting ready" + strings.Repeat(" stopping starting ready", rounds) + " stopping stopped"
	all := r.told()
	if got := steps(all, "web"); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if last := all[len(all)-1]; last.Service.Restarts != rounds || last.Service.PID != 0 {
		t.Errorf("the last one: %+v", last.Service)
	}
}

func TestAFailureIsTold(t *testing.T) {
	r := newRig(t)
	r.define(r.spec("web", "exit 3", restarts("never"), listens), r.spec("api", forever, needs("web")))
	_ = r.Up(r.ctx, nil) // it fails
	r.awaitState("api", service.Failed)
	r.define()
	all := r.told()
	if got := steps(all, "api"); !strings.HasPrefix(got, "stopped waiting") || !strings.HasSuffix(got, "failed stopped removed") {
		t.Errorf("api: %s", got)
	}
	i := slices.IndexFunc(all, func(e event.Event) bool { return e.Subject.Service == "web" && e.Service.To == string(service.Failed) })
	if i < 0 || all[i].Service.ExitStatus == nil || *all[i].Service.ExitStatus != 3 || !strings.Contains(all[i].Service.Reason, "status 3") {
		t.Fatalf("web: %+v", all)
	}
	if s := all[i].Subject; s.Project != "shop" || s.ProjectID == "" {
		t.Errorf("its subject: %+v", s)
	}
}

func TestEndpointsAreTold(t *testing.T) {
	r := newRig(t)
	r.define(r.spec("web", forever, listens))
	r.fake.listen("web", 5173, 80)
	r.up()
	r.stop()
	var got [][]event.Endpoint
	for _, e := range r.told() {
		if e.Service.Change == event.ChangeEndpoints {
			got = append(got, e.Service.Endpoints)
		}
	}
	if len(got) != 2 || len(got[0]) != 2 || got[0][0] != (event.Endpoint{Protocol: "tcp", IP: "127.0.0.1", Port: 80}) || len(got[1]) != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestACommandIsTold(t *testing.T) {
	r := newRig(t)
	_, hidden := r.run("job", true, "exit 7"), r.run("secret", false, "exit 0")
	<-hidden.Done()
	if !within(func() bool { return len(r.Status()) == 0 }) {
		t.Fatal("it does not end")
	}
	all := r.told()
	if got := steps(all, "job"); got != "starting ready failed" {
		t.Errorf("got %s", got)
	}
	last := all[len(all)-1].Service
	if last.ExitStatus == nil || *last.ExitStatus != 7 || last.Type != service.KindRun {
		t.Errorf("its end: %+v", last)
	}
	if got := steps(all, "secret"); got != "" {
		t.Errorf("a command that is not listed: %s", got)
	}
}

// TestNoStateChangesUntold holds that a state is assigned in a function that a
// transition calls, and nowhere else.
func TestNoStateChangesUntold(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") || path == "transition.go" {
			continue
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		told := make(map[ast.Node]bool)
		ast.Inspect(file, func(n ast.Node) bool {
			if told[n] {
				found++
				return false // what it assigns is told
			}
			switch x := n.(type) {
			case *ast.CallExpr:
				if f, ok := x.Fun.(*ast.SelectorExpr); ok && slices.Contains([]string{"transition", "change", "set"}, f.Sel.Name) {
					for _, a := range x.Args {
						told[a] = true
					}
				}
			case *ast.AssignStmt:
				for i, left := range x.Lhs {
					f, ok := left.(*ast.SelectorExpr)
					if !ok {
						continue
					}
					made := false // the first value, of a literal
					if len(x.Rhs) == len(x.Lhs) {
						_, made = x.Rhs[i].(*ast.CompositeLit)
					}
					switch f.Sel.Name {
					case "State", "PID", "Reason":
						t.Errorf("%s: %s is assigned without a transition", fset.Position(x.Pos()), f.Sel.Name)
					case "st", "status":
						if !made {
							t.Errorf("%s: a status is replaced without a transition", fset.Position(x.Pos()))
						}
					}
				}
			}
			return true
		})
	}
	if found < 15 {
		t.Errorf("only %d transitions were found", found)
	}
}
