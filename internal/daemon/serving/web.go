package serving

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"

	"lodge/internal/daemon/helperconn"
	"lodge/internal/helperapi"
	"lodge/internal/proxy"
)

// Web is where names are served: the ports that browsers expect, or one high
// port for both.
type Web struct {
	https, http         []net.Listener // the same where httpsPort == httpPort
	httpsPort, httpPort uint16
	// reason says why the ports are not 443 and 80; "" where they are.
	reason string
}

// openWeb opens the listening sockets of names, on loopback only. That names
// cannot be served is no reason for a daemon not to run.
func openWeb(ctx context.Context, store Store, helper Helper) *Web {
	w := &Web{}
	var err error
	if w.https, err = listenLow(ctx, helper, 443); err == nil {
		w.httpsPort = 443
		if w.http, err = listenLow(ctx, helper, 80); err == nil {
			w.httpPort = 80
		} else {
			w.reason = err.Error()
		}
		return w
	}
	w.reason = err.Error()
	port := store.WebPort(func(p uint16) bool {
		lns, err := listenLoopback(p)
		if err == nil {
			w.https, w.http = lns, lns
		}
		return err == nil
	})
	w.httpsPort, w.httpPort = port, port
	if port == 0 {
		w.reason += "; nor is any other port free"
	}
	return w
}

// listenLow opens a port below 1024, by the helper where this process may not.
func listenLow(ctx context.Context, helper Helper, port uint16) ([]net.Listener, error) {
	lns, err := listenLoopback(port)
	if !errors.Is(err, unix.EACCES) {
		return lns, err
	}
	lns, herr := helper.ListenWeb(ctx, port)
	var refused *helperapi.Error
	switch {
	case herr == nil:
		return lns, nil
	case errors.As(herr, &refused) && refused.Owner != nil:
		return nil, fmt.Errorf("listen on port %d: %s has it", port, helperconn.UserName(*refused.Owner))
	case errors.As(herr, &refused):
		return nil, herr
	}
	return nil, err
}

// listenLoopback opens a TCP port on 127.0.0.1 and ::1. On a machine without
// IPv6 it is 127.0.0.1 alone.
func listenLoopback(port uint16) ([]net.Listener, error) {
	p := strconv.Itoa(int(port))
	four, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", p))
	if err != nil {
		return nil, plain(port, err)
	}
	six, err := net.Listen("tcp6", net.JoinHostPort(netip.IPv6Loopback().String(), p))
	switch {
	case err == nil:
		return []net.Listener{four, six}, nil
	case errors.Is(err, unix.EADDRINUSE):
		// Half a localhost would lead some clients to another server.
		return nil, errors.Join(plain(port, err), four.Close())
	}
	return []net.Listener{four}, nil
}

func plain(port uint16, err error) error {
	var errno unix.Errno
	if errors.As(err, &errno) {
		err = errno
	}
	return fmt.Errorf("listen on port %d: %w", port, err)
}

// URL returns the HTTPS address of a host name.
func (w *Web) URL(host string) string {
	switch {
	case w == nil || w.httpsPort == 0:
		return ""
	case w.httpsPort == 443:
		return "https://" + host
	}
	return fmt.Sprintf("https://%s:%d", host, w.httpsPort)
}

// Ports returns the ports of names, 0 for none, and why they are not 443 and 80; "" where
// they are.
func (w *Web) Ports() (https, http uint16, reason string) {
	if w == nil {
		return 0, 0, ""
	}
	return w.httpsPort, w.httpPort, w.reason
}

func (w *Web) close() error {
	var errs []error
	for _, ln := range w.https {
		errs = append(errs, closeListener(ln))
	}
	if w.httpPort != w.httpsPort {
		for _, ln := range w.http {
			errs = append(errs, closeListener(ln))
		}
	}
	return errors.Join(errs...)
}

// closeListener closes one that the proxy may have closed already.
func closeListener(ln net.Listener) error {
	if err := ln.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// listeners returns the listening sockets as the proxy takes them: 443 is TLS,
// 80 is not, and any other port is both.
func (w *Web) listeners() []proxy.Listener {
	var out []proxy.Listener
	add := func(lns []net.Listener, scheme proxy.Scheme) {
		for _, ln := range lns {
			out = append(out, proxy.Listener{Listener: ln, Scheme: scheme})
		}
	}
	if w.httpsPort == w.httpPort {
		add(w.https, proxy.Both)
		return out
	}
	add(w.https, proxy.TLS)
	add(w.http, proxy.Plain)
	return out
}
