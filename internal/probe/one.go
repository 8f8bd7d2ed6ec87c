package probe

import (
	"context"
	"crypto/x509"
	"errors"
	"net/netip"
	"slices"
	"time"

	"lodge/internal/loopback"
	"lodge/internal/probe/answer"
)

// Options say how one probe is made.
type Options struct {
	// Remote allows targets that are not this machine.
	Remote bool
	// UDP asks by datagrams and not by a TCP connection.
	UDP bool
	// Timeout bounds each connecting and, apart from that, all questions
	// together; zero means DefaultTimeout.
	Timeout time.Duration
	// User is who lodge says that it is where a server asks for a name before it
	// says anything (PostgreSQL). It sends no password.
	User string
	// Roots are trusted instead of this machine's authorities; for tests.
	Roots *x509.CertPool
	// Network is the machine's where it is zero.
	Network Network
	// Queue tells of the listener's queue; nil is nothing.
	Queue QueueSource
}

// DefaultTimeout is how long a silent server is waited for.
const DefaultTimeout = 5 * time.Second

// Result is what a probe came to.
type Result string

// The results, as --json shows them. Where nothing was connected to, the result
// is the Failure of connecting.
const (
	Answered Result = "answered" // it said something, whether lodge knows the protocol or not
	Silent   Result = "silent"   // it took the connection, and said nothing to any question
	Closed   Result = "closed"   // it took the connections, and closed each without a word
	NoReply  Result = "no_reply" // UDP: nothing came back, not even that no socket is there
)

// Report is what one probe found.
type Report struct {
	Target   string            `json:"target"`
	Protocol loopback.Protocol `json:"protocol"`
	Host     string            `json:"host"`
	Port     uint16            `json:"port"`
	Result   Result            `json:"result"`
	// IP is the address that was asked: the first that was connected to.
	IP netip.Addr `json:"ip,omitzero"`
	// ResolveUS is how long finding the name's addresses took; zero for an address.
	ResolveUS int64 `json:"resolve_us"`
	// ConnectUS, TLSUS and FirstByteUS are those of the connection that was
	// answered: to connect, for the handshake, from the question to the first byte.
	ConnectUS   int64 `json:"connect_us,omitempty"`
	TLSUS       int64 `json:"tls_us,omitempty"`
	FirstByteUS int64 `json:"first_byte_us,omitempty"`
	TotalUS     int64 `json:"total_us"`
	// Addresses are all that the host has, each of them tried.
	Addresses []Attempt      `json:"addresses"`
	Answer    *answer.Answer `json:"answer,omitempty"`
	// Exchanges are the questions that were asked, in order.
	Exchanges []Exchange `json:"exchanges"`
	// AcceptQueue is the listener's, where a connection was not made in time, or
	// only when it was tried again, or where nothing was said on it.
	AcceptQueue *AcceptQueue `json:"accept_queue,omitempty"`
	// Assigned is IANA's service name for the port, CommonUse what developers use
	// it for: not what listens there.
	Assigned  string `json:"assigned,omitempty"`
	CommonUse string `json:"common_use,omitempty"`
}

// Attempt is one address that was tried.
type Attempt struct {
	IP     netip.Addr `json:"ip"`
	Family string     `json:"family"`
	// Result is "connected" or a Failure; Error is the system's word for it.
	Result    string `json:"result"`
	Error     string `json:"error,omitempty"`
	ConnectUS int64  `json:"connect_us,omitempty"`
}

// Exchange is one question on a connection of its own.
type Exchange struct {
	Name string `json:"name"`
	// Result is "answered", "unknown" (an answer that lodge does not know),
	// "closed", "silent", or the Failure of connecting.
	Result        string `json:"result"`
	ReceivedBytes int    `json:"received_bytes"`
	ConnectUS     int64  `json:"connect_us,omitempty"`
	FirstByteUS   int64  `json:"first_byte_us,omitempty"`
}

