package webports

import (
	"context"
	"sync"
	"time"

	"lodge/internal/names"
	"lodge/internal/service"
)

// Ask asks those of the services that must be asked, all at once. The error is
// that ctx has ended.
func (s *Ports) Ask(ctx context.Context, project string, list []*service.Status) error {
	var asked sync.WaitGroup
	for _, st := range list {
		asked.Go(func() { s.AskService(ctx, project, st) })
	}
	asked.Wait()
	return ctx.Err()
}

// AskService asks the ports of a service, from the likeliest on, until it is
// known where its name leads. While one keeps silent the next ones are asked as
// well, but what they answer counts only when that one is known not to speak
// HTTP, or has kept silent for too long.
func (s *Ports) AskService(ctx context.Context, project string, st *service.Status) {
	if s.Of(project, st).Kind != Unknown {
		return
	}
	list := names.WebPorts(st)
	patience := func(p uint16) time.Duration {
		if len(list) == 1 || names.SilenceTells(st, p) {
			return askGrace
		}
		return askPatience
	}
	var waiting []<-chan struct{}
	for _, p := range list {
		answered := s.question(project, st, p, patience(p), false)
		quiet := time.NewTimer(askGrace)
		select {
		case <-answered:
		case <-quiet.C:
			waiting = append(waiting, answered)
		case <-ctx.Done():
		}
		quiet.Stop()
		if ctx.Err() != nil || len(waiting) == 0 && s.Of(project, st).Kind != Unknown {
			break
		}
	}
	for _, answered := range waiting {
		select {
		case <-answered:
		case <-ctx.Done():
			return
		}
	}
	if s.Of(project, st).Kind != None {
		return
	}
	for _, p := range list {
		if s.verdictOf(project, st, p) != closes {
			continue
		}
		select {
		case <-s.question(project, st, p, patience(p), true):
		case <-ctx.Done():
			return
		}
	}
}

// AskPort asks one port of a service.
func (s *Ports) AskPort(ctx context.Context, project string, st *service.Status, port uint16) {
	for _, further := range []bool{false, true} {
		if v := s.verdictOf(project, st, port); further && v != closes || !further && v != unasked {
			continue
		}
		select {
		case <-s.question(project, st, port, askGrace, further):
		case <-ctx.Done():
			return
		}
	}
}

func (s *Ports) verdictOf(project string, st *service.Status, port uint16) verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.life(project, st).ports[port]; q != nil {
		return q.verdict
	}
	return unasked
}

// question asks a port, unless that is known or under way, and returns a
// channel that is closed when there is an answer. further has one asked again
// that closed the connection: it may insist on HTTP/2 or on TLS.
func (s *Ports) question(project string, st *service.Status, port uint16, longest time.Duration, further bool) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.life(project, st).ports[port]
	switch {
	case q != nil && q.asking != nil:
		return q.asking
	case q == nil, !further && q.verdict != unasked:
		done := make(chan struct{})
		close(done)
		return done
	}
	done := make(chan struct{})
	q.asking = done
	at := names.EndpointsAt(st, port)[0].AddrPort()
	s.asked.Go(func() {
		var v verdict
		if further {
			v = askFurther(s.ctx, at)
		} else {
			v = askHTTP(s.ctx, at, longest)
		}
		s.mu.Lock()
		if v == closes && q.spoke {
			v = silent // it was about to end, or has not begun
		}
		if s.ctx.Err() == nil {
			q.verdict, q.judged = v, time.Now()
		}
		q.asking = nil
		s.mu.Unlock()
		close(done)
	})
	return done
}
