package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/net/websocket"
)

// web is a server that shows what a proxy in front of it does:
//
//	/            an HTML page with TEXT
//	/ws          a WebSocket that sends back what comes
//	/seen        how many requests have come for /post and /ws
//	/post        counts the request
//	/events      server-sent events, one for each request for /tick
//	/sink        reads the body, says how many bytes it had
//	/source?n=N  N bytes
//	/hints       103 (RFC 8297), then 200
//	/trailers    a trailer after the body
//	/head        the head of the request, as it came
type web struct {
	text string

	mu    sync.Mutex // guards what follows
	seen  int
	ticks int
	tick  chan struct{} // closed at the next one
}

func (s *web) serve(address string) error {
	ln, err := listenAt(address)
	if err != nil {
		return err
	}
	fmt.Println("listening on", ln.Addr())
	s.tick = make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, "<!doctype html><title>%[1]s</title><p id=text>%[1]s</p>\n", s.text)
	})
	// A websocket.Handler would look at Origin itself.
	mux.Handle("/ws", s.count(websocket.Server{Handler: func(c *websocket.Conn) {
		_, _ = io.Copy(c, c) // until one side ends
	}}))
	mux.Handle("/post", s.count(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	mux.HandleFunc("/seen", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		fmt.Fprint(w, s.seen)
	})
	mux.HandleFunc("/events", s.events)
	mux.HandleFunc("/tick", func(http.ResponseWriter, *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ticks++
		close(s.tick)
		s.tick = make(chan struct{})
	})
	mux.HandleFunc("/sink", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, " bytes, error ", err)
	})
	mux.HandleFunc("/source", source)
	mux.HandleFunc("/hints", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload; as=style")
		w.WriteHeader(http.StatusEarlyHints)
		fmt.Fprint(w, "after hints")
	})
	mux.HandleFunc("/trailers", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		fmt.Fprint(w, "before the trailer")
		w.Header().Set("X-Sum", "42")
	})
	mux.HandleFunc("/head", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Host: %s\n", r.Host)
		_ = r.Header.Write(w) // the client has gone
	})
	return http.Serve(ln, mux)
}

func (s *web) count(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.seen++
		s.mu.Unlock()
		h.ServeHTTP(w, r)
	})
}

// events sends how many ticks there were, now and at each one.
func (s *web) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	rc := http.NewResponseController(w)
	for {
		s.mu.Lock()
		n, next := s.ticks, s.tick
		s.mu.Unlock()
		if _, err := fmt.Fprintf(w, "data: tick %d\n\n", n); err != nil {
			return
		}
		if err := rc.Flush(); err != nil {
			return
		}
		select {
		case <-next:
		case <-r.Context().Done():
			return
		}
	}
}

func source(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.ParseInt(r.URL.Query().Get("n"), 10, 64)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
	_, _ = io.CopyN(w, zeros{}, n) // the client has gone
}

// zeros is as many zero bytes as somebody reads.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// listenAt listens on a TCP address, on one of IPv6 and nothing else
// ("tcp6:ADDRESS"), or on a Unix socket ("unix:PATH").
func listenAt(address string) (net.Listener, error) {
	for _, network := range []string{"unix", "tcp6"} {
		if at, ok := strings.CutPrefix(address, network+":"); ok {
			return net.Listen(network, at)
		}
	}
	return net.Listen("tcp", address)
}
