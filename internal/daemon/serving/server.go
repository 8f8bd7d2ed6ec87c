// Package serving serves the names of services: it opens the ports for them, tells the
// proxy which name leads to which service, starts services that are asked for, lets
// them rest when nothing uses them, and opens single services to the network. How a
// request is carried is package proxy's.
package serving

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"lodge/internal/daemon/webports"
	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/names"
	"lodge/internal/proxy"
	"lodge/internal/trust"
)

// Options is what serving names needs.
type Options struct {
	Names    Names
	Projects Projects
	Store    Store
	Helper   Helper
	// TrustDir is where the authority is that signs the certificates of names.
	TrustDir string
	// KeyLog takes the keys of TLS connections to names and to services, as
	// crypto/tls.Config.KeyLogWriter; nil: nothing does.
	KeyLog io.Writer
	Log    *slog.Logger
	// Busy is called when a client comes that makes more work than most; nil:
	// nothing is called.
	Busy func()
}

// Names is the table of names.
type Names interface {
	Table() *names.Table
	// Changed returns a channel that is closed when there is another table.
	Changed() <-chan struct{}
}

// Projects are the projects that are up, by their ids.
type Projects interface {
	Has(id string) bool
	Client(id string) (keeperapi.Client, bool)
	State(id string) (localapi.Project, bool)
	// Look asks a project's keeper where its services listen.
	Look(ctx context.Context, id string)
	// Gone returns a channel that is closed when a project is not up any more.
	Gone(id string) (<-chan struct{}, bool)
}

// Store remembers what a project is called, and the port of names.
type Store interface {
	LabelFor(path, name string) string
	WebPort(free func(uint16) bool) uint16
	WebPortOr(other uint16) uint16
}

// Helper opens ports that this process may not open.
type Helper interface {
	ListenWeb(ctx context.Context, port uint16) ([]net.Listener, error)
}

// Server serves names. Before [Server.Open] it only says where they would lead.
type Server struct {
	options Options
	ctx     context.Context // ends what goes on in the background
	cancel  context.CancelFunc
	running sync.WaitGroup

	ports  *webports.Ports
	shares Shares
	// opened is nil before Open.
	opened   atomic.Pointer[opened]
	updating sync.Mutex // an older table never replaces a newer one
}

// opened is what there is when names are served.
type opened struct {
	server *Server
	web    *Web
	engine *proxy.Engine
	certs  certificates
	// strangers keeps names from leading to other users' servers.
	strangers strangers
	clients   clients
	looking   sync.Map // projects, by id, whose keeper is asked where its services listen
}

// New returns a server that has no port yet.
func New(o Options) *Server {
	s := &Server{options: o}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.ports = webports.New(s.ctx)
	s.shares.server = s
	return s
}

// Open opens the ports of names and begins to serve there.
func (s *Server) Open(ctx context.Context) error {
	return s.serve(openWeb(ctx, s.options.Store, s.options.Helper))
}

// serve serves names at ports that are open, and closes them if it cannot.
func (s *Server) serve(web *Web) error {
	o := &opened{server: s, web: web}
	o.certs = certificates{dir: s.options.TrustDir, log: s.options.Log, named: s.certified}
	engine, err := proxy.New(proxy.Config{
		TLS:       &tls.Config{GetCertificate: o.certs.get, KeyLogWriter: s.options.KeyLog},
		HTTPSPort: int(web.httpsPort),
		Start:     o.start,
		Settle:    o.settle,
		Refused:   o.refused,
		Tail:      o.tail,
		Log:       s.options.Log,
		Busy:      s.options.Busy,
		Check:     o.strangers.check,
		Client:    o.clients.of,
	})
	if err != nil {
		return errors.Join(err, web.close())
	}
	o.engine = engine
	s.opened.Store(o)
	for _, ln := range web.listeners() {
		s.running.Go(func() {
			if err := engine.Serve(ln); !errors.Is(err, proxy.ErrClosed) {
				s.options.Log.Warn("serve names", "listener", ln.Addr().String(), "err", err)
			}
		})
	}
	s.running.Go(o.restIdle)
	return nil
}

// Shares serves single services to the network.
func (s *Server) Shares() *Shares { return &s.shares }

// Web returns the ports of names; nil before [Server.Open].
func (s *Server) Web() *Web {
	if o := s.opened.Load(); o != nil {
		return o.web
	}
	return nil
}

// Update gives the proxy the names as they are now.
func (s *Server) Update() {
	if o := s.opened.Load(); o != nil {
		s.updating.Lock()
		defer s.updating.Unlock()
		o.setTable(s.options.Names.Table())
	}
}

// certified reports whether there is a certificate for a name: it leads somewhere.
func (s *Server) certified(name string) bool {
	t := s.options.Names.Table()
	return t.Find(name).Named() || raw(s.ports, t.FindTCP(name))
}

// Close ends serving, and lets requests that are under way end, for a while.
func (s *Server) Close() error {
	s.cancel()
	o := s.opened.Load()
	if o == nil {
		s.ports.Wait()
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	err := o.engine.Shutdown(ctx)
	s.running.Wait()
	s.ports.Wait()
	err = errors.Join(err, o.strangers.close(), o.clients.close())
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil // a stream that does not end is no failure
	}
	return errors.Join(err, o.web.close())
}

// certificates are those of names. The authority is opened at the first handshake:
// many daemons never see one.
type certificates struct {
	dir   string
	log   *slog.Logger
	named func(string) bool

	opening sync.Mutex // held while the authority is opened
	leaves  atomic.Pointer[trust.Leaves]
}

// get returns a handshake its certificate. An authority that cannot be opened, on a
// full disk for example, is tried again by the next one.
func (c *certificates) get(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if l := c.leaves.Load(); l != nil {
		return l.GetCertificate(h)
	}
	l, err := c.open()
	if err != nil {
		c.log.Warn("open authority", "err", err)
		return nil, err
	}
	return l.GetCertificate(h)
}

func (c *certificates) open() (*trust.Leaves, error) {
	c.opening.Lock()
	defer c.opening.Unlock()
	if l := c.leaves.Load(); l != nil {
		return l, nil
	}
	a, err := trust.Open(trust.Options{Dir: c.dir})
	if err != nil {
		return nil, err
	}
	l := a.Leaves(c.named)
	c.leaves.Store(l)
	return l, nil
}
