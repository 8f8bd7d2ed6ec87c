package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"lodge/internal/proxy/http1"
	"lodge/internal/proxy/socket"
)

// Scheme says what a listener takes.
type Scheme uint8

// The schemes. With Both the first byte decides: 0x16 begins a handshake of
// TLS (RFC 8446, section 5.1) and no request.
const (
	Both Scheme = iota
	Plain
	TLS
)

// Listener is where clients come in.
type Listener struct {
	net.Listener
	Scheme Scheme
	// Only is the ID of the one service that the listener is for, whatever Host
	// its clients ask for: a service that is shared with the network. Without
	// it, the address must be a loopback address or a Unix socket.
	Only string
}

// Serve takes connections from l until Shutdown (then it returns ErrClosed) or
// until l fails. It closes l.
func (e *Engine) Serve(l Listener) error {
	defer l.Close()
	if l.Scheme == TLS && e.tls == nil {
		return errors.New("serve names: a listener for TLS, and no certificates")
	}
	switch a := l.Addr().(type) {
	case *net.TCPAddr:
		if !a.IP.IsLoopback() && l.Only == "" {
			return fmt.Errorf("serve names: %s is no loopback address", a)
		}
	case *net.UnixAddr:
	default:
		return fmt.Errorf("serve names: %s is no address that can be checked", a)
	}
	e.mu.Lock()
	if e.closing {
		e.mu.Unlock()
		return ErrClosed
	}
	e.listeners[l.Listener] = struct{}{}
	e.wg.Add(1)
	e.mu.Unlock()
	defer e.wg.Done()
	defer func() {
		e.mu.Lock()
		delete(e.listeners, l.Listener)
		e.mu.Unlock()
	}()
	for {
		select {
		case e.slots <- struct{}{}:
		case <-e.done:
			return ErrClosed
		}
		c, err := l.Accept()
		if err != nil {
			<-e.slots
			if err := e.acceptFailed(l, err); err != nil {
				return err
			}
			continue
		}
		e.wg.Go(func() { e.welcome(c, l) })
	}
}

// acceptFailed returns nil if accepting may go on: after a while, when there are
// no descriptors left.
func (e *Engine) acceptFailed(l Listener, err error) error {
	select {
	case <-e.done:
		return ErrClosed
	default:
	}
	if errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("serve names: %w", err)
	}
	if e.cfg.Log != nil {
		e.cfg.Log.Warn("accept connection", "listener", l.Addr().String(), "error", err)
	}
	pause := time.NewTimer(100 * time.Millisecond)
	defer pause.Stop()
	select {
	case <-pause.C:
		return nil
	case <-e.done:
		return ErrClosed
	}
}

// welcome finds out what a client speaks, and has its connection served by the
// path that speaks it. The connection's slot is free when it is closed.
func (e *Engine) welcome(nc net.Conn, l Listener) {
	a, err := newAccepted(nc, &e.buffers, func() { <-e.slots })
	if err != nil {
		nc.Close()
		<-e.slots
		return
	}
	var may bool
	if a.account, may = e.ledger.Admit(nc, e.done); !may {
		a.Close()
		return
	}
	a.only = l.Only
	c := &fastConn{lifetime: lifetime{clock: &e.now}, e: e, accepted: a, c: a}
	c.deadline(e.lim.HeadTime)
	if !e.enter(c) {
		a.Close()
		return
	}
	secure := l.Scheme == TLS
	if l.Scheme == Both && e.tls != nil {
		first, err := socket.FirstByte(a.Raw)
		if err != nil {
			c.end()
			return
		}
		secure = first == 0x16
	}
	var ip netip.Addr
	if remote, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		ip = remote.AddrPort().Addr()
	}
	a.client = http1.NewClient(ip, secure)
	if secure {
		t := tls.Server(a, e.tls)
		if err := t.HandshakeContext(context.Background()); err != nil { // keepTime ends a slow one
			c.end()
			return
		}
		c.c = t
		st := t.ConnectionState()
		if st.NegotiatedProtocol == "h2" {
			e.leave(c)
			e.general.giveH2(t, a)
			return
		}
		if (passThrough{e}).serve(c, st) {
			return
		}
	}
	c.serve()
}

// enter makes a connection known to keepTime; false: the engine is shut down.
func (e *Engine) enter(c *fastConn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing {
		return false
	}
	e.conns[c] = struct{}{}
	return true
}

// leave is for a connection that is another's to close from now on.
func (e *Engine) leave(c *fastConn) {
	e.latest.CompareAndSwap(c, nil)
	e.mu.Lock()
	delete(e.conns, c)
	e.mu.Unlock()
}
