package seccomphome

import (
	"fmt"
	"net"

	"lodge/internal/home"
	"lodge/internal/home/seccomphome/hold"
	"lodge/internal/home/seccomphome/socket"
	"lodge/internal/home/seccomphome/table"
)

// Start starts a process inside. What the shim cannot do, and an executable
// that cannot be executed, is an error that holds the errno.
func (h *Home) Start(c home.Command) (int, error) {
	pid, err := launch(h, c)
	if err != nil {
		return 0, fmt.Errorf("start %s: %w", c.Path, err)
	}
	h.processes.Add(pid, c.Service)
	return pid, nil
}

// Pids lists the living processes of a service, or of all: see [processes.Table.Of].
func (h *Home) Pids(service string) ([]int, error) { return h.processes.Of(service) }

// Kill ends every process of a service with SIGKILL: see [processes.Table.Kill].
func (h *Home) Kill(service string) error { return h.processes.Kill(service) }

// Lease keeps a TCP port of the home for one service. A socket of ours is
// bound to it with SO_REUSEPORT, so that no process outside takes it either, but
// another program of the same user that sets SO_REUSEPORT too. It fails with
// EADDRINUSE where another socket has the port.
func (h *Home) Lease(service string, port uint16) error {
	if err := h.leases.take(service, port); err != nil {
		return fmt.Errorf("lease port %d: %w", port, err)
	}
	return nil
}

// Release ends a lease. Without one it does nothing.
func (h *Home) Release(port uint16) error {
	if err := h.leases.release(port); err != nil {
		return fmt.Errorf("release port %d: %w", port, err)
	}
	return nil
}

// Hold keeps a service's listening TCP sockets in the home open while the
// service restarts, so that no connection is refused: what is made meanwhile
// waits in the queue, as long as the backlog has room. The next process of the
// service that binds the same address gets the very socket that is held, in
// the place of its own. n is how many are held now.
//
// A program that calls shutdown on its listening socket before it ends closes
// it for us, too; most only close it.
func (h *Home) Hold(service string) (n int, err error) {
	pids, err := h.processes.Of(service)
	if err != nil {
		return 0, err
	}
	find := hold.NewSearch(&h.router, h.netns)
	want, err := h.listens.Do(find.Listening)
	if err != nil {
		return 0, err
	}
	found, failed := find.Of(pids, want)
	n = h.holds.Keep(service, found)
	if failed != nil {
		return n, fmt.Errorf("hold sockets of %s: %w", service, failed)
	}
	return n, nil
}

// Unhold closes what Hold kept for a service and no process took.
func (h *Home) Unhold(service string) { h.holds.Drop(service) }

// LetGo is Unhold.
func (h *Home) LetGo(service string) { h.holds.Drop(service) }

// Tap tells out what the connections to services of the home carry that are made from now
// on, in the frames of package feed: they are led through this process (package relay),
// also after the tap. What is connected already, or from outside of the home, is not seen.
func (h *Home) Tap(out *net.UnixConn) error {
	if err := h.relay.Tap(out); err != nil {
		return fmt.Errorf("tap home %s: %w", h.spec.ID, err)
	}
	return nil
}

// Forget drops what is kept for a service that has no process left: whose
// sockets were its own, and what Hold kept. Leases stay until Release.
func (h *Home) Forget(service string) error {
	h.holds.Drop(service)
	h.processes.Forget(service)
	h.owners.Drop(func(o table.Owner) bool { return o.Service == service })
	h.six.Forget(service)
	return nil
}

// register keeps that the socket at an address of the home is a service's.
func (h *Home) register(s *socket.Socket, service string) {
	at, err := s.Local()
	if err != nil || s.Proto == "" || !h.router.IsHere(s.Proto, at) {
		return
	}
	key := table.Address{Proto: s.Proto, At: at}
	h.owners.Add(key, s, service)
	h.holds.Accepts(key)
}
