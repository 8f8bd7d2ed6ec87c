package daemon

import (
	"context"
	"net/http"
	"sync"
	"time"

	"lodge/internal/loopback"
	"lodge/internal/names"
	"lodge/internal/service"
)

// spoken knows which services speak HTTP, where a project's own name could
// mean several: each endpoint is asked once, when somebody wants to know.
type spoken struct {
	client *http.Client

	mu    sync.Mutex                 // guards known
	known map[loopback.Endpoint]bool // by socket: what listens there next is asked again
}

// askTime bounds the question. A server that keeps silent is none of HTTP.
const askTime = 2 * time.Second

// maxKnown bounds what is remembered, mostly of sockets that are long gone.
const maxKnown = 1024

func newSpoken() *spoken {
	return &spoken{
		known: make(map[loopback.Endpoint]bool),
		client: &http.Client{
			Timeout:       askTime,
			Transport:     &http.Transport{DisableKeepAlives: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// only gives the one of the services that is known to speak HTTP, or nil where
// there are several or none, or one was not asked yet.
func (s *spoken) only(list []*service.Status) *service.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found *service.Status
	for _, st := range list {
		eps := names.HTTPEndpoints(st)
		if len(eps) == 0 {
			continue
		}
		yes, known := s.known[eps[0]]
		switch {
		case !known, yes && found != nil:
			return nil
		case yes:
			found = st
		}
	}
	return found
}

// could gives the services that are not known to speak something else.
func (s *spoken) could(list []*service.Status) []*service.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*service.Status
	for _, st := range list {
		if eps := names.HTTPEndpoints(st); len(eps) > 0 {
			if yes, known := s.known[eps[0]]; known && !yes {
				continue
			}
		}
		out = append(out, st)
	}
	return out
}

// ask asks those of the services that were not asked yet, all at once. The
// error is that ctx has ended.
func (s *spoken) ask(ctx context.Context, list []*service.Status) error {
	var asked sync.WaitGroup
	for _, st := range list {
		eps := names.HTTPEndpoints(st)
		if len(eps) == 0 {
			continue
		}
		s.mu.Lock()
		_, known := s.known[eps[0]]
		s.mu.Unlock()
		if known {
			continue
		}
		asked.Go(func() {
			yes := s.speaks(ctx, eps[0])
			if ctx.Err() != nil {
				return // no answer is none, not a no
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if len(s.known) >= maxKnown {
				clear(s.known)
			}
			s.known[eps[0]] = yes
		})
	}
	asked.Wait()
	return ctx.Err()
}

func (s *spoken) speaks(ctx context.Context, e loopback.Endpoint) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, "http://"+e.AddrPort().String()+"/", nil)
	if err != nil {
		return false
	}
	req.Host = "localhost"
	resp, err := s.client.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return true
}
