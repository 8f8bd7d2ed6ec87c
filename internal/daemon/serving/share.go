package serving

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"

	"lodge/internal/daemon/api"
	"lodge/internal/lan"
	"lodge/internal/localapi"
	"lodge/internal/names"
	"lodge/internal/proxy"
)

// Shares are the services that the network may reach, each for as long as
// a client holds it open.
type Shares struct {
	server *Server

	mu   sync.Mutex // guards open
	open map[string]localapi.Share
}

// sharedID is the proxy's identifier of a service as the network has it.
func sharedID(id string) string { return id + "#lan" }

// of returns the share of a service, if it is shared.
func (s *Shares) of(id string) (localapi.Share, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh, ok := s.open[id]
	return sh, ok
}

func (s *Shares) add(id string, sh localapi.Share) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.open[id]; ok {
		return &localapi.Error{Message: fmt.Sprintf("share %s: it is shared already, as %s", id, old.URL), Hint: "stop that one first"}
	}
	if s.open == nil {
		s.open = make(map[string]localapi.Share)
	}
	s.open[id] = sh
	return nil
}

func (s *Shares) remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, id)
}

// ServeHTTP serves one service to the network until the client goes away. Its
// first and only word is the share.
func (s *Shares) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	gone, ok := s.server.options.Projects.Gone(id)
	if !ok {
		api.Refuse(w, http.StatusNotFound, errors.New("share service: its project is not up"))
		return
	}
	var want netip.Addr
	if ip := r.URL.Query().Get("ip"); ip != "" {
		var err error
		if want, err = netip.ParseAddr(ip); err != nil {
			api.Refuse(w, http.StatusBadRequest, fmt.Errorf("share service: %w", err))
			return
		}
	}
	sh, end, err := s.startShare(id, r.PathValue("service"), want)
	if err != nil {
		api.Answer(w, nil, err)
		return
	}
	defer end()
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(sh); err != nil {
		return
	}
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
	select {
	case <-r.Context().Done():
	case <-gone:
	case <-s.server.ctx.Done():
	}
}

// startShare opens a port to the network for a service. end takes it back.
func (s *Shares) startShare(project, service string, want netip.Addr) (sh localapi.Share, end func(), err error) {
	o := s.server.opened.Load()
	if o == nil {
		return sh, nil, fmt.Errorf("share service %s: names are not served", service)
	}
	np, st, err := s.shareable(project, service)
	if err != nil {
		return sh, nil, err
	}
	at, err := lan.Find(want)
	if err != nil {
		return sh, nil, err
	}
	ln, err := net.Listen("tcp4", net.JoinHostPort(at.IP.String(), strconv.Itoa(int(s.server.options.Store.WebPortOr(0)))))
	if err != nil { // that port is taken on this address
		ln, err = net.Listen("tcp4", net.JoinHostPort(at.IP.String(), "0"))
	}
	if err != nil {
		return sh, nil, fmt.Errorf("share service %s: %w", service, err)
	}
	port := ln.Addr().(*net.TCPAddr).Port
	host := names.Clean(service+"-"+np.Label) + ".local"
	sh = localapi.Share{
		URL: fmt.Sprintf("http://%s:%d", at.IP, port), IP: at.IP.String(), Port: uint16(port), Interface: at.Interface,
	}
	announced, aerr := lan.Announce(host, at)
	if aerr == nil {
		sh.NameURL = fmt.Sprintf("http://%s:%d", host, port)
	} else {
		sh.NameReason = aerr.Error()
	}
	id := np.Label + "/" + st
	if err := s.add(id, sh); err != nil {
		err = errors.Join(err, ln.Close())
		if announced != nil {
			err = errors.Join(err, announced.Close())
		}
		return sh, nil, err
	}
	s.server.Update()
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = o.engine.Serve(proxy.Listener{Listener: ln, Scheme: proxy.Plain, Only: sharedID(id)}) // ends with the listener
	}()
	return sh, func() {
		s.remove(id)
		_ = ln.Close() // Serve may have closed it
		<-served
		s.server.Update() // connections that are open find their service no more
		if announced != nil {
			_ = announced.Close() // nothing can be done about it
		}
	}, nil
}

// shareable finds a service of a project that can be shared.
func (s *Shares) shareable(project, service string) (*names.Project, string, error) {
	t := s.server.options.Names.Table()
	for _, p := range t.Projects() {
		if p.ID != project {
			continue
		}
		if service == "" {
			m := t.Find(p.BareName())
			if m.Service == nil {
				return nil, "", &localapi.Error{Message: fmt.Sprintf("share %s: it is not clear which of its services", p.Name), Hint: "name one: lodge open --lan SERVICE"}
			}
			return &p, m.Service.Name, nil
		}
		for i := range p.Services {
			if p.Services[i].Name != service {
				continue
			}
			if !s.server.speaks(p.ID, &p.Services[i]) {
				return nil, "", fmt.Errorf("share service %s: it is no web service", service)
			}
			return &p, service, nil
		}
	}
	return nil, "", fmt.Errorf("share service %s: no such service is up", service)
}
