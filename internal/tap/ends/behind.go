package ends

import (
	"time"

	"lodge/internal/model"
	"lodge/internal/sockets/holders"
	"lodge/internal/tap"
)

// behind is what is behind a proxy of published ports.
type behind struct {
	start uint64 // of the proxy
	is    *tap.Behind
	at    time.Time // when it was looked for
}

// forwards returns what is behind a process that is a proxy of published ports, else nil.
// A container has one proxy for each port, which ends with it: what was found stays.
func (f *Finder) forwards(p *model.Process) *tap.Behind {
	to, ok := holders.ForwardsTo(p.Name, p.Command)
	if !ok {
		return nil
	}
	now := f.o.Now()
	b := f.behind[p.PID]
	if b != nil && b.start == p.Start && (len(b.is.Processes) > 0 || now.Sub(b.at) < patience) {
		return b.is
	}
	b = &behind{start: p.Start, at: now, is: &tap.Behind{Address: to}}
	if f.o.Behind != nil {
		b.is.Processes, b.is.Container = f.o.Behind(f.ctx, to)
	}
	if len(f.behind) >= most {
		clear(f.behind)
	}
	f.behind[p.PID] = b
	return b.is
}
