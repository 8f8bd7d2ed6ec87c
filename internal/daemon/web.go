package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"

	"lodge/internal/helperapi"
)

// web is where names are served: the ports that browsers expect, or one high
// port for both.
type web struct {
	https, http         []net.Listener // the same where httpsPort == httpPort
	httpsPort, httpPort uint16
	// reason says why the ports are not 443 and 80; "" where they are.
	reason string
}

// webServer opens the ports at which names are served.
type webServer struct{ adopter }

// openWeb opens the listening sockets of names, on loopback only. That names
// cannot be served is no reason for a daemon not to run.
func (d *webServer) openWeb(ctx context.Context) *web {
	w := &web{}
	var err error
	if w.https, err = d.listenLow(ctx, 443); err == nil {
		w.httpsPort = 443
		if w.http, err = d.listenLow(ctx, 80); err == nil {
			w.httpPort = 80
		} else {
			w.reason = err.Error()
		}
		return w
	}
	w.reason = err.Error()
	port := d.store.web(func(p uint16) bool {
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
func (d *webServer) listenLow(ctx context.Context, port uint16) ([]net.Listener, error) {
	lns, err := listenLoopback(port)
	if !errors.Is(err, unix.EACCES) {
		return lns, err
	}
	lns, herr := d.engines.listenWeb(ctx, port)
	var refused *helperapi.Error
	switch {
	case herr == nil:
		return lns, nil
	case errors.As(herr, &refused) && refused.Owner != nil:
		return nil, fmt.Errorf("listen on port %d: %s has it", port, userName(*refused.Owner))
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
		// Half a localhost would lead some clients to somebody else.
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

// url returns the HTTPS address of a host name.
func (w *web) url(host string) string {
	switch {
	case w == nil || w.httpsPort == 0:
		return ""
	case w.httpsPort == 443:
		return "https://" + host
	}
	return fmt.Sprintf("https://%s:%d", host, w.httpsPort)
}

func (w *web) close() error {
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
