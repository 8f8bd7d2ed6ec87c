package webports

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"lodge/internal/loopback"
	"lodge/internal/service"
)

// listening returns a service that listens with that handler of connections.
func listening(t *testing.T, name string, inode uint32, serve func(net.Listener)) *service.Status {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); serve(ln) }()
	t.Cleanup(func() { _ = ln.Close(); <-done })
	at := netip.MustParseAddrPort(ln.Addr().String())
	return &service.Status{Name: name, State: service.Up, Endpoints: []loopback.Endpoint{{Protocol: loopback.TCP, IP: at.Addr(), Port: at.Port(), Inode: inode}}}
}

func pages(ln net.Listener) {
	_ = http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
}

// banner is a server of another protocol.
func banner(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		_, _ = c.Write([]byte("220 ready\r\n"))
		_ = c.Close()
	}
}

// rude closes each connection without a word.
func rude(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		_ = c.Close()
	}
}

// mute takes connections and says nothing, until the listener is closed.
func mute(ln net.Listener) {
	var open []net.Conn
	for {
		c, err := ln.Accept()
		if err != nil {
			break
		}
		open = append(open, c)
	}
	for _, c := range open {
		_ = c.Close()
	}
}

// busy is a server of HTTP that refuses a version that it does not know, and
// answers nothing else until the listener is closed.
func busy(ln net.Listener) {
	var open []net.Conn
	for {
		c, err := ln.Accept()
		if err != nil {
			break
		}
		open = append(open, c)
		go func() {
			line, err := bufio.NewReader(c).ReadString('\n')
			if err == nil && strings.Contains(line, "HTTP/9.9") {
				_, _ = c.Write([]byte("HTTP/1.1 505 HTTP Version Not Supported\r\n\r\n"))
			}
		}()
	}
	for _, c := range open {
		_ = c.Close()
	}
}

// within reports whether ok is true within a minute.
func within(ok func() bool) bool {
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

func portsIn(t *testing.T) *Ports {
	ctx, cancel := context.WithCancel(context.Background())
	s := New(ctx)
	t.Cleanup(func() { cancel(); s.asked.Wait() })
	return s
}

func TestTheOneThatSpeaksHTTP(t *testing.T) {
	s := portsIn(t)
	a, b, c := listening(t, "a", 1, pages), listening(t, "b", 2, banner), listening(t, "c", 3, pages)
	quiet := &service.Status{Name: "quiet", State: service.Starting}
	one := []*service.Status{b, quiet, a}
	if got := s.Only("1", one); got != nil {
		t.Errorf("before anybody was asked: %v", got.Name)
	}
	if err := s.Ask(t.Context(), "1", one); err != nil {
		t.Fatal(err)
	}
	if got := s.Only("1", one); got != a {
		t.Errorf("got %v", got)
	}
	two := []*service.Status{a, b, c}
	if err := s.Ask(t.Context(), "1", two); err != nil {
		t.Fatal(err)
	}
	if got := s.Only("1", two); got != nil {
		t.Errorf("two speak it: %v", got.Name)
	}
	if got := s.Could("1", []*service.Status{a, b, quiet}); len(got) != 2 || got[0] != a || got[1] != quiet {
		t.Errorf("could be: %v", got)
	}
	// A service that was started anew is another server.
	again := *a
	again.Restarts = 1
	if got := s.Only("1", []*service.Status{&again, b}); got != nil {
		t.Errorf("it was not asked: %v", got.Name)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Ask(gone, "1", []*service.Status{&again}); err == nil {
		t.Error("no error from a question that was given up")
	}
}

// What servers are found to speak.
func TestVerdicts(t *testing.T) {
	nobody := func(ln net.Listener) { _ = ln.Close() }
	for what, c := range map[string]struct {
		serve func(net.Listener)
		want  verdict
	}{
		"pages": {pages, speaksHTTP}, "a banner": {banner, speaksOther}, "closes": {rude, closes}, "silence": {mute, silent}, "nobody": {nobody, refuses},
		"busy with its first page": {busy, speaksHTTP},
		"an answer of another protocol": {func(ln net.Listener) {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				_, _ = bufio.NewReader(c).ReadString('\n')
				_, _ = c.Write([]byte("-ERR unknown command\r\n"))
				_ = c.Close()
			}
		}, speaksOther},
		"HTTP/2 alone": {func(ln net.Listener) {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				_, _ = c.Write([]byte("\x00\x00\x00\x04\x00\x00\x00\x00\x00"))
				_ = c.Close()
			}
		}, speaksHTTP},
	} {
		t.Run(what, func(t *testing.T) {
			st := listening(t, "x", 1, c.serve)
			at := st.Endpoints[0].AddrPort()
			if what == "nobody" && !within(func() bool {
				c, err := net.Dial("tcp", at.String())
				if err == nil {
					_ = c.Close()
				}
				return err != nil
			}) {
				t.Fatal("it listens")
			}
			longest := askGrace
			if what == "busy with its first page" {
				longest = askPatience
			}
			if got := askHTTP(t.Context(), at, longest); got != c.want {
				t.Errorf("verdict %d, want %d", got, c.want)
			}
		})
	}
}

