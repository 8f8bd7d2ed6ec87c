package service

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"lodge/internal/loopback"
)

// tenant is a service with its port: the one that is leased to it, and the
// endpoints by which it serves.
type tenant struct{ record }

// missingPorts lists the ports on which the service must listen to be ready and
// does not.
func (r *tenant) missingPorts(sp Spec) string {
	r.sup.mu.Lock()
	defer r.sup.mu.Unlock()
	ports := sp.Ready.TCP
	if l := r.currentLease(); l != nil && len(ports) == 0 {
		ports = []uint16{l.port}
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
func (r *tenant) wantedPort(sp Spec) uint16 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.wantedPortLocked(sp)
}

// wantedPortLocked is wantedPort; the caller holds r.mu.
func (r *tenant) wantedPortLocked(sp Spec) uint16 {
	if r.lease != nil {
		return r.lease.port
	}
	return sp.HTTP
}

// listening waits until the service listens on TCP, and returns where: an
// answer there, and not the wait, shows whether it is ready.
func (r *tenant) listening(ctx context.Context, sp Spec) (loopback.Endpoint, bool) {
	if l := r.currentLease(); l != nil && l.listener != nil {
		return loopback.Endpoint{Protocol: loopback.TCP, IP: r.sup.spec.IP4, Port: l.port, Service: r.name}, true
	}
	for {
		r.sup.mu.Lock()
		ch, eps := r.sup.changed, r.serving(sp, r.sup.endpoints)
		r.sup.mu.Unlock()
		if e, ok := chooseEndpoint(eps, 0); ok && e.Protocol == loopback.TCP {
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
func (r *tenant) serving(sp Spec, all []loopback.Endpoint) []loopback.Endpoint {
	return r.servingOn(r.wantedPort(sp), all)
}

// proving returns the endpoints that show that the service is ready, since it
// listens: on every port that ready names, on that of its lease, or anywhere.
// The port of its name does not count. The caller holds r.mu.
func (r *tenant) proving(sp Spec, all []loopback.Endpoint) []loopback.Endpoint {
	want := uint16(0)
	if r.lease != nil {
		want = r.lease.port
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
		case e.Protocol == loopback.UDP && Ephemeral(e.Port) && want == 0:
			return true // most likely the near end of a query of its own
		}
		return false
	})
}
