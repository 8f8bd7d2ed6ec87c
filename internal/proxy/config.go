package proxy

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/netip"
	"time"

	"lodge/internal/proxy/policy"
)

// The words of a table are those of package policy, so that a caller that
// makes one needs this package only.
type (
	// Service is what the engine must know of one; see [policy.Service].
	Service = policy.Service
	// Table is an immutable set of services; see [policy.Table].
	Table = policy.Table
	// Endpoint is where a service listens; see [policy.Endpoint].
	Endpoint = policy.Endpoint
	// Name is a host name of a service; see [policy.Name].
	Name = policy.Name
	// State says what a service can do with a request now; see [policy.State].
	State = policy.State
	// Protocol is what a service speaks at an endpoint; see [policy.Protocol].
	Protocol = policy.Protocol
)

// The states and the protocols of package policy.
const (
	Ready     = policy.Ready
	Starting  = policy.Starting
	Down      = policy.Down
	Unsettled = policy.Unsettled
	Failing   = policy.Failing

	Auto  = policy.Auto
	HTTP1 = policy.HTTP1
	H2C   = policy.H2C
	HTTPS = policy.HTTPS
)

// NewTable checks services; see [policy.NewTable].
func NewTable(services []Service) (*Table, error) { return policy.NewTable(services) }

// NamesOf returns a service's names in a project; see [policy.NamesOf].
func NamesOf(service, project string, isDefault bool) []Name {
	return policy.NamesOf(service, project, isDefault)
}

// SeveralError is returned by Config.Start for a name that could mean several
// services.
type SeveralError struct {
	Host string   // the name
	URLs []string // of the services
}

func (e *SeveralError) Error() string { return e.Host + " could mean several services" }

// Config is what an engine is made of. The zero value works: plain HTTP, no
// services, the default limits.
type Config struct {
	// TLS has the certificates (GetCertificate or Certificates). It is cloned;
	// protocols, the lowest version and GetConfigForClient are set here. Its
	// KeyLogWriter gets the keys of connections to services, too. Nil: no TLS.
	TLS *tls.Config
	// HTTPSPort is the port of redirects from http: to https:. 0 means that of
	// the request, for a listener that takes both.
	HTTPSPort int
	Limits    Limits
	// Start is called for a request to a service that is down and OnRequest. It
	// returns when the table that the engine has says so (Starting or Ready), or
	// an error for the page. It may be called several times at once for one
	// service. Nil: nothing is started.
	Start func(ctx context.Context, id string) error
	// Settle is called for a request to a service that is Unsettled. It returns
	// when the table that the engine has says where requests go, or an error for
	// the page. It may be called several times at once for one service. Nil: such
	// a service is taken for one that is ready.
	Settle func(ctx context.Context, id string) error
	// Refused is told that a service which is Ready refuses connections: it may
	// have closed its socket, which nothing reports. It must return at once. Nil:
	// it is not called.
	Refused func(id string)
	// Tail returns the last lines that a service wrote, for the page that says
	// that it is down. Nil: none.
	Tail func(id string) []string
	Log  *slog.Logger // of listeners that fail; nil: none
	// Busy is called for each connection that is served by net/http, which needs
	// more of the processors. Nil: it is not called.
	Busy func()
	// Check reports whether the process that listens at an address is the service
	// that the table has there. Its error holds ECONNREFUSED if that is another:
	// the request waits for another table then. Nil: it always is.
	Check func(netip.AddrPort) error
	// Client names the process at the other end of a connection from this
	// machine, which goes from client to server: what it floods counts against
	// all connections with that name. It is asked about few connections. False, or a nil
	// Client: it is not known.
	Client func(client, server netip.AddrPort) (string, bool)
}

// Limits bound what clients may cost. A zero field takes the default.
type Limits struct {
	Head       int           // bytes of a head, request line included; 64 KiB
	Fields     int           // header fields of a request; 200
	Conns      int           // client connections at once, tunnels included; 32768
	Idle       int           // connections kept open to one endpoint; 128
	HeadTime   time.Duration // from the first byte of a head to its end, and for TLS handshakes; 10 s
	IdleTime   time.Duration // between requests of a connection; 120 s
	StallTime  time.Duration // without progress in sending or receiving a body; 5 min
	HoldTime   time.Duration // a request waits for a service that starts; 60 s
	FailTime   time.Duration // a request waits for a service that fails; 0.5 s
	RefuseTime time.Duration // a request waits for a ready service that refuses connections; 1 s
	DialTime   time.Duration // to connect to a service; 5 s
	// KeepTime is how long a connection to a service is kept while nothing uses
	// it. Node closes such a connection after 5 s, and says so in Keep-Alive,
	// which is heeded; the default is 4 s, so that it is lodge that closes first.
	KeepTime time.Duration
	// Frames bounds the frames of HTTP/2 without work that a connection may send
	// at once, in the units of flood/cost.go; an eighth of it comes back each second.
	// 8192.
	Frames int
	// PenaltyTime is how long a client that sent more is remembered; 30 s.
	PenaltyTime time.Duration
}

func (l *Limits) fill() {
	n := func(p *int, d int) {
		if *p == 0 {
			*p = d
		}
	}
	t := func(p *time.Duration, d time.Duration) {
		if *p == 0 {
			*p = d
		}
	}
	n(&l.Head, 64<<10)
	n(&l.Fields, 200)
	n(&l.Conns, 32768)
	n(&l.Idle, 128)
	t(&l.HeadTime, 10*time.Second)
	t(&l.IdleTime, 120*time.Second)
	t(&l.StallTime, 5*time.Minute)
	t(&l.HoldTime, 60*time.Second)
	t(&l.FailTime, 500*time.Millisecond)
	t(&l.RefuseTime, time.Second)
	t(&l.DialTime, 5*time.Second)
	t(&l.KeepTime, 4*time.Second)
	n(&l.Frames, 8192)
	t(&l.PenaltyTime, 30*time.Second)
}
