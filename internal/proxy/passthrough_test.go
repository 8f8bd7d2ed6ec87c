package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// db is a service that speaks first, answers by lines, and says what it heard
// when the client has ended.
func db(t *testing.T) Service {
	s := at("db", raw(t, func(c net.Conn, br *bufio.Reader) {
		io.WriteString(c, "hello\n")
		n := 0
		for {
			l, err := br.ReadString('\n')
			if err != nil {
				fmt.Fprintf(c, "%d bytes\n", n)
				return
			}
			n += len(l)
			io.WriteString(c, strings.ToUpper(l))
		}
	}))
	s.Raw = true
	s.Names = []Name{{Host: "db.shop.localhost"}, {Host: "db.shop.test"}}
	return s
}

func (r *rig) dialTLS(name string, protos ...string) (*tls.Conn, error) {
	c := tls.Client(r.dial(), &tls.Config{InsecureSkipVerify: true, ServerName: name, NextProtos: protos}) // its certificate is for other names
	return c, c.Handshake()
}

func TestRaw(t *testing.T) {
	r := newRig(t, Config{})
	web := at("web", backend(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "page") }))
	r.serve(db(t), web)

	for _, name := range []string{"db.shop.localhost", "DB.shop.test"} {
		for _, protos := range [][]string{nil, {"postgresql"}, {"x", "http/1.1", "y"}} {
			t.Run(fmt.Sprint(name, protos), func(t *testing.T) {
				c, err := r.dialTLS(name, protos...)
				if err != nil {
					t.Fatal(err)
				}
				if got := c.ConnectionState().NegotiatedProtocol; len(protos) > 0 && got != protos[0] {
					t.Errorf("protocol %q", got)
				}
				long := strings.Repeat("x", 1<<20)
				go func() {
					io.WriteString(c, "one\n"+long+"\n")
					c.CloseWrite()
				}()
				b, err := io.ReadAll(c)
				if want := "hello\nONE\n" + strings.ToUpper(long) + "\n1048581 bytes\n"; err != nil || string(b) != want {
					t.Errorf("got %d bytes, want %d; %v", len(b), len(want), err)
				}
			})
		}
	}
	t.Run("a browser gets no connection", func(t *testing.T) {
		if c, err := r.dialTLS("db.shop.localhost", "h2", "http/1.1"); err == nil {
			t.Errorf("joined, by %q", c.ConnectionState().NegotiatedProtocol)
		}
	})
	t.Run("no request gets there", func(t *testing.T) {
		res := r.ask(r.dial(), "GET / HTTP/1.1\r\nHost: db.shop.localhost\r\n\r\n", "GET")
		if b := bodyOf(t, res); res.StatusCode != 404 || strings.Contains(b, "hello") {
			t.Errorf("got %d %s", res.StatusCode, b)
		}
	})
	t.Run("web stays HTTP for clients that do not say otherwise", func(t *testing.T) {
		for _, protos := range [][]string{nil, {"http/1.1"}} {
			c, err := r.dialTLS("web.shop.localhost", protos...)
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(c, "GET / HTTP/1.1\r\nHost: db.shop.localhost\r\n\r\n") // a name of TLS is not one of HTTP
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil || res.StatusCode != 404 {
				t.Fatalf("got %v, %v", res, err)
			}
		}
	})
	t.Run("web is joined for those that do", func(t *testing.T) {
		c, err := r.dialTLS("web.shop.localhost", "gopher")
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, "GET / HTTP/1.0\r\nHost: anything\r\n\r\n")
		if b, _ := io.ReadAll(c); !strings.HasSuffix(string(b), "\r\n\r\npage") || strings.Contains(string(b), "Forwarded") {
			t.Errorf("got %q", b)
		}
	})
	t.Run("a name that leads nowhere", func(t *testing.T) {
		if _, err := r.dialTLS("nobody.localhost", "gopher"); err == nil {
			t.Error("it got a connection")
		}
	})
}

// A client waits for a service that starts, and one that is on request is
// started.
func TestRawHold(t *testing.T) {
	var r *rig
	ready := db(t)
	started := make(chan string, 1)
	r = newRig(t, Config{Start: func(_ context.Context, id string) error {
		started <- id
		s := ready
		s.State = Starting
		r.serve(s)
		return nil
	}})
	asleep := ready
	asleep.State, asleep.OnRequest, asleep.Endpoints = Down, true, nil
	r.serve(asleep)
	c, err := r.dialTLS("db.shop.localhost")
	if err != nil {
		t.Fatal(err)
	}
	if id := within(t, started, "the start"); id != "shop/db" {
		t.Errorf("started %s", id)
	}
	c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Fatalf("it was answered while it starts: %d, %v", n, err)
	}
	c.Close()
	if c, err = r.dialTLS("db.shop.localhost"); err != nil {
		t.Fatal(err)
	}
	r.serve(ready)
	if l, err := bufio.NewReader(c).ReadString('\n'); err != nil || l != "hello\n" {
		t.Errorf("got %q, %v", l, err)
	}
	if u := r.e.Usage("shop/db"); u.Requests == 0 || u.Open == 0 {
		t.Errorf("usage %+v", u)
	}
}

// What cannot be reached is a connection that ends.
func TestRawThatFails(t *testing.T) {
	down := db(t)
	down.State = Down
	refuses := db(t)
	closed, _ := refusing(t)
	refuses.Endpoints = at("db", closed).Endpoints
	for name, s := range map[string]Service{"down": down, "nobody listens": refuses, "nowhere": {ID: "shop/db", Names: down.Names, Raw: true}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Config{Limits: Limits{RefuseTime: 10 * time.Millisecond}})
			r.serve(s)
			c, err := r.dialTLS("db.shop.localhost")
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(c); len(b) != 0 {
				t.Errorf("got %q, %v", b, err)
			}
			if u := r.e.Usage("shop/db"); u.Open != 0 {
				t.Errorf("usage %+v", u)
			}
		})
	}
}
