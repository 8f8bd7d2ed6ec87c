package policy

import "net/netip"

// State says what a service can do with a request now.
type State uint8

// The states of a service.
const (
	Ready    State = iota // its endpoints answer
	Starting              // requests wait for Ready
	Down                  // requests are answered with a page, or start it
	// Unsettled: it is not known what it speaks, or where. It is found out, and
	// requests wait for that.
	Unsettled
	// Failing: it ended, and will be started again. Requests wait for Ready, but
	// only for a moment, and are answered with a page then.
	Failing
)

// Protocol is what a service speaks at an endpoint.
type Protocol uint8

// The protocols. With Auto a service is taken to speak HTTP/1.1, and HTTP/2
// without TLS (h2c, by prior knowledge: RFC 9113, section 3.3) for requests of
// gRPC, which exists in no other.
const (
	Auto  Protocol = iota
	HTTP1          // HTTP/1.1 and nothing else
	H2C            // HTTP/2 without TLS and nothing else
	HTTPS          // TLS, with HTTP/2 where it offers that; its certificate is not checked: it is on this machine
)

// Endpoint is where a service listens.
type Endpoint struct {
	Addr     netip.AddrPort // TCP, IPv4 or IPv6; left zero with Path
	Path     string         // a Unix socket; "@" in front is an abstract one
	Protocol Protocol
}

func (p Endpoint) String() string {
	if p.Path != "" {
		return "unix:" + p.Path
	}
	return p.Addr.String()
}

// Name is a host name under which a service is reached.
type Name struct {
	Host string // lower case, no port, no dot at the end: "web.shop.localhost"
	// Wildcard leads every name below Host to the service too.
	Wildcard bool
	// Ports says that the number of a port right in front of Host means a port of
	// the service: it leads where the table has it as a name, or nowhere.
	Ports bool
	// Unlisted keeps the name out of pages that list names.
	Unlisted bool
}

// NamesOf returns a service's names in a project: SERVICE.PROJECT.localhost with
// all that is below it, and PROJECT.localhost if it is the project's default.
// Both must be DNS labels, or labels joined by dots.
func NamesOf(service, project string, isDefault bool) []Name {
	names := []Name{{Host: service + "." + project + ".localhost", Wildcard: true}}
	if isDefault {
		names = append(names, Name{Host: project + ".localhost"})
	}
	return names
}

// Service is what the engine must know of one.
type Service struct {
	ID      string // unique and the same over tables, such as "shop/web"
	Project string // requests between services of one project are not cross-site
	Names   []Name
	State   State
	// Endpoints are tried in this order. All of them must be one server's.
	Endpoints []Endpoint
	// OnRequest has it started when a request comes and it is down.
	OnRequest bool
	Exit      string // why it is down, for people: "exited with status 1"
	// Silent is one that runs and cannot be asked all the same; Exit says why, as
	// the rest of a sentence: "runs, and listens nowhere".
	Silent    bool
	StartWith string // the command that starts it: "lodge up web"
	Note      string // for people, on pages: where it listens, and how to choose
	// NoPage is one that is not expected to have a page: a job, a worker.
	NoPage bool
	// UsedAs is the identifier of the service as which it is in use, where that
	// is another: a port of one.
	UsedAs string
	// AllowCrossSite lets pages of other sites make any request.
	AllowCrossSite bool
	// AllowOrigins are other sites that may, as a browser names them in Origin:
	// "http://localhost:5173".
	AllowOrigins []string
	// RedirectPlain answers http: with a redirect to https: where there is TLS;
	// else both are served.
	RedirectPlain bool
	// Host is sent to the service instead of the name that was asked for.
	Host string
	// Origin is what Host is to the service's own pages, such as
	// "http://localhost:3000": Origin, Referer and Location are made to match.
	Origin string
	// Raw is a service that speaks no HTTP: no request leads to it, but a
	// connection over TLS that asks for one of its names does.
	Raw bool
}
