package supervisor

import (
	"context"
	"time"

	"lodge/internal/procfs"
	"lodge/internal/service"
	"lodge/internal/service/settle"
)

// settlePatience is the least time between two readings of the sockets.
const settlePatience = 2 * time.Millisecond

// workerReason is what is told of a service that was taken for a worker.
const workerReason = "it listens nowhere, and is taken for a worker"

// mayBeWorker reports whether nothing says that the service listens.
func mayBeWorker(sp service.Spec) bool {
	rd := sp.Ready
	return rd.HTTP == "" && len(rd.Command) == 0 && rd.Log == "" && len(rd.TCP) == 0 && !rd.None && !rd.Soft &&
		sp.HTTP == 0 && sp.HTTPSocket == "" && sp.Port == 0 && !sp.AutoPort && !sp.Listen && !sp.OnRequest && len(sp.PortNames) == 0
}

// settled is how a wait for the listening sockets of a service ended.
type settled struct {
	ok    bool
	since time.Time // since when they are as they are
	// worker reports that it has none, and is taken for a worker.
	worker bool
	// tried reports that it has listened before.
	tried bool
}

// settle waits until the service listens and its listening sockets have
// settled. With soft, not zero, it gives up when the service has not listened
// for so long. With worker it may find that the service is one.
func (r *prober) settle(ctx context.Context, sp service.Spec, p *process, began time.Time, soft time.Duration, worker bool) settled {
	if r.leased() {
		return settled{ok: true, since: time.Now()} // lodge itself listens: connections wait in the queue from now on
	}
	w := settle.Sockets{Began: began, Own: r.wantedPort(sp), Named: len(sp.Ready.TCP) > 0, Control: r.sup.control}
	if !w.Named {
		w.Wanted = sp.PortNames
	}
	if w.Own == 0 {
		w.Own = sp.Port
	}
	idle := settle.Idle{Times: r.sup.worker, Began: p.started}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		s := r.sup
		s.mu.Lock()
		ch, read, eps := s.changed, s.read, s.endpoints
		r.mu.Lock()
		eps = r.proving(sp, eps)
		r.mu.Unlock()
		s.mu.Unlock()
		left, listens := w.See(eps, read)
		if listens && left <= 0 {
			return settled{ok: true, since: w.Changed()}
		}
		var due <-chan time.Time
		next := read.Add(left)
		if !listens && soft > 0 {
			if next = w.Over(soft); !next.After(time.Now()) {
				return settled{tried: w.Tried()}
			}
		}
		asleep := worker && !listens && !w.Tried()
		if asleep {
			if idle.Due(time.Now()) && idle.See(procfs.ReadActivity(r.pids()), time.Now()) {
				return settled{worker: true}
			}
			next = idle.Next()
		}
		if listens || soft > 0 || asleep {
			timer.Reset(max(time.Until(next), settlePatience))
			due = timer.C
		}
		select {
		case <-ch:
		case <-due:
			// No engine tells of every close at once: what is there is read anew.
			_ = s.Recheck() // an error leaves the sockets as they were read last
		case <-ctx.Done():
			return settled{tried: w.Tried()}
		}
	}
}