// prober is one probe of one address.
type prober struct {
	opts   Options
	target Target
	at     netip.AddrPort
	page   page
	tls    handshaker
}

func newProber(opts Options, t Target, at netip.AddrPort) *prober {
	return &prober{opts: opts, target: t, at: at, page: page{t}, tls: handshaker{host: t.Host, roots: opts.Roots}}
}

// One finds what answers at the target. The report is whole also where nothing
// answered; an error means that nothing was tried: the name has no address, it
// is not this machine (*Remote), or ctx ended.
func One(ctx context.Context, t Target, opts Options) (*Report, error) {
	if opts.Timeout <= 0 {
		opts.Timeout = DefaultTimeout
	}
	proto := loopback.TCP
	if opts.UDP || t.Scheme == "udp" {
		proto = loopback.UDP
	}
	start := time.Now()
	r := &Report{Target: t.Text, Protocol: proto, Host: t.Host, Port: t.Port, Addresses: []Attempt{}, Exchanges: []Exchange{}}
	if a, ok := loopback.Assigned(proto, t.Port); ok {
		r.Assigned = a.Name
	}
	r.CommonUse, _ = loopback.CommonUse(t.Port)

	resolving, cancel := context.WithTimeout(ctx, opts.Timeout)
	ips, err := opts.Network.resolve(resolving, t, opts.Remote)
	cancel()
	if err != nil {
		return nil, err
	}
	if isName(t.Host) {
		r.ResolveUS = micros(time.Since(start))
	}
	if proto == loopback.UDP {
		err = r.askDatagrams(ctx, t, ips, opts)
	} else {
		err = r.askStreams(ctx, t, ips, opts)
	}
	r.TotalUS = micros(time.Since(start))
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return r, err
}

// askStreams tries every address and asks the first that is connected to.
func (r *Report) askStreams(ctx context.Context, t Target, ips []netip.Addr, opts Options) error {
	queue := watchQueue(ctx, opts.Queue, loopback.TCP, func() ([]netip.Addr, uint16) { return ips, t.Port })
	sentAgain := int64(0)
	defer func() {
		r.AcceptQueue = queue.close(sentAgain, sentAgain > 0 || r.Result == Silent || r.Result == Result(answer.Timeout))
	}()
	for _, ip := range ips {
		at := netip.AddrPortFrom(ip, t.Port)
		s, end, err := opts.Network.connect(ctx, "tcp", at, time.Now().Add(opts.Timeout))
		if err != nil {
			queue.failed(failureOf(err))
			r.Addresses = append(r.Addresses, Attempt{IP: ip, Family: family(ip), Result: string(failureOf(err)), Error: cause(err)})
			continue
		}
		if s.connect >= slow && isSentAgain(s.Conn) {
			sentAgain++
		}
		r.Addresses = append(r.Addresses, Attempt{IP: ip, Family: family(ip), Result: "connected", ConnectUS: micros(s.connect)})
		if r.IP.IsValid() {
			end()
			continue
		}
		// The connection that was made to try the address is the first question's.
		r.IP = ip
		newProber(opts, t, at).identify(ctx, r, s, end)
	}
	if !r.IP.IsValid() {
		r.Result = Result(r.Addresses[len(r.Addresses)-1].Result)
		// A server that resets at once is there, unlike one that refuses, and so is
		// one that leaves a connection unanswered, or a firewall in front of it.
		for _, kind := range []answer.Failure{answer.Refused, answer.Timeout, answer.Reset} {
			if slices.ContainsFunc(r.Addresses, func(a Attempt) bool { return a.Result == string(kind) }) {
				r.Result = Result(kind)
			}
		}
	}
	return nil
}

// cause returns the innermost error: "connection refused" without the address.
func cause(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return answer.Plain(err.Error())
		}
		err = inner
	}
}

// micros returns whole microseconds, and one for anything that took time at all.
func micros(d time.Duration) int64 {
	if d > 0 && d < time.Microsecond {
		return 1
	}
	return d.Microseconds()
}