// What closes the connection may insist on TLS, or on HTTP/2 without.
func TestFurtherVerdicts(t *testing.T) {
	srv := httptest.NewTLSServer(http.NotFoundHandler())
	defer srv.Close()
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	at := netip.MustParseAddrPort(srv.Listener.Addr().String())
	if got := askHTTP(t.Context(), at, askGrace); got != speaksHTTPS {
		t.Errorf("a server that says that it wants TLS: %d", got)
	}
	if got := askFurther(t.Context(), at); got != speaksHTTPS {
		t.Errorf("TLS: %d", got)
	}
	if got := askFurther(t.Context(), listening(t, "x", 1, rude).Endpoints[0].AddrPort()); got != closes {
		t.Errorf("one that closes always: %d", got)
	}
	strict := func(ln net.Listener) { // an HTTP/2 server that takes nothing else
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			if line, err := bufio.NewReader(c).ReadString('\n'); err == nil && strings.HasPrefix(line, "PRI ") {
				_, _ = c.Write([]byte("\x00\x00\x00\x04\x00\x00\x00\x00\x00"))
			}
			_ = c.Close()
		}
	}
	st := listening(t, "x", 1, strict)
	s := portsIn(t)
	if err := s.Ask(t.Context(), "1", []*service.Status{st}); err != nil {
		t.Fatal(err)
	}
	if got := s.Of("1", st); got.Kind != At {
		t.Errorf("HTTP/2 without TLS: %+v", got)
	}
}

// Where a name leads while ports come and go.
func TestChosenPort(t *testing.T) {
	began := time.Now()
	for _, c := range []struct {
		what  string
		steps []string // the ports that listen, each with what it speaks: h, o, s(ilent), c(loses), ? (unasked)
		want  []string
	}{
		{"the lowest that speaks HTTP", []string{"3000? 4000?", "3000h 4000?"}, []string{"unknown", "3000"}},
		{"a control port first", []string{"7000? 8080?", "7000o 8080?", "7000o 8080h"}, []string{"unknown", "unknown", "8080"}},
		{"away and back", []string{"3000h 4000h", "4000h", "", "4000h", "3000? 4000h"}, []string{"3000", "away 3000", "away 3000", "away 3000", "3000"}},
		{"the lower one comes later", []string{"4000h", "3000? 4000h", "3000h 4000h", "4000h"}, []string{"4000", "unknown", "3000", "away 3000"}},
		{"a lower one that speaks something else", []string{"4000h", "3000? 4000h", "3000o 4000h", "4000h"}, []string{"4000", "unknown", "4000", "4000"}},
		{"a higher one comes later", []string{"3000h", "3000h 4000?", "4000?"}, []string{"3000", "3000", "away 3000"}},
		{"its only port moves", []string{"3000h", "", "3001?", "3001h", "3000? 3001h"}, []string{"3000", "away 3000", "unknown", "3001", "3000"}},
		{"three, and two go", []string{"3000o 3001h 3002h", "3002h", "3000o 3002h", "3000o 3001? 3002h"}, []string{"3001", "away 3001", "away 3001", "3001"}},
		{"none speaks HTTP", []string{"7000o", "7000o 7001c"}, []string{"none", "none"}},
		{"silence is no proof", []string{"3000s"}, []string{"3000"}},
		{"one that is silent, and one that is sure", []string{"7000s 8080h"}, []string{"8080"}},
		{"silence beside a port of another protocol", []string{"5672? 16000s"}, []string{"none"}},
		{"a broker, its name server and its distribution", []string{"4369c 25672s", "4369c 5672? 25672s"}, []string{"none", "none"}},
		{"silence at a port that spoke HTTP", []string{"4222? 8222h", "4222?", "4222? 8222s"}, []string{"8222", "away 8222", "8222"}},
		{"silence at a debugger's port alone, and beside another", []string{"5005s", "5005s 9229s"}, []string{"5005", "5005"}},
		{"silence at control ports", []string{"8005s 8009s"}, []string{"none"}},
		{"a UDP port", []string{"53u 8080h"}, []string{"8080"}},
	} {
		s := portsIn(t)
		for i, step := range c.steps {
			st := &service.Status{Name: "dev", State: service.Up, StartedAt: &began}
			verdicts := map[uint16]verdict{}
			for _, f := range strings.Fields(step) {
				port, err := strconv.ParseUint(f[:len(f)-1], 10, 16)
				if err != nil {
					t.Fatal(err)
				}
				e := loopback.Endpoint{Protocol: loopback.TCP, IP: netip.MustParseAddr("127.0.0.1"), Port: uint16(port)}
				if f[len(f)-1] == 'u' {
					e.Protocol = loopback.UDP
				}
				st.Endpoints = append(st.Endpoints, e)
				verdicts[e.Port] = map[byte]verdict{'h': speaksHTTP, 'o': speaksOther, 's': silent, 'c': closes, '?': unasked}[f[len(f)-1]]
			}
			s.mu.Lock()
			for p, q := range s.life("1", st).ports {
				q.verdict, q.judged = verdicts[p], time.Now()
			}
			s.mu.Unlock()
			w := s.Of("1", st)
			got := map[Kind]string{None: "none", Unknown: "unknown", At: fmt.Sprint(w.Port), Away: fmt.Sprint("away ", w.Port)}[w.Kind]
			if got != c.want[i] {
				t.Errorf("%s, step %d (%s): %s, want %s", c.what, i, step, got, c.want[i])
			}
		}
	}
}
