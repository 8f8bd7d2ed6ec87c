package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"lodge/internal/proxy"
)

// first measures the time from a service's listen to the first answer: of a
// request that waits at the engine meanwhile, and, beside it, of one that is
// made to the service itself at that moment.
func (b *bench) first(ctx context.Context) error {
	b.say("the first answer")
	e, err := proxy.New(proxy.Config{})
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- e.Serve(proxy.Listener{Listener: ln}) }()
	defer func() {
		_ = e.Shutdown(context.WithoutCancel(ctx)) // nothing is under way
		<-served
	}()
	var own, through []float64
	for range b.opt.rounds * 10 {
		for _, held := range []bool{false, true} {
			d, err := firstAnswer(e, ln.Addr().String(), held)
			if err != nil {
				return err
			}
			if held {
				through = append(through, d)
			} else {
				own = append(own, d)
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	b.out.First = &firstTable{Rounds: len(own), Ratio: spreadOf(ratios(through, own)), DirectUS: spreadOf(own).Median * 1e6, HeldUS: spreadOf(through).Median * 1e6}
	return nil
}

// firstAnswer gives the time in seconds.
func firstAnswer(e *proxy.Engine, at string, held bool) (float64, error) {
	service := proxy.Service{ID: "bench", Project: "bench", Names: []proxy.Name{{Host: host}}, State: proxy.Starting}
	if err := set(e, service); err != nil {
		return 0, err
	}
	answer := make(chan error, 1)
	if held {
		c, err := net.Dial("tcp", at)
		if err != nil {
			return 0, err
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n"); err != nil {
			return 0, err
		}
		go func() { answer <- readAnswer(c) }()
		// The request is at the engine when it is counted as waiting there; a
		// short while is enough for that, and costs the measurement nothing.
		select {
		case err := <-answer:
			return 0, fmt.Errorf("answered while the service starts: %w", err)
		case <-time.After(5 * time.Millisecond):
		}
	}
	start := time.Now()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(ln) }()
	defer func() { _ = s.Close(); <-done }()
	if held {
		service.State, service.Endpoints = proxy.Ready, []proxy.Endpoint{{Addr: netip.MustParseAddrPort(ln.Addr().String())}}
		if err := set(e, service); err != nil {
			return 0, err
		}
		err = <-answer
	} else {
		err = askDirect(ln.Addr().String())
	}
	return time.Since(start).Seconds(), err
}

func set(e *proxy.Engine, s proxy.Service) error {
	t, err := proxy.NewTable([]proxy.Service{s})
	if err == nil {
		e.SetTable(t)
	}
	return err
}

func askDirect(addr string) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n"); err != nil {
		return err
	}
	return readAnswer(c)
}

func readAnswer(c net.Conn) error {
	if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, res.Body)
	if err == nil && res.StatusCode != 200 {
		err = fmt.Errorf("answered %s", res.Status)
	}
	return err
}
