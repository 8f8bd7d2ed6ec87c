package proxy

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A port that is not there gets a page that lists those that are; while the
// service starts the request waits.
func TestNoSuchPort(t *testing.T) {
	addr := backend(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "page") })
	r := newRig(t, Config{Limits: Limits{HoldTime: patience}})
	main := at("web", addr)
	main.Names = []Name{{Host: "web.shop.localhost", Wildcard: true, Ports: true}}
	main.Note = "web listens on two ports."
	port := at("web", addr)
	port.ID, port.UsedAs, port.Names = main.ID+":4000", main.ID, []Name{{Host: "4000.web.shop.localhost", Wildcard: true}}
	r.serve(main, port)
	eachProto(t, func(t *testing.T, proto, base string) {
		if strings.HasPrefix(base, "https:") {
			return // the rig's certificate is for other names
		}
		status, body := get(t, r.client(proto), strings.Replace(base, "web.", "4242.web.", 1))
		if status != 404 || !strings.HasPrefix(body, "lodge: "+main.ID+" does not listen on port 4242\nweb listens on two ports.\n") || !strings.Contains(body, "//4000.web.shop.localhost") {
			t.Errorf("%d %q", status, body)
		}
		if status, body := get(t, r.client(proto), strings.Replace(base, "web.", "4000.web.", 1)); status != 200 || body != "page" {
			t.Errorf("%d %q", status, body)
		}
	})
	starting := main
	starting.State, starting.Endpoints = Starting, nil
	r.serve(starting)
	got := make(chan string, 1)
	go func() {
		res, err := r.client("h1").Get("http://4000.web.shop.localhost/")
		if err != nil {
			got <- err.Error()
			return
		}
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		got <- string(b)
	}()
	r.serve(starting) // whether it waits already or not: it gets what the next table says
	r.serve(main, port)
	if s := <-got; s != "page" {
		t.Errorf("a request for a port of a service that started: %q", s)
	}
}

// A service that must be settled first is, once for all requests that wait, and
// by a handshake that offers no HTTP.
func TestSettle(t *testing.T) {
	var r *rig
	known := make(chan Service, 1)
	asked := make(chan string, 100)
	r = newRig(t, Config{Settle: func(ctx context.Context, id string) error {
		asked <- id
		select {
		case s := <-known:
			r.serve(s)
		case <-ctx.Done():
			return ctx.Err()
		}
		return nil
	}})
	web := at("db", backend(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "page") }))
	unsettled := web
	unsettled.State, unsettled.Endpoints = Unsettled, nil
	r.serve(unsettled)
	known <- web
	if status, body := get(t, r.client("h1"), "http://db.shop.localhost/"); status != 200 || body != "page" {
		t.Errorf("%d %q", status, body)
	}
	if id := <-asked; id != web.ID {
		t.Errorf("asked for %q", id)
	}
	r.serve(unsettled)
	known <- db(t)
	c, err := r.dialTLS("db.shop.localhost")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	line := make([]byte, 6)
	if _, err := io.ReadFull(c, line); err != nil || string(line) != "hello\n" {
		t.Errorf("over TLS: %q, %v", line, err)
	}
	if status, body := get(t, r.client("h1"), "http://db.shop.localhost/"); status != 404 || !strings.Contains(body, "does not speak HTTP") {
		t.Errorf("a browser at a service without HTTP: %d %q", status, body)
	}
}

// A service that refuses is told of, and tried again until it listens.
func TestRefusedForAMoment(t *testing.T) {
	addr, open := refusing(t)
	told := make(chan string, 100)
	r := newRig(t, Config{Limits: Limits{RefuseTime: patience}, Refused: func(id string) { told <- id }})
	r.serve(at("web", addr))
	done := make(chan struct{})
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "back") })}
	go func() {
		defer close(done)
		<-told
		srv.Serve(open())
	}()
	defer func() { srv.Close(); <-done }()
	if status, body := get(t, r.client("h1"), "http://web.shop.localhost/"); status != 200 || body != "back" {
		t.Errorf("%d %q", status, body)
	}
}
