package supervisor

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"lodge/internal/service"
	"lodge/internal/service/backoff"
)

const hintNeeds = "see the service that it needs"

type ask int

const (
	askStart ask = iota
	askStop
	askRestart
)

type command struct {
	ask   ask
	why   string
	reply chan error // for askStop
}

// runner owns one service: one goroutine (loop) does all that happens to it,
// in turn.
//
// It is made of layers, each with one subject, and each knows those before it
// only: what is known of the service (record), its port and listening sockets
// (tenant), whether it is ready (condition), its variables (environment), finding
// out when it is ready (prober), why it ended (reporter), its processes
// (lifetime), and its files (fileWatch).
type runner struct {
	fileWatch
	cmds chan command
	end  chan struct{} // closed by close
	over chan struct{} // closed when the loop has ended
	shut sync.Once

	// giveUp says that a stop is on its way: no wait and no start any more.
	giveUp atomic.Bool
	poke   chan struct{} // wakes a wait after giveUp
}

func newRunner(s *Supervisor, sp service.Spec, env []string) *runner {
	r := &runner{
		cmds: make(chan command, 16),
		end:  make(chan struct{}),
		over: make(chan struct{}),
		poke: make(chan struct{}, 1),
	}
	r.sup, r.name, r.spec, r.env = s, sp.Name, sp, env
	r.lapsed = make(chan struct{}, 1)
	r.st = service.Status{Name: sp.Name, Kind: service.KindService, State: service.Stopped, Command: sp.Command, Dir: sp.Dir}
	return r
}

func isAtRest(s service.State) bool { return s == service.Stopped || s == service.Idle }

// send passes a command, which was expected, to the loop.
func (r *runner) send(c command) {
	select {
	case r.cmds <- c:
	case <-r.over:
	}
}

// start and restart need a call of expect before.
func (r *runner) start() { r.giveUp.Store(false); r.send(command{ask: askStart}) }

func (r *runner) restart(why string) {
	r.giveUp.Store(false)
	r.send(command{ask: askRestart, why: why})
}

// abandon makes the loop start nothing more until it is asked to start again.
func (r *runner) abandon() {
	r.giveUp.Store(true)
	select {
	case r.poke <- struct{}{}:
	default:
	}
}

func (r *runner) stop(ctx context.Context) error {
	reply := make(chan error, 1)
	r.expect()
	r.send(command{ask: askStop, reply: reply})
	select {
	case err := <-reply:
		return err
	case <-r.over: // nothing is left of it either
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop service %s: %w", r.name, ctx.Err())
	}
}

// close ends the loop, and what it runs; over tells when that is done.
func (r *runner) close() { r.shut.Do(func() { close(r.end) }) }

// ending is the verdict after close: a stop that no caller waits for.
func (r *runner) ending() verdict {
	r.expect()
	return verdict{stop: make(chan error, 1)}
}

// loop waits, stopped, for a command; a session is all from a start until the
// service rests again.
func (r *runner) loop() {
	defer r.sup.notify() // what waits for it learns that it is over
	defer close(r.over)
	defer func() {
		r.mu.Lock()
		r.dead = true
		r.mu.Unlock()
	}()
	for {
		select {
		case <-r.end:
			r.dropLease()
			r.closeFiles()
			return
		case files := <-r.mends():
			r.mended(files)
		case c := <-r.cmds:
			if c.ask == askStop {
				r.set(func(st *service.Status) { st.State, st.Reason, st.PID = r.atRest(), "", 0 })
				r.taken()
				r.dropLease()
				r.closeFiles()
				c.reply <- nil
				continue
			}
			if c.ask == askRestart && isAtRest(r.status().State) {
				c.ask = askStart
			}
			r.mu.Lock()
			r.transition(func(st *service.Status) {
				st.State, st.Reason, st.Exit, st.Signal, st.Failing = service.Waiting, "", nil, "", ""
			})
			r.err, r.lacks = nil, ""
			r.mu.Unlock()
			r.taken()
			reply := r.session()
			if reply != nil {
				r.dropLease()
				reply <- nil
			} else if r.status().State == service.Failed && r.leased() {
				// Nothing will accept what waits in the queue: let it be refused.
				r.dropLease()
			}
		}
	}
}

// verdict is what ended a stretch of a session.
type verdict struct {
	stop    chan error // asked to stop; answer there
	restart bool       // asked to restart, or a file changed
	asked   bool       // by a person
	why     string
	exit    *service.ExitStatus // the process ended by itself
	err     *service.Error      // it cannot be
}

