package memcached

import (
	"time"

	"lodge/internal/decode"
)

// session is what both forms of the protocol share.
type session struct {
	*decode.Conn
	pending queue
	unsure  bool      // which command an answer belongs to is not known
	heard   time.Time // when the server's last byte came
}

// quiet is how long a server has said nothing when it has answered all that it
// was asked, also what was not captured.
const quiet = 100 * time.Millisecond

// message emits what is not answered.
func (d *session) message(e *decode.Exchange) {
	e.Kind = decode.KindMessage
	d.Emit(e)
}

// flush emits what waits for an answer that will not be seen.
func (d *session) flush(why string) {
	for {
		p := d.pending.pop()
		if p == nil {
			break
		}
		if p.quiet && !p.answered {
			d.unanswered(p)
			continue
		}
		d.incomplete(p, why)
	}
	d.pending.forgotten = 0
}

// incomplete emits a command that was not answered, or not fully.
func (d *session) incomplete(p *pending, why string) {
	p.e.Response.Incomplete = true
	p.fill()
	if why != "" {
		p.e.Unknown = append(p.e.Unknown, why)
	}
	d.Emit(p.e)
}

// unanswered emits a quiet command whose answer was left out.
func (d *session) unanswered(p *pending) {
	p.e.Kind = decode.KindMessage
	if p.silence != "" {
		p.e.Add("quiet", p.silence)
	}
	d.Emit(p.e)
}

// wait lets a command wait for its answer. inOrder reports that nothing but the
// order says which answer is for which command.
func (d *session) wait(p *pending, inOrder bool) {
	if d.unsure && inOrder {
		if len(d.pending.waiting) == 0 && !d.heard.IsZero() && p.e.Started.Sub(d.heard) >= quiet {
			d.unsure, d.pending.forgotten = false, 0
		} else {
			p.e.Unknown = append(p.e.Unknown, "earlier commands were not captured: the answer may be that of another one")
		}
	}
	if old := d.pending.push(p); old != nil {
		if !old.quiet {
			d.pending.forgotten++
		}
		d.incomplete(old, "more commands were waiting than are remembered")
	}
}
