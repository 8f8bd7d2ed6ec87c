package supervisor

import (
	"fmt"
	"regexp"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/service"
	"lodge/internal/service/portholder"
)

// An error has so many last lines of the service; among them there may be some
// of lodge's own.
const (
	lastLines = 10
	lastNotes = 20
)

// reporter finds out why a service ended or cannot start.
type reporter struct{ prober }

// failure makes the error that a person reads: the cause, the holder of the port,
// and the last lines.
func (r *reporter) failure(cause string, p *process) *service.Error {
	e := &service.Error{Service: r.name, Cause: cause}
	if p != nil {
		p.flush()
	}
	inUse := false
	for _, l := range r.sup.logs.Tail(r.name, lastLines+lastNotes) {
		if l.Note {
			continue
		}
		e.LastLines = append(e.LastLines, l.Text)
		inUse = inUse || addressInUse().MatchString(l.Text)
	}
	e.LastLines = e.LastLines[max(0, len(e.LastLines)-lastLines):]
	port, owner := r.conflict(inUse)
	if owner != "" {
		e.Cause += fmt.Sprintf("; port %d is taken inside by service %s", port, owner)
		e.Hint = fmt.Sprintf("give one of them another port, or stop the other: lodge down %s", owner)
	} else if inUse || port != 0 {
		if o, ok := r.heldOutside(port, e.LastLines); ok {
			e.Cause += o.Cause()
			e.Hint = o.Hint()
		}
	}
	return e
}

// addressInUse is how programs say EADDRINUSE.
var addressInUse = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)address (is )?already in use|address in use|EADDRINUSE`)
})

// conflictLater is how long the kernel's word of a refused bind may take to
// arrive after the program's own.
const conflictLater = 500 * time.Millisecond

// conflict reports which port of the service another service has. With
// expected it waits for the kernel to say so.
func (r *reporter) conflict(expected bool) (port uint16, owner string) {
	late := time.NewTimer(conflictLater)
	defer late.Stop()
	for {
		r.sup.mu.Lock()
		ch := r.sup.changed
		c, ok := r.sup.conflicts[r.name]
		for _, ep := range r.sup.endpoints {
			if ok && ep.Port == c.Port && ep.Protocol == c.Protocol && ep.Service != r.name {
				owner = ep.Service
			}
		}
		r.sup.mu.Unlock()
		if ok || !expected {
			return c.Port, owner
		}
		select {
		case <-ch:
		case <-late.C:
			return 0, ""
		}
	}
}

// howEnded reports how a process ended, and which limit of the kernel it had
// reached. The cgroup must still be there.
func (r *reporter) howEnded(p *process, x service.ExitStatus) string {
	how := x.String()
	if x.Code == 0 {
		return how
	}
	if limit, sure := p.life.Killed(); limit != "" {
		how += oomText(x, limit, sure)
	}
	limit, sure := p.life.Refused()
	failed := r.forkFailed(p)
	switch {
	case limit != "" && (sure || failed):
		return how + "; it could start no more processes: " + limit
	case limit != "":
		return how + "; meanwhile a process, perhaps of another service, could start no more: " + limit
	case !failed:
		return how
	}
	if limit := p.life.Forks(); limit != "" {
		return how + "; it could start no more processes: probably " + limit
	}
	return how
}

// oomText tells of the kernel's OOM killer, no more than is known: a process
// that it ended has got SIGKILL, and a shell whose child has ends with 137.
func oomText(x service.ExitStatus, limit string, sure bool) string {
	switch killed := x.Code == 128+int(unix.SIGKILL); {
	case x.Signal == unix.SIGKILL && sure:
		return fmt.Sprintf(": killed by the kernel's OOM killer (%s)", limit)
	case x.Signal == unix.SIGKILL:
		return fmt.Sprintf(": probably killed by the kernel's OOM killer (%s)", limit)
	case sure:
		return fmt.Sprintf("; one of its processes was killed by the kernel's OOM killer (%s)", limit)
	case killed:
		return fmt.Sprintf("; one of its processes was probably killed by the kernel's OOM killer (%s)", limit)
	}
	return fmt.Sprintf("; meanwhile the kernel's OOM killer has killed a process, perhaps of another service (%s)", limit)
}

// forkFailed reports whether the last lines of a service say that it could
// start no process or thread.
func (r *reporter) forkFailed(p *process) bool {
	p.flush()
	for _, l := range r.sup.logs.Tail(r.name, lastLines+lastNotes) {
		if !l.Note && noFork().MatchString(l.Text) {
			return true
		}
	}
	return false
}

// noFork is how programs say that fork or clone has failed with EAGAIN.
var noFork = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)\b(v?fork|clone3?|spawn|pthread_create|posix_spawn|thread)\b.*(resource temporarily unavailable|EAGAIN|errno[ =]*11\b)|` +
		`(cannot|can't) v?fork|can't start new thread|unable to create (new )?native thread|failed to create new OS thread|blockingioerror.*errno 11`)
})

// heldOutside returns the process outside that has a port which the service may have
// wanted.
func (r *reporter) heldOutside(refused uint16, said []string) (portholder.Holder, bool) {
	sp, _ := r.definition()
	r.sup.mu.Lock()
	had := slices.Clone(r.sup.had[r.name])
	r.sup.mu.Unlock()
	var wanted []uint16
	if refused != 0 {
		wanted = append(wanted, refused)
	} else {
		wanted = append(wanted, sp.Port, sp.HTTP)
		wanted = append(wanted, had...)
		for _, line := range append(slices.Clone(said), sp.Command) {
			wanted = append(wanted, portholder.NumbersIn(line)...)
		}
		wanted = slices.DeleteFunc(wanted, func(p uint16) bool { return p == 0 })
	}
	return portholder.Find(r.sup.spec.IP4, wanted)
}
