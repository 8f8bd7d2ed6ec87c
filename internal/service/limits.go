package service

import (
	"fmt"
	"regexp"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/limits"
)

// movedAfter is when it is looked whether a process has moved to cgroups of its
// own, after its start: a script that moves itself does so at once. It is looked
// again when the service is ready.
const movedAfter = 250 * time.Millisecond

// follow notes what the kernel counts of a process's limits.
func (p *process) follow() {
	p.life = limits.Begin(p.pid)
	p.read.Add(1)
	p.look = time.AfterFunc(movedAfter, func() {
		defer p.read.Done()
		p.life.Again()
	})
}

// unfollow ends follow; it may be called once.
func (p *process) unfollow() {
	if p.look.Stop() {
		p.read.Done()
	}
}

// howEnded reports how a process ended, and which limit of the kernel it had
// reached. The cgroup must still be there.
func (r *reporter) howEnded(p *process, x ExitStatus) string {
	how := exitText(x)
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
func oomText(x ExitStatus, limit string, sure bool) string {
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
