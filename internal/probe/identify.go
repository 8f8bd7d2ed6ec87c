package probe

import (
	"context"
	"net/http"
	"slices"
	"time"

	"lodge/internal/probe/answer"
)

// stagger is how long a question may stay without an answer before the next is
// asked, on another connection. The first stays open: a page that takes
// seconds to be made is still found, without making every other server wait.
const stagger = 300 * time.Millisecond

// outcome is how one exchange ended.
type outcome struct {
	index  int // in Report.Exchanges
	answer *answer.Answer
	data   []byte
	took   Exchange
	tls    time.Duration
	broken answer.Failure // how the answer broke off, "" where it did not
}

// asking is the state of one identification. Only identify's goroutine uses it.
type asking struct {
	p       *prober
	r       *Report
	results chan outcome
	running int
	queue   []exchange
	known   *outcome // recognised by an answer to another question
	part    *outcome // recognised by the beginning of an answer
	heard   *outcome // an answer that no reader knows
}

// identify asks one question after another until one is answered by a protocol
// that lodge knows, and fills the report. It closes first, which is connected.
func (p *prober) identify(ctx context.Context, r *Report, first *session, closeFirst func()) {
	ctx, cancel := context.WithTimeout(ctx, p.opts.Timeout)
	defer context.AfterFunc(ctx, closeFirst)() // it was connected before this context was
	a := &asking{p: p, r: r, results: make(chan outcome), queue: plan(p.target.Scheme, p.target.Port)}
	if p.opts.Remote && !p.at.Addr().IsLoopback() && printer(p.target.Port) {
		a.queue = []exchange{serverFirst()}
	}
	best := a.run(ctx, first, closeFirst)
	if best != nil && wantsUpgrade(p.target, best.answer) && best.answer.TLS == nil {
		a.upgrade(ctx, best.answer)
	}
	cancel()
	for a.running > 0 { // each has seen that the context ended
		// What tells of the page is better than what only shows the protocol.
		if last := a.note(<-a.results); last != nil && (best == nil || best.answer.Partial || best.answer.Next != "") {
			best = last
		}
	}
	if best == nil {
		best = a.fallback() // what was heard when the time ended
	}
	a.conclude(best)
}

// run returns the best outcome, or nil.
func (a *asking) run(ctx context.Context, s *session, end func()) *outcome {
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-next.C:
			if len(a.queue) > 0 {
				a.start(ctx, a.queue[0], s, end)
				s, end, a.queue = nil, nil, a.queue[1:]
				next.Reset(stagger)
			}
		case o := <-a.results:
			if best := a.note(o); best != nil {
				if end != nil {
					end()
				}
				return best
			}
			next.Reset(0)
		case <-ctx.Done():
			if end != nil {
				end()
			}
			return a.fallback()
		}
		if a.running == 0 && len(a.queue) == 0 {
			return a.fallback()
		}
	}
}

func (a *asking) fallback() *outcome {
	switch {
	case a.known != nil:
		return a.known
	case a.part != nil:
		return a.part
	}
	return a.heard
}

// start asks in a goroutine of its own, which identify waits for.
func (a *asking) start(ctx context.Context, e exchange, s *session, end func()) {
	index := len(a.r.Exchanges)
	a.r.Exchanges = append(a.r.Exchanges, Exchange{Name: e.name})
	a.running++
	go func() {
		o := outcome{index: index, took: Exchange{Name: e.name}}
		var err error
		if s == nil {
			s, end, err = a.p.opts.Network.connect(ctx, "tcp", a.p.at, time.Now().Add(a.p.opts.Timeout))
		}
		if err != nil {
			o.took.Result = string(failureOf(err))
			a.results <- o
			return
		}
		o.answer, o.data = e.ask(ctx, a.p, s)
		end()
		o.tls = s.handshake
		o.took.ConnectUS, o.took.FirstByteUS, o.took.ReceivedBytes = micros(s.connect), micros(s.firstByte), max(s.received, len(o.data))
		o.broken = s.broken(ctx, o.answer)
		switch {
		case o.answer != nil && o.broken == answer.Reset:
			o.answer.Failure, o.took.Result = o.broken, string(o.broken)
		case o.answer != nil:
			if o.answer.Failure == "" {
				o.answer.Failure = o.broken
			}
			o.took.Result = "answered"
		case len(o.data) > 0:
			o.took.Result = "unknown"
		case s.reset && ctx.Err() == nil:
			o.took.Result = string(answer.Reset)
		case s.closed && ctx.Err() == nil:
			o.took.Result = "closed"
		default:
			o.took.Result = "silent"
		}
		a.results <- o
	}()
}

