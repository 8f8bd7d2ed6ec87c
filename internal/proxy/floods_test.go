package proxy

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// floodTime is how long a flood may take to be ended, on a machine that does
// other things.
const floodTime = 90 * time.Second

// waiting is a request for a path that is not answered until its client goes.
func waiting(path string) []hpack.HeaderField {
	return []hpack.HeaderField{{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: "web.shop.localhost"}, {Name: ":path", Value: path}}
}

// floods are what a client can send for ever without asking for anything. i
// counts from 0; the first one may prepare.
func floods() map[string]func(h *h2, i int) error {
	open := func(h *h2, i int, more func() error) error {
		if i == 0 {
			return h.headers(1, false, waiting("/wait"))
		}
		return more()
	}
	return map[string]func(h *h2, i int) error{
		"rapid reset": func(h *h2, i int) error {
			if err := h.headers(uint32(2*i+1), true, waiting("/wait")); err != nil {
				return err
			}
			return h.f.WriteRSTStream(uint32(2*i+1), http2.ErrCodeCancel)
		},
		"more streams than allowed": func(h *h2, i int) error { return h.headers(uint32(2*i+1), true, waiting("/wait")) },
		"reset of a closed stream": func(h *h2, i int) error {
			return open(h, i, func() error { return h.f.WriteRSTStream(1, http2.ErrCodeCancel) })
		},
		"resets that the server makes": func(h *h2, i int) error {
			if err := h.headers(uint32(2*i+1), true, waiting("/wait")); err != nil {
				return err
			}
			return h.f.WriteRawFrame(http2.FrameWindowUpdate, 0, uint32(2*i+1), make([]byte, 4)) // an increment of zero
		},
		"empty continuation": func(h *h2, i int) error {
			if i == 0 {
				return h.f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}})
			}
			return h.f.WriteContinuation(1, false, nil)
		},
		"continuation": func(h *h2, i int) error {
			if i == 0 {
				return h.f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}})
			}
			return h.f.WriteContinuation(1, false, bytes.Repeat([]byte{0x40, 1, 'x', 1, 'y'}, 1000))
		},
		"settings":     func(h *h2, _ int) error { return h.f.WriteSettings() },
		"settings ack": func(h *h2, _ int) error { return h.f.WriteSettingsAck() },
		"pings":        func(h *h2, _ int) error { return h.f.WritePing(false, [8]byte{}) },
		"ping answers": func(h *h2, _ int) error { return h.f.WritePing(true, [8]byte{}) },
		"priority": func(h *h2, i int) error {
			return h.f.WritePriority(uint32(2*i+1), http2.PriorityParam{Weight: 1})
		},
		"window updates":          func(h *h2, i int) error { return h.f.WriteWindowUpdate(0, 1) },
		"window updates, streams": func(h *h2, i int) error { return open(h, i, func() error { return h.f.WriteWindowUpdate(1, 1) }) },
		"empty data":              func(h *h2, i int) error { return open(h, i, func() error { return h.f.WriteData(1, false, nil) }) },
		"data that is padding": func(h *h2, i int) error {
			return open(h, i, func() error { return h.f.WriteDataPadded(1, false, nil, []byte{0}) })
		},
		"frames of an unknown type": func(h *h2, _ int) error { return h.f.WriteRawFrame(0xbe, 0, 0, []byte("grease")) },
		"goaway":                    func(h *h2, _ int) error { return h.f.WriteGoAway(0, http2.ErrCodeNo, nil) },
	}
}

// sendFlood sends until the connection ends, and returns what the server said last.
func sendFlood(t *testing.T, c net.Conn, send func(h *h2, i int) error) (code http2.ErrCode, said bool) {
	t.Helper()
	c.SetDeadline(time.Now().Add(floodTime))
	h := newH2(t, c)
	type end struct {
		code http2.ErrCode
		said bool
		err  error
	}
	ended := make(chan end, 1)
	go func() { // reads the answers, so that neither side waits for the other
		var e end
		read := http2.NewFramer(io.Discard, c)
		for {
			f, err := read.ReadFrame()
			if err != nil {
				e.err = err
				ended <- e
				return
			}
			if g, ok := f.(*http2.GoAwayFrame); ok {
				e.code, e.said = g.ErrCode, true
			}
		}
	}()
	for i := 0; ; i++ {
		if err := send(h, i); err != nil {
			if isTimeout(err) {
				t.Error("the flood was not ended")
			}
			break
		}
	}
	e := <-ended // the deadline bounds it
	if isTimeout(e.err) {
		t.Errorf("the connection is still open: %v", e.err)
	}
	return e.code, e.said
}

// floodRig serves pages that answer, and one that does not.
func floodRig(t *testing.T, cfg Config) *rig {
	t.Helper()
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			<-r.Context().Done()
			return
		}
		io.WriteString(w, "ok")
	})
	r := newRig(t, cfg)
	r.serve(at("web", up))
	return r
}

