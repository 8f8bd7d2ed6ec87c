package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"lodge/internal/keeper"
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
	d      *Daemon
	engine *proxy.Engine
	// leaves is nil before the first handshake: many daemons never see one.
	leaves  atomic.Pointer[trust.Leaves]
	opening sync.Mutex // held while the authority is opened
	spoken  *spoken
	// strangers keeps names from leading to other users' servers.
	strangers strangers
	served    sync.WaitGroup

	updating sync.Mutex // an older table never replaces a newer one
}

// TrustDir is where a daemon with that state directory has its authority.
func TrustDir(state string) string { return filepath.Join(state, "trust") }

// serveNames begins to serve names on the ports that were opened.
func (d *Daemon) serveNames() (*serving, error) {
	s := &serving{d: d, spoken: newSpoken()}
	engine, err := proxy.New(proxy.Config{
		TLS:       &tls.Config{GetCertificate: s.certificate},
		HTTPSPort: int(d.web.httpsPort),
		Start:     s.start,
		Tail:      s.tail,
		Log:       d.cfg.Log,
		Busy:      d.cfg.Busy,
		Check:     s.strangers.check,
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

// certificate gives a handshake its certificate. An authority that cannot be
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
	a, err := trust.Open(trust.Options{Dir: TrustDir(s.d.cfg.Dirs.State)})
	if err != nil {
		return nil, err
	}
	l := a.Leaves(func(name string) bool {
		t := s.d.naming.table.Load()
		m := t.FindTCP(name) // of those, only services without HTTP are served here
		return t.Find(name).Named() || m.Kind == names.Service && !names.MaySpeakHTTP(m.Service)
	})
	s.leaves.Store(l)
	return l, nil
}

// listeners gives the listening sockets as the proxy takes them: 443 is TLS,
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
	err = errors.Join(err, s.strangers.close())
	if errors.Is(err, context.DeadlineExceeded) {
		return nil // a stream that does not end is no failure
	}
	return err
}

// update gives the proxy the names as they are now.
func (s *serving) update() {
	s.updating.Lock()
	defer s.updating.Unlock()
	t := s.d.naming.table.Load()
	s.strangers.know(t)
	var list []proxy.Service
	for _, p := range t.Projects() {
		m := t.Find(p.BareName())
		if m.Project == nil || m.Project.ID != p.ID {
			continue // another project has its label: no name may lead to two
		}
		bare := s.bare(t, &p)
		if bare == nil && len(m.Candidates) > 0 {
			list = append(list, ambiguous(&p))
		}
		for i := range p.Services {
			st := &p.Services[i]
			if !names.MaySpeakHTTP(st) {
				if len(names.HTTPEndpoints(st)) > 0 || st.OnRequest {
					list = append(list, rawRouted(&p, st))
				}
				continue
			}
			r := routed(&p, st, bare != nil && bare.Name == st.Name)
			list = append(list, r)
			if _, ok := s.d.shares.of(r.ID); ok {
				// Servers that look at Host (Vite, Django) take the name that they
				// have on this machine.
				r.Host, r.ID, r.Names = r.Names[0].Host, sharedID(r.ID), nil
				list = append(list, r)
			}
		}
	}
	table, err := proxy.NewTable(list)
	if err != nil {
		// Names are checked where they are given, so this is a mistake of ours.
		s.d.cfg.Log.Error("make table of names", "err", err)
		return
	}
	s.engine.SetTable(table)
}

// ambiguous stands for a project whose own name could mean several services:
// the first request for it finds out which one speaks HTTP. Nobody's server is
// asked before somebody wants it.
func ambiguous(p *names.Project) proxy.Service {
	return proxy.Service{
		ID: p.Label + "/", Project: p.ID, Names: []proxy.Name{{Host: p.BareName()}},
		State: proxy.Down, OnRequest: true, StartWith: "lodge open SERVICE",
	}
}

// decide finds out which service a project's own name means.
func (s *serving) decide(ctx context.Context, label string) error {
	m := s.d.naming.table.Load().Find(label + "." + names.HTTPDomain)
	if m.Kind == names.NoDefault {
		if err := s.spoken.ask(ctx, m.Candidates); err != nil {
			return err
		}
		if s.spoken.only(m.Candidates) == nil {
			var could []string
			for _, c := range s.spoken.could(m.Candidates) {
				could = append(could, m.Project.HTTPName(c.Name))
			}
			return fmt.Errorf("%s could mean several services: %s (or set default in lodge.toml)", m.Project.BareName(), strings.Join(could, ", "))
		}
	}
	s.update()
	return nil
}

// bare gives the service that a project's own name leads to, or nil where it
// leads to none, or that is not known yet.
func (s *serving) bare(t *names.Table, p *names.Project) *service.Status {
	m := t.Find(p.BareName())
	if m.Kind == names.NoDefault {
		return s.spoken.only(m.Candidates)
	}
	return m.Service
}

// routed is a service as the proxy has it.
func routed(p *names.Project, st *service.Status, isDefault bool) proxy.Service {
	out := proxy.Service{
		ID: p.Label + "/" + st.Name, Project: p.ID,
		Names:          []proxy.Name{{Host: p.HTTPName(st.Name), Wildcard: true}},
		OnRequest:      st.OnRequest,
		Exit:           st.Reason,
		StartWith:      "lodge up " + st.Name,
		AllowCrossSite: st.CrossSite == "allow",
		RedirectPlain:  st.PlainHTTP == "redirect",
	}
	if isDefault {
		out.Names = append(out.Names, proxy.Name{Host: p.BareName()})
	}
	if st.Kind == service.KindRun {
		out.StartWith = "lodge run -- " + st.Command
	}
	if st.HTTPSocket != "" {
		out.Endpoints = []proxy.Endpoint{{Path: st.HTTPSocket}}
	}
	for _, e := range names.HTTPEndpoints(st) {
		out.Endpoints = append(out.Endpoints, proxy.Endpoint{Addr: e.AddrPort()})
	}
	switch st.State {
	case service.Up:
		if len(out.Endpoints) == 0 {
			out.State, out.Exit = proxy.Down, "it runs, and listens nowhere"
		}
	case service.Starting, service.Waiting, service.Backoff, service.Stopping:
		out.State = proxy.Starting
	default:
		out.State = proxy.Down
	}
	return out
}

// rawRouted is a service without HTTP as the proxy has it: for clients that ask
// for it by TLS.
func rawRouted(p *names.Project, st *service.Status) proxy.Service {
	out := routed(p, st, false)
	out.Raw = true
	out.Names = []proxy.Name{{Host: p.HTTPName(st.Name)}, {Host: p.TCPName(st.Name)}}
	return out
}

// find gives the project and the name of a service by its identifier.
func (s *serving) find(id string) (*project, string, error) {
	label, name, _ := strings.Cut(strings.TrimSuffix(id, sharedID("")), "/")
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

// state gives a service's state in the table.
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

// tail gives the last lines of a service's output.
func (s *serving) tail(id string) []string {
	p, name, err := s.find(id)
	if err != nil {
		return nil
	}
	var out []string
	_ = localapi.ReadLogs(p.state(), keeper.LogQuery{Services: []string{name}, Tail: tailLines}, func(l logs.Line) error {
		out = append(out, l.Text)
		return nil
	}) // what cannot be read is not shown
	return out
}