// note files an outcome and gives the best, once it is known.
func (a *asking) note(o outcome) *outcome {
	a.running--
	a.r.Exchanges[o.index] = o.took
	if o.answer != nil && o.answer.HTTP != nil && !isPage(o.took.Name, o.answer) {
		// An answer of HTTP to something else proves the protocol, and tells
		// nothing of the page.
		o.answer.HTTP, o.answer.Next = &answer.HTTP{Version: o.answer.HTTP.Version, Path: answer.Plain(a.p.page.path())}, "http"
		o.answer.Failure = ""
	}
	switch {
	case o.answer != nil && o.answer.Partial:
		if a.part == nil {
			a.part = &o
		}
	case o.answer != nil && o.answer.Next == "":
		return &o
	case o.answer != nil:
		if a.known == nil {
			a.known = &o
		}
		a.prefer(o.answer.Next)
	case len(o.data) > 0 && a.heard == nil:
		o.answer = answer.Unknown(o.data)
		o.answer.Failure = o.broken
		a.heard = &o
	}
	if a.known != nil && !a.pending(a.known.answer.Next) {
		return a.known // the question that would tell more was asked, and told nothing
	}
	return nil
}

// isPage reports whether an answer of HTTP is to a question of HTTP: a server
// without TLS answers its handshake, and HTTP/2, with an error.
func isPage(name string, a *answer.Answer) bool {
	switch name {
	case "http", "websocket":
		return true
	case "tls", "h2":
		return a.TLS != nil || a.HTTP != nil && a.HTTP.Version == "2"
	}
	return false
}

// prefer puts the named question in front, if it was not asked yet.
func (a *asking) prefer(name string) {
	i := slices.IndexFunc(a.queue, func(e exchange) bool { return e.name == name })
	if i > 0 {
		e := a.queue[i]
		a.queue = slices.Insert(slices.Delete(a.queue, i, i+1), 0, e)
	}
}

// pending reports whether the named question is still to be asked or answered.
func (a *asking) pending(name string) bool {
	for _, e := range a.queue {
		if e.name == name {
			return true
		}
	}
	for _, e := range a.r.Exchanges {
		if e.Name == name && e.Result == "" {
			return true
		}
	}
	return false
}

// upgrade asks whether the page is a WebSocket.
func (a *asking) upgrade(ctx context.Context, known *answer.Answer) {
	ctx, cancel := context.WithTimeout(ctx, 8*grace)
	defer cancel()
	a.start(ctx, exchange{"websocket", askWebSocket}, nil, nil)
	for index := len(a.r.Exchanges) - 1; ; {
		o := <-a.results
		a.note(o)
		if o.index != index {
			continue
		}
		if o.answer.Status() == http.StatusSwitchingProtocols && !slices.Contains(known.Offers, "websocket") {
			known.Offers = append(known.Offers, "websocket")
		}
		return
	}
}

// conclude fills the report from the best outcome.
func (a *asking) conclude(best *outcome) {
	r := a.r
	if best != nil {
		r.Result, r.Answer = Answered, best.answer
		r.ConnectUS, r.FirstByteUS, r.TLSUS = best.took.ConnectUS, best.took.FirstByteUS, micros(best.tls)
		return
	}
	r.Result = Silent
	closed := len(r.Exchanges) > 0
	reset, inOrder := false, false
	for _, e := range r.Exchanges {
		closed = closed && (e.Result == "closed" || e.Result == string(answer.Reset))
		reset = reset || e.Result == string(answer.Reset)
		// The layers of TLS and HTTP/2 do not hand a reset on.
		inOrder = inOrder || e.Result == "closed" && e.Name != "tls" && e.Name != "h2"
	}
	switch {
	case closed && reset && !inOrder:
		r.Result = Result(answer.Reset)
	case closed:
		r.Result = Closed
	}
}