// session starts the service again and again until it rests. It returns the
// reply channel of the stop that ended it, if one did.
func (r *runner) session() chan error {
	defer r.endSession()
	var back backoff.Backoff
	everReady := false
	for tries := 1; ; tries++ {
		if v := r.awaitNeeds(); v.stop != nil {
			r.set(func(st *service.Status) { st.State, st.Reason = r.atRest(), "" })
			r.taken()
			return v.stop
		} else if v.err != nil {
			r.fail(v.err)
			return nil
		}
		// Files are watched from before the start: what is changed while the
		// program reads them is not missed.
		sp, _ := r.definition()
		r.watcher(sp, r.end)
		r.forgetChanges()
		p, err := r.launch()
		if err != nil {
			r.fail(err)
			return nil
		}
		v := r.watchOver(p)
		ran := time.Since(p.started)
		everReady = everReady || p.wasReady
		if v.stop != nil {
			r.halt(p)
			r.set(func(st *service.Status) { st.State, st.Reason, st.PID = r.atRest(), "", 0 })
			r.taken()
			return v.stop
		}
		if v.restart {
			// A restart waits for nothing and counts for nothing. After one that a
			// person asked for, somebody wants to hear that it is not ready.
			r.exchange(p, v.why)
			back.Reset()
			tries, everReady = 0, everReady && !v.asked
			continue
		}
		if v.err != nil {
			r.halt(p)
			r.fail(v.err)
			return nil
		}
		how := r.howEnded(p, *v.exit)
		r.letGo() // its listening sockets: they would keep clients waiting
		r.halt(p)
		r.set(func(st *service.Status) { st.Ended(*v.exit) })
		sp, _ = r.definition()
		code := v.exit.Code
		again := sp.Restart == "always" || sp.Restart != "never" && code != 0
		if !again {
			r.ended(*v.exit, how, p)
			return nil
		}
		if ran >= backoff.RanWell {
			back.Reset()
		}
		if !everReady && tries >= backoff.EarlyTries {
			r.fail(r.failure(fmt.Sprintf("ended with %s before it was ready, %d times", how, tries), p))
			return nil
		}
		wait := back.Next()
		next := time.Now().Add(wait)
		cause := "ended with " + how
		if code != 0 {
			cause = r.failure(cause, p).Cause // with the holder of its port
		}
		why := fmt.Sprintf("%s; next start in %.1f s", cause, wait.Seconds())
		r.say(why)
		r.set(func(st *service.Status) {
			st.State, st.PID, st.Reason, st.Restarts = service.Backoff, 0, why, st.Restarts+1
			st.Failing = "ended with " + how
		})
		if v := r.pause(time.Until(next)); v.stop != nil {
			r.set(func(st *service.Status) { st.State, st.Reason = r.atRest(), "" })
			r.taken()
			return v.stop
		} else if v.restart {
			back.Reset()
			tries, everReady = 0, everReady && !v.asked
		}
	}
}

// awaitNeeds waits until every needed service is ready or ended well.
func (r *runner) awaitNeeds() verdict {
	for {
		select {
		case <-r.end:
			return r.ending()
		default:
		}
		ch := r.sup.Changed()
		sp, _ := r.definition()
		waitFor, stuck := "", ""
		for _, n := range sp.Needs {
			r.sup.mu.Lock()
			need := r.sup.runners[n]
			r.sup.mu.Unlock()
			if need == nil {
				return verdict{err: &service.Error{Service: r.name, Cause: "it needs " + n + ", which is no service"}}
			}
			ok, err := need.settled()
			if stuck = need.stuck(); stuck != "" {
				waitFor = n
				break
			}
			if err != nil {
				r.setLacks(n)
				return verdict{err: &service.Error{Service: r.name, Cause: fmt.Sprintf("it needs %s, which is %s", n, need.status().State), Hint: hintNeeds}}
			}
			if !ok {
				waitFor = n
				break
			}
		}
		r.block(waitFor, stuck)
		if waitFor == "" && !r.giveUp.Load() {
			if r.sup.recent(sp.Needs) {
				return verdict{}
			}
			continue
		}
		if waitFor != "" {
			r.mu.Lock()
			same := r.st.State == service.Waiting && r.st.Reason == "for "+waitFor
			r.transition(func(st *service.Status) { st.State, st.Reason = service.Waiting, "for "+waitFor })
			r.mu.Unlock()
			if !same {
				r.sup.notify()
				continue // the channel is the one from before
			}
		}
		select {
		case <-ch:
		case <-r.poke:
		case <-r.end:
		case c := <-r.cmds:
			if c.ask == askStop {
				return verdict{stop: c.reply}
			}
			r.taken()
		}
	}
}

// pause waits out a backoff. A changed file may be the mend: it ends the wait.
func (r *runner) pause(d time.Duration) verdict {
	t := time.NewTimer(d)
	defer t.Stop()
	var changes <-chan []string
	if r.files != nil {
		changes = r.files.Changes()
	}
	for {
		select {
		case <-t.C:
			return verdict{}
		case <-r.end:
			return r.ending()
		case files := <-changes:
			if ok, _ := r.breaker.Allow(time.Now(), files); !ok {
				continue // the wait goes on as it would without a change
			}
			r.set(func(st *service.Status) { st.State, st.Reason, st.Failing = service.Waiting, "", "" })
			return verdict{restart: true}
		case c := <-r.cmds:
			if c.ask == askStop {
				return verdict{stop: c.reply}
			}
			r.set(func(st *service.Status) { st.State, st.Reason, st.Failing = service.Waiting, "", "" })
			r.taken()
			return verdict{restart: true, asked: true}
		}
	}
}
