package service

import (
	"fmt"
	"regexp"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// An error has so many last lines of the service; among them there may be some
// of lodge's own.
const (
	lastLines = 10
	lastNotes = 20
)

// reporter finds out why a service ended or cannot start.
type reporter struct{ prober }

// failure makes the error that a person reads: the cause, who has the port,
// and the last lines.
func (r *reporter) failure(cause string, p *process) *Error {
	e := &Error{Service: r.name, Cause: cause}
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
			e.Cause += o.cause()
			e.Hint = o.hint()
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

// conflict reports which port of the service somebody else inside has. With
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

func exitText(x ExitStatus) string {
	if x.Signal != 0 {
		return "signal " + unix.SignalName(x.Signal)
	}
	return fmt.Sprintf("status %d", x.Code)
}