// dialH2 opens a connection with HTTP/2 by ALPN.
func (r *rig) dialH2() net.Conn {
	r.t.Helper()
	c := tls.Client(r.dial(), &tls.Config{RootCAs: r.pool, ServerName: "web.shop.localhost", NextProtos: []string{"h2"}})
	if err := c.Handshake(); err != nil {
		r.t.Fatal(err)
	}
	return c
}

// TestFloods: a client that sends frames without work and without end loses
// its connection, and is told why; others are answered meanwhile and
// afterwards.
func TestFloods(t *testing.T) {
	r := floodRig(t, Config{Limits: Limits{Frames: 2048, PenaltyTime: 3 * time.Second}}) // a part of which the connection is held
	for name, send := range floods() {
		for proto, dial := range map[string]func() net.Conn{"h2": r.dialH2, "h2c": r.dial} {
			if proto == "h2" && name != "rapid reset" && name != "pings" && name != "empty continuation" {
				continue // what is below TLS differs in nothing
			}
			t.Run(name+" over "+proto, func(t *testing.T) {
				good := r.client(proto)
				ask := func(when string) {
					t.Helper()
					good.Timeout = floodTime
					scheme := map[string]string{"h2": "https", "h2c": "http"}[proto]
					if status, got := get(t, good, scheme+"://web.shop.localhost/"); status != 200 || got != "ok" {
						t.Errorf("%s: %d %q", when, status, got)
					}
				}
				half := make(chan struct{})
				asked := make(chan struct{})
				go func() { // Errorf and get's Fatal end this goroutine alone; asked is closed all the same
					defer close(asked)
					<-half
					ask("meanwhile")
				}()
				var once bool
				code, said := sendFlood(t, dial(), func(h *h2, i int) error {
					if i == 100 {
						once = true
						close(half)
					}
					return send(h, i)
				})
				if !once {
					close(half)
				}
				<-asked
				ask("afterwards")
				switch name {
				case "continuation", "more streams than allowed": // net/http has limits of its own for them
				case "resets that the server makes", "pings", "settings", "rapid reset":
					// Where the connection ends within a frame of an answer, nothing can be
					// said any more.
					if said && code != http2.ErrCodeEnhanceYourCalm {
						t.Errorf("the flood ended with %v", code)
					}
				default:
					if !said || code != http2.ErrCodeEnhanceYourCalm {
						t.Errorf("the flood ended with %v (said: %v)", code, said)
					}
				}
			})
		}
	}
	waitOpen(t, r, 0)
}

// TestFloodsThatReconnect: a client whose every connection stays below what one
// may send is known by all of them; another client is not asked to wait.
func TestFloodsThatReconnect(t *testing.T) {
	var bad atomic.Pointer[netip.AddrPort] // the flood's connection
	cfg := Config{Limits: Limits{Frames: 1024, PenaltyTime: time.Minute}}
	cfg.Client = func(client, _ netip.AddrPort) (string, bool) {
		if p := bad.Load(); p != nil && *p == client {
			return "flood", true
		}
		return "good", true
	}
	r := floodRig(t, cfg)
	until := time.Now().Add(floodTime)
	penalised := r.e.ledger.Penalised
	for !penalised("flood") {
		if time.Now().After(until) {
			t.Fatal("the flood was not noticed")
		}
		c := r.dial()
		at := c.LocalAddr().(*net.TCPAddr).AddrPort()
		bad.Store(&at)
		h := newH2(t, c)
		for i := range 20 {
			if h.headers(uint32(2*i+1), true, waiting("/wait")) != nil || h.f.WriteRSTStream(uint32(2*i+1), http2.ErrCodeCancel) != nil {
				break
			}
		}
		h.f.WritePing(false, [8]byte{1})
		for { // until all was taken, or it is over
			f, err := h.f.ReadFrame()
			if err != nil {
				break
			}
			if p, ok := f.(*http2.PingFrame); ok && p.IsAck() {
				break
			}
		}
		c.Close()
	}
	if penalised("good") {
		t.Error("another client is taken for the flood")
	}
	if status, got := get(t, r.client("h2"), "https://web.shop.localhost/"); status != 200 || got != "ok" {
		t.Errorf("another client: %d %q", status, got)
	}
	// The flood is let in again, with a small part of the budget.
	c := r.dial()
	at := c.LocalAddr().(*net.TCPAddr).AddrPort()
	bad.Store(&at)
	sent := 0
	if code, said := sendFlood(t, c, func(h *h2, i int) error { sent = i; return h.f.WritePing(false, [8]byte{}) }); !said || code != http2.ErrCodeEnhanceYourCalm {
		t.Errorf("after its penalty began: %v (said: %v), %d pings", code, said, sent)
	}
}

