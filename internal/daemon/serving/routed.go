package serving

import (
	"fmt"
	"net"
	"strconv"

	"lodge/internal/daemon/webports"
	"lodge/internal/names"
	"lodge/internal/proxy"
	"lodge/internal/service"
)

// routed is a service as the proxy has it, but for its names.
func (r *router) routed(st *service.Status, w webports.Target) proxy.Service {
	out := proxy.Service{
		ID: r.p.Label + "/" + st.Name, Project: r.p.ID,
		OnRequest:      st.OnRequest,
		Exit:           st.Reason,
		StartWith:      "lodge up " + st.Name,
		AllowCrossSite: st.CrossSite == "allow",
		RedirectPlain:  st.PlainHTTP == "redirect",
		Note:           note(r.p, st, w),
	}
	if out.Exit == "" {
		out.Exit = st.Failing
	}
	if st.Kind == service.KindRun {
		out.StartWith = "lodge run -- " + st.Command
	}
	if st.HTTPSocket != "" {
		out.Endpoints = []proxy.Endpoint{{Path: st.HTTPSocket}}
	}
	if w.Kind == webports.At {
		out.Endpoints = append(out.Endpoints, endpoints(st, w)...)
	}
	if st.Host == service.HostLocalhost {
		out.Host, out.Origin = localhost(w)
	}
	out.State = stateOf(st, w, len(out.Endpoints) > 0)
	if out.State == proxy.Down && st.State == service.Up {
		out.Silent, out.Exit, out.StartWith = true, "runs, and listens nowhere", ""
		if st.HTTP != 0 && len(names.TCPPorts(st)) > 0 {
			out.Exit = fmt.Sprintf("runs, and does not listen on port %d, which http in lodge.toml names", st.HTTP)
		} else if at := listensOn(st); at != "" { // UDP
			out.Exit = "speaks no HTTP: " + at
		}
	}
	return out
}

// localhost is the Host, and the Origin of its own pages, that a service is told
// which wants to be asked as localhost.
func localhost(w webports.Target) (host, origin string) {
	host, scheme := "localhost", "http"
	if w.Port != 0 {
		host = net.JoinHostPort(host, strconv.Itoa(int(w.Port)))
	}
	if w.TLS {
		scheme = "https"
	}
	return host, scheme + "://" + host
}

func endpoints(st *service.Status, w webports.Target) []proxy.Endpoint {
	var out []proxy.Endpoint
	for _, e := range names.EndpointsAt(st, w.Port) {
		to := proxy.Endpoint{Addr: e.AddrPort()}
		if w.TLS {
			to.Protocol = proxy.HTTPS
		}
		out = append(out, to)
	}
	return out
}

func stateOf(st *service.Status, w webports.Target, listens bool) proxy.State {
	switch st.State {
	case service.Up:
		switch {
		case w.Kind == webports.Unknown:
			return proxy.Unsettled
		case w.Kind == webports.Away:
			return proxy.Starting
		case listens:
			return proxy.Ready
		}
		return proxy.Down
	case service.Starting, service.Waiting, service.Backoff, service.Stopping:
		if st.Failing != "" {
			return proxy.Failing
		}
		return proxy.Starting
	}
	return proxy.Down
}

// rawRouted is a service without HTTP as the proxy has it: for clients that ask
// for it by TLS, on the first port that it chose itself.
func (r *router) rawRouted(st *service.Status, isDefault bool) proxy.Service {
	out := r.routed(st, webports.Target{})
	out.Raw, out.Exit, out.StartWith = true, listensOn(st), howToReach(r.p, st)
	if all := names.TCPPorts(st); len(all) > 0 {
		out.Endpoints = endpoints(st, webports.Target{Port: all[0]})
		out.State = stateOf(st, webports.Target{Kind: webports.At}, true)
	}
	out.Names = []proxy.Name{{Host: r.p.HTTPName(st.Name)}, {Host: r.p.TCPName(st.Name)}}
	if isDefault {
		out.Names = append(out.Names, proxy.Name{Host: r.p.BareName()})
	}
	return out
}
