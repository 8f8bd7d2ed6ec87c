package supervisor

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"lodge/internal/service"
)

// Commands from several sides at once: whatever their order, the last word
// holds, nothing hangs and nothing is left (newRig checks).
func TestHammer(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(itoa(int(seed)), func(t *testing.T) {
			r := newRig(t)
			r.fake.listen("db", 1)
			r.fake.listen("web", 2)
			short := grace(50 * time.Millisecond)
			specs := []service.Spec{
				r.spec("db", forever, listens, short),
				r.spec("job", "exit 0", needs("db"), short, listens),
				r.spec("web", `trap '' TERM; while :; do sleep 0.01; done`, listens, needs("db", "job"), short),
				r.spec("bad", "exit 3", needs("web"), short),
			}
			r.define(specs...)
			var wg sync.WaitGroup
			for g := range uint64(6) {
				rnd := rand.New(rand.NewPCG(seed, g))
				wg.Add(1)
				go func() {
					defer wg.Done()
					for range 12 {
						ctx, cancel := context.WithTimeout(r.ctx, time.Duration(rnd.IntN(200))*time.Millisecond)
						names := []string{specs[rnd.IntN(len(specs))].Name}
						// Errors are told apart by the other tests; here they may be any.
						switch rnd.IntN(7) {
						case 0, 1:
							_ = r.Up(ctx, names)
						case 2:
							_ = r.Up(ctx, nil)
						case 3:
							_ = r.Restart(ctx, names)
						case 4:
							_ = r.Stop(ctx, names)
						case 5:
							changed := append([]service.Spec(nil), specs...)
							changed[0].Env = []string{"N=" + itoa(rnd.IntN(3))}
							_ = r.Define(ctx, changed[:2+rnd.IntN(3)], r.env)
						case 6:
							_ = r.Status()
							_ = r.Others()
							_ = r.Idle()
						}
						cancel()
					}
				}()
			}
			wg.Wait()
			r.define(specs...)
			r.up("web")
			for name, want := range map[string]service.State{"db": service.Up, "web": service.Up, "job": service.Exited} {
				if st := r.get(name); st.State != want {
					t.Errorf("at last %s is %+v", name, st)
				}
			}
			r.stop()
			for _, st := range r.Status() {
				if st.State != service.Stopped || st.PID != 0 {
					t.Errorf("after the stop: %+v", st)
				}
			}
			if pids, err := r.inside.Pids(""); err != nil || len(pids) > 0 {
				t.Errorf("left: %v, %v", pids, err)
			}
			r.Supervisor.mu.Lock()
			defer r.Supervisor.mu.Unlock()
			for n, x := range r.runners {
				x.mu.Lock()
				if x.asked != 0 || x.lease != nil {
					t.Errorf("%s: asked %d, lease %v", n, x.asked, x.lease)
				}
				x.mu.Unlock()
			}
		})
	}
}

func TestHammerDefinitions(t *testing.T) {
	r := newRig(t)
	one := []service.Spec{r.spec("a", forever), r.spec("b", forever, needs("a"))}
	two := []service.Spec{r.spec("b", forever+" # another"), r.spec("c", forever)}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 10 {
				specs := one
				if g%2 == 0 {
					specs = two
				}
				if err := r.Define(r.ctx, specs, r.env); err != nil {
					t.Error(err)
				}
				ctx, cancel := context.WithTimeout(r.ctx, 10*time.Millisecond)
				_ = r.Up(ctx, nil)
				cancel()
				_ = r.Status()
			}
		}()
	}
	wg.Wait()
	r.define(one...)
	r.up()
	if st := r.Status(); len(st) != 2 || st[0].State != service.Up || st[1].State != service.Up {
		t.Errorf("at last: %+v", st)
	}
}
