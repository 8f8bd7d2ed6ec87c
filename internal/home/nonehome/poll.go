package nonehome

import (
	"net/netip"
	"slices"
	"time"

	"lodge/internal/loopback"
	"lodge/internal/sockets/diag"
)

// pollEvery is how often the sockets of services are looked at: without a hook
// in the kernel, no event tells when one starts to listen.
const pollEvery = 100 * time.Millisecond

// readEvery is after how many polls the endpoints are read although the machine
// has the same sockets as before: a socket can have passed to another process.
const readEvery = 20

// socket is a socket of the machine that listens or is bound.
type socket struct {
	proto loopback.Protocol
	at    netip.AddrPort
	inode uint32
	uid   uint32
}

// bound lists the machine's sockets that listen (TCP), or are bound and not
// connected (UDP).
func (n *none) bound() ([]socket, error) {
	var out []socket
	for _, q := range diag.Servers() {
		list, err := n.conn.Dump(q.Protocol, q.Family, q.States)
		if err != nil {
			return nil, err
		}
		for i := range list {
			out = append(out, socket{q.Protocol, list[i].Src, list[i].Inode, list[i].UID})
		}
	}
	return out, nil
}

// poll tells of changes until the home is closed.
func (n *none) poll() {
	defer close(n.done)
	p := poller{bound: n.bound, endpoints: n.Endpoints}
	t := time.NewTicker(pollEvery)
	defer t.Stop()
	for {
		select {
		case <-n.stop:
			return
		case <-t.C:
		}
		n.mu.Lock()
		some, started := len(n.services) > 0, n.started
		n.started = false
		n.mu.Unlock()
		if !some || !p.changed(started) {
			continue
		}
		select {
		case n.changes <- struct{}{}:
		default:
		}
	}
}

// poller finds out whether the endpoints have changed. Which process has a socket
// takes a walk over all of /proc, so it asks that only where the sockets of the
// machine, which one question to the kernel lists, are others than before.
type poller struct {
	bound     func() ([]socket, error)
	endpoints func() ([]loopback.Endpoint, error)

	before  []socket
	last    []loopback.Endpoint
	skipped int
	started bool // a process was started since the endpoints were read
}

// changed reports whether the endpoints are others than at the last call. started
// reports that a process was started since.
func (p *poller) changed(started bool) bool {
	p.started = p.started || started
	now, err := p.bound()
	if err != nil {
		return false // it is asked again
	}
	if p.skipped++; !p.started && p.before != nil && p.skipped < readEvery && slices.Equal(now, p.before) {
		return false
	}
	eps, err := p.endpoints()
	if err != nil {
		return false
	}
	if now == nil {
		now = []socket{}
	}
	p.before, p.skipped, p.started = now, 0, false
	if slices.Equal(eps, p.last) {
		return false
	}
	p.last = eps
	return true
}