// TestHeavyUse: what honest clients do is no flood, with half of the usual
// budget.
func TestHeavyUse(t *testing.T) {
	const size = 32 << 20
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/download":
			io.CopyN(w, repeat(make([]byte, 64<<10)), size)
		case "/upload":
			n, _ := io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, n)
		case "/echo":
			w.WriteHeader(http.StatusOK)
			rc := http.NewResponseController(w)
			rc.EnableFullDuplex()
			rc.Flush()
			b := make([]byte, 64)
			for {
				n, err := r.Body.Read(b)
				if n > 0 {
					w.Write(b[:n])
					rc.Flush()
				}
				if err != nil {
					return
				}
			}
		default:
			io.WriteString(w, "ok")
		}
	})
	r := newRig(t, Config{Limits: Limits{Frames: 4096}})
	r.serve(at("web", up))
	for _, proto := range []string{"h2", "h2c"} {
		base := map[string]string{"h2": "https", "h2c": "http"}[proto] + "://web.shop.localhost"
		t.Run("requests over "+proto, func(t *testing.T) {
			c := r.client(proto)
			c.Timeout = floodTime
			failed := make(chan error, 100)
			for range cap(failed) {
				go func() {
					for range 100 {
						res, err := c.Get(base + "/")
						if err != nil {
							failed <- err
							return
						}
						b, err := io.ReadAll(res.Body)
						res.Body.Close()
						if err != nil || string(b) != "ok" {
							failed <- fmt.Errorf("%q, %w", b, err)
							return
						}
					}
					failed <- nil
				}()
			}
			for range cap(failed) {
				if err := <-failed; err != nil {
					t.Error(err)
				}
			}
		})
		t.Run("bodies over "+proto, func(t *testing.T) {
			c := r.client(proto)
			c.Timeout = floodTime
			res, err := c.Get(base + "/download")
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if n, err := io.Copy(io.Discard, res.Body); n != size || err != nil {
				t.Errorf("download: %d bytes, %v", n, err)
			}
			up, err := c.Post(base+"/upload", "application/octet-stream", io.LimitReader(repeat(make([]byte, 64<<10)), size))
			if err != nil {
				t.Fatal(err)
			}
			if got := bodyOf(t, up); got != fmt.Sprint(size) {
				t.Errorf("upload: %s bytes", got)
			}
		})
		t.Run("messages over "+proto, func(t *testing.T) {
			c := r.client(proto)
			c.Timeout = floodTime
			pr, pw := io.Pipe()
			defer pw.Close()
			res, err := c.Post(base+"/echo", "application/octet-stream", pr)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			b := make([]byte, 5)
			for i := range 5000 {
				if _, err := io.WriteString(pw, "hello"); err != nil {
					t.Fatal(i, err)
				}
				if _, err := io.ReadFull(res.Body, b); err != nil {
					t.Fatal(i, err)
				}
			}
		})
	}
}

// TestBusyAcknowledgements: a client that answers each piece of a body with two
// WINDOW_UPDATE frames and a PING, and one that gives each request a priority
// and gives up some of the answers, are none.
func TestBusyAcknowledgements(t *testing.T) {
	const pieces = 3000
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/pieces" {
			io.WriteString(w, "ok")
			return
		}
		for range pieces {
			io.WriteString(w, "piece")
			w.(http.Flusher).Flush()
		}
	})
	r := newRig(t, Config{Limits: Limits{Frames: 400}})
	r.serve(at("web", up))
	c := r.dial()
	c.SetDeadline(time.Now().Add(floodTime))
	h := newH2(t, c)
	// The server is at most so far ahead that what it earns for the client in
	// advance counts (aheadMost).
	if err := h.f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 500 * uint32(len("piece"))}); err != nil {
		t.Fatal(err)
	}
	if err := h.headers(1, true, waiting("/pieces")); err != nil {
		t.Fatal(err)
	}
	for got := 0; got < pieces*len("piece"); {
		f, err := h.f.ReadFrame()
		if err != nil {
			t.Fatalf("after %d bytes: %v", got, err)
		}
		d, ok := f.(*http2.DataFrame)
		if !ok || len(d.Data()) == 0 {
			continue
		}
		got += len(d.Data())
		h.f.WriteWindowUpdate(0, uint32(len(d.Data())))
		h.f.WriteWindowUpdate(1, uint32(len(d.Data())))
		h.f.WritePing(false, [8]byte{byte(got)})
	}
	for i := range 1000 {
		id := uint32(2*i + 3)
		h.f.WritePriority(id, http2.PriorityParam{Weight: 5})
		if err := h.headers(id, true, waiting("/")); err != nil {
			t.Fatal(i, err)
		}
		for { // until its answer begins
			f, err := h.f.ReadFrame()
			if err != nil {
				t.Fatalf("request %d: %v", i, err)
			}
			if d, ok := f.(*http2.DataFrame); ok && len(d.Data()) > 0 {
				h.f.WriteWindowUpdate(0, uint32(len(d.Data())))
				if d.StreamID == id {
					break
				}
			}
		}
		if i%2 == 0 {
			h.f.WriteRSTStream(id, http2.ErrCodeCancel)
		}
	}
}
