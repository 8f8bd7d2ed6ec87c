package supervisor

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"lodge/internal/loopback"
	"lodge/internal/service"
	"lodge/internal/service/lease"
)

// tenant is a service with its port: the one that is leased to it, and the
// endpoints by which it serves.
type tenant struct{ record }

// missingPorts lists the ports on which the service must listen to be ready and
// does not.
func (r *tenant) missingPorts(sp service.Spec) string {
	r.sup.mu.Lock()
	defer r.sup.mu.Unlock()
	ports := sp.Ready.TCP
	if l := r.currentLease(); l != nil && len(ports) == 0 {
		ports = []uint16{l.Port}
	}
	var out []string
	for _, port := range ports {
		if len(r.servingOn(port, r.sup.endpoints)) == 0 {
			out = append(out, strconv.Itoa(int(port)))
		}
	}
	return strings.Join(out, ", ")
}

// wantedPort is the port that the service's name leads to, or that of its lease,
// if one is known.
func (r *tenant) wantedPort(sp service.Spec) uint16 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.wantedPortLocked(sp)
}

// wantedPortLocked is wantedPort; the caller holds r.mu.
func (r *tenant) wantedPortLocked(sp service.Spec) uint16 {
	if r.lease != nil {
		return r.lease.Port
	}
	return sp.HTTP
}

// listening waits until the service listens on TCP, and returns where: an
// answer there, and not the wait, shows whether it is ready.
func (r *tenant) listening(ctx context.Context, sp service.Spec) (loopback.Endpoint, bool) {
	if l := r.currentLease(); l != nil && l.Listener != nil {
		return loopback.Endpoint{Protocol: loopback.TCP, IP: r.sup.spec.IP4, Port: l.Port, Service: r.name}, true
	}
	for {
		r.sup.mu.Lock()
		ch, eps := r.sup.changed, r.serving(sp, r.sup.endpoints)
		r.sup.mu.Unlock()
		if e, ok := service.ChooseEndpoint(eps, 0); ok && e.Protocol == loopback.TCP {
			return e, true
		}
		select {
		case <-ch:
		case <-ctx.Done():
			return loopback.Endpoint{}, false
		}
	}
}

// serving returns the endpoints by which the service serves: those on the port
// that is expected of it, else all but what looks like a client's.
func (r *tenant) serving(sp service.Spec, all []loopback.Endpoint) []loopback.Endpoint {
	return r.servingOn(r.wantedPort(sp), all)
}

// proving returns the endpoints that show that the service is ready, since it
// listens: on every port that ready names, on that of its lease, or anywhere.
// The port of its name does not count. The caller holds r.mu.
func (r *tenant) proving(sp service.Spec, all []loopback.Endpoint) []loopback.Endpoint {
	want := uint16(0)
	if r.lease != nil {
		want = r.lease.Port
	}
	if len(sp.Ready.TCP) == 0 {
		return r.servingOn(want, all)
	}
	var out []loopback.Endpoint
	for _, port := range sp.Ready.TCP {
		eps := slices.DeleteFunc(r.servingOn(port, all), func(e loopback.Endpoint) bool { return e.Protocol != loopback.TCP })
		if len(eps) == 0 {
			return nil
		}
		out = append(out, eps...)
	}
	return out
}

func (r *tenant) servingOn(want uint16, all []loopback.Endpoint) []loopback.Endpoint {
	return slices.DeleteFunc(slices.Clone(all), func(e loopback.Endpoint) bool {
		switch {
		case e.Service != r.name, want != 0 && e.Port != want:
			return true
		case e.Protocol == loopback.UDP && service.Ephemeral(e.Port) && want == 0:
			return true // most likely the near end of a query of its own
		}
		return false
	})
}

func (r *tenant) currentLease() *lease.Lease {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lease
}

func (r *tenant) leased() bool {
	l := r.currentLease()
	return l != nil && l.Listener != nil
}

// takeLease gets the port or the socket that the service is to have, unless it
// has it already.
func (r *tenant) takeLease(sp service.Spec) error {
	if !sp.AutoPort && !sp.Listen {
		r.dropLease()
		return nil
	}
	if l := r.currentLease(); l != nil && (l.Listener != nil) == sp.Listen && (sp.AutoPort || l.Port == sp.Port) {
		return nil
	}
	r.dropLease()
	l, err := lease.New(r.sup.inside, r.sup.spec.IP4, sp)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.lease = l
	r.mu.Unlock()
	if l.Listener != nil {
		_ = r.sup.Refresh() // no hook sees a socket that this process made
	}
	return nil
}

func (r *tenant) dropLease() {
	r.mu.Lock()
	l := r.lease
	r.lease = nil
	r.mu.Unlock()
	if l != nil {
		l.Drop(r.sup.inside)
	}
}
