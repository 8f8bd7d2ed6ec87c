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

// spoken finds out which services speak HTTP, where a project's own name could
// mean several: each endpoint is asked once.
type spoken struct {
	client *http.Client

	mu    sync.Mutex // guards known
	known map[loopback.Endpoint]*answerOf
}

type answerOf struct {
	done bool
	http bool
}

// askTime bounds the question. A server that keeps silent is none of HTTP.
const askTime = 2 * time.Second

func newSpoken() *spoken {
	return &spoken{
		known: make(map[loopback.Endpoint]*answerOf),
		client: &http.Client{
			Timeout:       askTime,
			Transport:     &http.Transport{DisableKeepAlives: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// only gives the one of the services that speaks HTTP, or nil where there are
// several or none, or it is not known yet: then changed is called later. An
// endpoint is known by its socket, so that what listens there next is asked
// again.
func (s *spoken) only(list []*service.Status, changed func()) *service.Status {
	var found *service.Status
	for _, st := range list {
		eps := names.HTTPEndpoints(st)
		if len(eps) == 0 {
			continue
		}
		yes, known := s.ask(eps[0], changed)
		switch {
		case !known:
			return nil
		case yes && found != nil:
			return nil
		case yes:
			found = st
		}
	}
	return found
}

// ask gives the answer of an endpoint, and asks it in the background where
// there is none.
func (s *spoken) ask(e loopback.Endpoint, changed func()) (yes, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.known[e]; a != nil {
		return a.http, a.done
	}
	a := &answerOf{}
	if len(s.known) > 1024 {
		clear(s.known) // of sockets that are long gone, mostly
	}
	s.known[e] = a
	go func() {
		yes := s.speaks(e) // bounded by askTime; nobody need wait for it
		s.mu.Lock()
		a.done, a.http = true, yes
		s.mu.Unlock()
		changed()
	}()
	return false, false
}

func (s *spoken) speaks(e loopback.Endpoint) bool {
	ctx, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
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
