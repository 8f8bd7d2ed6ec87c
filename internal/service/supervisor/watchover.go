package supervisor

import (
	"context"
	"fmt"
	"time"

	"lodge/internal/service"
	"lodge/internal/watch"
)

// watchOver waits, while a process lives, for what happens first: its end, a
// command, or a changed file. Meanwhile it finds out when the service is ready.
func (r *runner) watchOver(p *process) verdict {
	sp, _ := r.definition()
	ctx, cancel := context.WithCancel(context.Background())
	var ready <-chan readiness
	await := func(again bool) {
		ch := make(chan readiness, 1)
		go func() { ch <- r.awaitReady(ctx, sp, p, again) }()
		ready = ch
	}
	p.watched = time.Now()
	await(false)
	defer func() {
		cancel()
		if ready != nil {
			<-ready
		}
	}()
	var overdue <-chan time.Time // while it is not ready again
	exits, done := r.sup.reaper.Exits()
	defer done()
	changes := r.watcher(sp, r.end)
	exit := p.exit
	var last service.ExitStatus
	var recheck <-chan time.Time // while a daemonized service is on its own
	lateToAccept := r.heldFor()
	var quiet <-chan time.Time // until a loop of restarts may have ended
	for {
		select {
		case x := <-exit:
			exit, p.gone, last = nil, true, x
			if x.Code != 0 || len(r.pids()) == 0 {
				return verdict{exit: &last}
			}
			r.set(func(st *service.Status) { st.Reason = "runs on its own, daemonized" })
			recheck = time.After(daemonCheck)
		case <-exits:
			if p.gone && len(r.pids()) == 0 {
				return verdict{exit: &last}
			}
		case <-recheck:
			if len(r.pids()) == 0 {
				return verdict{exit: &last}
			}
			recheck = time.After(daemonCheck)
		case res := <-ready:
			ready = nil
			if res.err != nil {
				return verdict{err: r.failure(res.err.Error(), p).WithHint(readyHint(sp))}
			}
			p.life.Again() // it has done what it does at its start
			if !r.becomeReady(p, res.listened, res.since) {
				await(p.wasReady) // it stopped listening this very moment
				continue
			}
			p.wasReady, overdue, lateToAccept = true, nil, nil
			if res.reason != "" {
				r.set(func(st *service.Status) { st.Reason = res.reason })
			}
			r.unhold()
			r.tellDependants()
			r.startLacking()
		case <-r.lapsed:
			if ready == nil {
				await(true)
				overdue = time.After(readyLimit(sp))
			}
		case <-overdue:
			overdue = nil
			r.setOverdue()
		case <-lateToAccept:
			r.note(p, fmt.Sprintf("it did not listen within %v of its restart: until it does, connections are refused", heldMost))
			r.letGo()
		case files := <-changes:
			ok, reason := r.breaker.Allow(time.Now(), files)
			if !ok {
				r.note(p, "not restarted: "+reason)
				r.set(func(st *service.Status) { st.Reason = reason })
				quiet = time.After(watch.LoopQuiet)
				continue
			}
			return verdict{restart: true, why: changedText(files)}
		case <-quiet:
			quiet = nil
			if ok, _ := r.breaker.Allow(time.Now(), nil); ok {
				return verdict{restart: true, why: "the files that it changes by itself are quiet"}
			}
		case err := <-r.watchErrors():
			r.unwatched(p, err)
		case <-r.end:
			return r.ending()
		case c := <-r.cmds:
			switch c.ask {
			case askStop:
				return verdict{stop: c.reply}
			case askRestart:
				r.mu.Lock()
				// So that the old process is not taken for the new one.
				r.transition(func(st *service.Status) { st.State = service.Stopping })
				r.asked--
				r.mu.Unlock()
				return verdict{restart: true, asked: true, why: c.why}
			case askStart:
				r.taken() // it runs already
			}
		}
	}
}

// daemonCheck is how often a daemonized service is looked after, besides when
// the kernel reports a death: its parent may be the one that reaps it.
const daemonCheck = time.Second

func readyHint(sp service.Spec) string {
	switch {
	case sp.Ready.Log != "":
		return "a program may keep its output in a buffer where it is not a terminal: give it one with tty = true, flush each line, or run it with stdbuf -oL"
	case sp.Ready.HTTP == "" && len(sp.Ready.Command) == 0:
		return "if it is not meant to listen, say so in lodge.toml: ready = false"
	}
	return ""
}

func (r *runner) endSession() {
	r.letGo()
	if !mendable(r.status().State) {
		r.closeFiles()
	}
}
