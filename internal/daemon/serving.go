package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/logs"
	"lodge/internal/names"
	"lodge/internal/proxy"
	"lodge/internal/service"
	"lodge/internal/trust"
)

// tailLines is how much of its output the page of a service that is down shows.
const tailLines = 20

// serving carries requests for names to services.
type serving struct {
	d      *webServer
	engine *proxy.Engine
	// leaves is nil before the first handshake: many daemons never see one.
	leaves  atomic.Pointer[trust.Leaves]
	opening sync.Mutex // held while the authority is opened
	spoken  *spoken
	// strangers keeps names from leading to other users' servers.
	strangers strangers
	clients   clients
	served    sync.WaitGroup
	looking   sync.Map // projects whose keeper is asked where its services listen

	updating sync.Mutex // an older table never replaces a newer one
}

// serveNames begins to serve names on the ports that were opened.
func (d *webServer) serveNames() (*serving, error) {
	s := &serving{d: d, spoken: newSpoken(d.ctx)}
	engine, err := proxy.New(proxy.Config{
		TLS:       &tls.Config{GetCertificate: s.certificate},
		HTTPSPort: int(d.web.httpsPort),
		Start:     s.start,
		Settle:    s.settle,
		Refused:   s.refused,
		Tail:      s.tail,
		Log:       d.cfg.Log,
		Busy:      d.cfg.Busy,
		Check:     s.strangers.check,
		Client:    s.clients.of,
	})
	if err != nil {
		return nil, err
	}
	s.engine = engine
	for _, ln := range d.web.listeners() {
		s.served.Go(func() {
			if err := engine.Serve(ln); !errors.Is(err, proxy.ErrClosed) {
				d.cfg.Log.Warn("serve names", "listener", ln.Addr().String(), "err", err)
			}
		})
	}
	return s, nil
}

// certificate returns a handshake its certificate. An authority that cannot be
// opened, on a full disk for example, is tried again by the next one.
func (s *serving) certificate(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if l := s.leaves.Load(); l != nil {
		return l.GetCertificate(h)
	}
	l, err := s.openLeaves()
	if err != nil {
		s.d.cfg.Log.Warn("open authority", "err", err)
		return nil, err
	}
	return l.GetCertificate(h)
}

func (s *serving) openLeaves() (*trust.Leaves, error) {
	s.opening.Lock()
	defer s.opening.Unlock()
	if l := s.leaves.Load(); l != nil {
		return l, nil
	}
	a, err := trust.Open(trust.Options{Dir: s.d.cfg.Dirs.Trust()})
	if err != nil {
		return nil, err
	}
	l := a.Leaves(func(name string) bool {
		t := s.d.naming.table.Load()
		return t.Find(name).Named() || s.raw(t.FindTCP(name))
	})
	s.leaves.Store(l)
	return l, nil
}

// listeners returns the listening sockets as the proxy takes them: 443 is TLS,
// 80 is not, and any other port is both.
func (w *web) listeners() []proxy.Listener {
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

// close lets requests that are under way end, for a while.
func (s *serving) close() error {
	if s == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	err := s.engine.Shutdown(ctx)
	s.served.Wait()
	s.spoken.asked.Wait()
	err = errors.Join(err, s.strangers.close(), s.clients.close())
	if errors.Is(err, context.DeadlineExceeded) {
		return nil // a stream that does not end is no failure
	}
	return err
}

// decide finds out which service a project's own name means.
func (s *serving) decide(ctx context.Context, label string) error {
	m := s.d.naming.table.Load().Find(label + "." + names.HTTPDomain)
	if m.Kind == names.NoDefault {
		if err := s.spoken.ask(ctx, m.Project.ID, m.Candidates); err != nil {
			return err
		}
		if s.spoken.only(m.Project.ID, m.Candidates) == nil {
			var could []string
			for _, c := range s.spoken.could(m.Project.ID, m.Candidates) {
				could = append(could, s.d.web.url(m.Project.HTTPName(c.Name))+"/")
			}
			return &proxy.SeveralError{Host: m.Project.BareName(), URLs: could}
		}
	}
	s.update()
	return nil
}

// bare returns the service that a project's own name leads to, or nil where it
// leads to none, or that is not known yet.
func (s *serving) bare(t *names.Table, p *names.Project) *service.Status {
	m := t.Find(p.BareName())
	if m.Kind == names.NoDefault {
		return s.spoken.only(p.ID, m.Candidates)
	}
	return m.Service
}

// find returns the project and the name of a service by its identifier, or that
// of one of its ports.
func (s *serving) find(id string) (*project, string, error) {
	label, name, _ := parseID(id)
	for _, p := range s.d.naming.table.Load().Projects() {
		if pr, ok := s.d.get(p.ID); ok && p.Label == label {
			return pr, name, nil
		}
	}
	return nil, "", fmt.Errorf("find service %s: its project is down", id)
}

// start starts a service for a request, and returns when the table says that it
// starts.
func (s *serving) start(ctx context.Context, id string) error {
	if label, ok := strings.CutSuffix(id, "/"); ok {
		return s.decide(ctx, label)
	}
	p, name, err := s.find(id)
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	s.served.Go(func() {
		// It goes on when the client that asked has gone: the next one comes.
		failed <- p.client().Up(s.d.ctx, []string{name})
	})
	for {
		ch := s.d.naming.await()
		if st := s.state(p.rec.Config.ID, name); st != service.Idle && st != service.Stopped && st != service.Failed && st != service.Exited {
			return nil
		}
		select {
		case err := <-failed:
			if err != nil {
				return err
			}
			failed = nil // it is up, and the table will say so
		case <-ch:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// state returns a service's state in the table.
func (s *serving) state(project, name string) service.State {
	for _, p := range s.d.naming.table.Load().Projects() {
		if p.ID != project {
			continue
		}
		i := slices.IndexFunc(p.Services, func(st service.Status) bool { return st.Name == name })
		if i >= 0 {
			return p.Services[i].State
		}
	}
	return service.Stopped
}

// tail returns the last lines of a service's output.
func (s *serving) tail(id string) []string {
	p, name, err := s.find(id)
	if err != nil {
		return nil
	}
	var out []string
	_ = localapi.ReadLogs(p.state(), keeperapi.LogQuery{Services: []string{name}, Tail: tailLines}, func(l logs.Line) error {
		if !l.Note { // the page says the same
			out = append(out, l.Text)
		}
		return nil
	}) // what cannot be read is not shown
	return out
}
