package probe

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"lodge/internal/probe/answer"
)

// recorder keeps the first bytes that come, below TLS or HTTP/2: what a server
// says that does not speak it.
type recorder struct {
	net.Conn
	mu    sync.Mutex // guards what follows
	seen  []byte
	total int
}

func (r *recorder) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.total += n; r.total > 2*maxRead {
		return 0, answer.ErrEndless
	}
	r.seen = append(r.seen, b[:min(n, 4096-len(r.seen))]...)
	return n, err
}

// bytes returns what came so far.
func (r *recorder) bytes() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen[:len(r.seen):len(r.seen)]
}

// askTLS makes a handshake and asks inside, as ALPN says, for HTTP/2 or HTTP/1,
// or what the scheme means.
func askTLS(ctx context.Context, p *prober, s *session) (*answer.Answer, []byte) {
	raw := &recorder{Conn: s.Conn}
	s.Conn = raw
	facts, err := p.tls.do(ctx, s, []string{"h2", "http/1.1"})
	if facts == nil {
		s.Conn = raw.Conn
		seen := raw.bytes()
		var a *answer.Answer
		if errors.As(err, new(tls.RecordHeaderError)) && len(seen) > 0 {
			// It speaks something else, of which the handshake has read the
			// beginning: the rest may come in another packet.
			a, seen = s.hearOn(nil, seen, 0, answer.Recognise)
		} else {
			s.closed = s.closed || failureOf(err) != answer.Timeout
			a, _ = answer.Recognise(answer.Reply{Data: seen, Final: true})
		}
		if a != nil && a.Protocol == "tls" {
			// An alert: it does speak TLS, but not with us.
			a.Next, a.Refusal, a.TLS = "", answer.Plain(err.Error()), &answer.TLS{}
		}
		return a, seen
	}
	a := &answer.Answer{Protocol: "tls", TLS: facts}
	if err != nil {
		a.Refusal = answer.Plain(err.Error())
		return a, raw.bytes()
	}
	if inside := p.inside(ctx, s, facts.ALPN); inside != nil {
		if inside.Next == "redis" { // an error about a question that was not Redis'
			inside.Refusal, inside.RefusalCode = "", ""
		}
		inside.TLS, inside.Next = facts, ""
		a = inside
	}
	return a, raw.bytes()
}

// inside asks within TLS.
func (p *prober) inside(ctx context.Context, s *session, alpn string) *answer.Answer {
	var a *answer.Answer
	var data []byte
	switch {
	case alpn == "h2":
		a, data = askH2(ctx, p, s)
	case alpn == "" && (p.target.Scheme == "rediss" || p.target.Scheme == "" && usual(p.target.Port) == "redis"):
		a, data = s.ask([]byte(answer.RedisHello), askRedisInfo)
	case alpn == "" && (p.target.Scheme == "amqps" || p.target.Port == 5671):
		a, data = s.ask([]byte(answer.AMQPHello), nil)
	case alpn == "" && p.target.Port == 853:
		a, data = s.ask([]byte(answer.DNSOverTCP), nil)
	case alpn == "" && !strings.HasPrefix(p.target.Scheme, "http"):
		// Mail over TLS speaks first.
		if a, data = s.listen(listenFirst); len(data) == 0 && !s.closed {
			a, data = p.page.ask(s)
		}
	default:
		a, data = p.page.ask(s)
	}
	if a == nil && len(data) > 0 {
		a = answer.Unknown(data)
	}
	return a
}

// handshaker makes TLS handshakes with a server, and reports what it shows.
type handshaker struct {
	host  string         // as the user wrote it; a name is sent as SNI
	roots *x509.CertPool // nil is the system's
}

// do makes TLS of the session. The facts are nil if the server does not speak TLS or
// refused; with facts and an error the handshake broke off after the certificate came.
func (h handshaker) do(ctx context.Context, s *session, alpn []string) (*answer.TLS, error) {
	var facts *answer.TLS
	wants := false
	conf := &tls.Config{
		NextProtos: alpn,
		MinVersion: tls.VersionTLS10, // old versions are reported, too
		// Nothing secret is sent; facts reports whether the certificate is trusted.
		InsecureSkipVerify: true,
		VerifyConnection: func(cs tls.ConnectionState) error {
			facts = h.facts(cs)
			return nil
		},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			wants = true
			return &tls.Certificate{}, nil
		},
	}
	if isName(h.host) {
		conf.ServerName = strings.TrimSuffix(h.host, ".")
	}
	c := tls.Client(s.Conn, conf)
	start := time.Now()
	err := c.HandshakeContext(ctx)
	if facts != nil {
		facts.WantsClientCertificate = wants
	}
	if err != nil {
		return facts, err
	}
	s.handshake = time.Since(start)
	s.Conn = c
	s.received, s.firstByte = 0, 0
	return facts, nil
}

// facts returns what a handshake showed.
func (h handshaker) facts(cs tls.ConnectionState) *answer.TLS {
	t := &answer.TLS{Version: tls.VersionName(cs.Version), Cipher: tls.CipherSuiteName(cs.CipherSuite), ALPN: answer.Plain(cs.NegotiatedProtocol)}
	if len(cs.PeerCertificates) == 0 {
		t.Problem = "it has no certificate"
		return t
	}
	leaf := cs.PeerCertificates[0]
	sum := sha256.Sum256(leaf.Raw)
	t.Certificate = &answer.Certificate{
		Subject: answer.Plain(leaf.Subject.String()), Issuer: answer.Plain(leaf.Issuer.String()), Names: certificateNames(leaf),
		NotBefore: leaf.NotBefore.UTC(), NotAfter: leaf.NotAfter.UTC(), SHA256: hex.EncodeToString(sum[:]), Chain: len(cs.PeerCertificates),
	}
	chain := x509.NewCertPool()
	for _, c := range cs.PeerCertificates[1:] {
		chain.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		DNSName: strings.TrimSuffix(h.host, "."), Intermediates: chain, Roots: h.roots,
	})
	t.Trusted, t.Problem = err == nil, problem(err)
	return t
}

// problem returns in few words why a certificate is not trusted, and "" for no error.
func problem(err error) string {
	var invalid x509.CertificateInvalidError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &authority):
		return "its issuer is not trusted here"
	case errors.As(err, &host):
		return "it is not for " + answer.Plain(host.Host)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "it is expired or not yet valid"
	}
	return answer.Plain(strings.TrimPrefix(err.Error(), "x509: "))
}

// maxNames is how many of a certificate's names are shown.
const maxNames = 32

func certificateNames(c *x509.Certificate) []string {
	names := []string{}
	add := func(s string) {
		if len(names) < maxNames {
			names = append(names, answer.Plain(s))
		}
	}
	for _, n := range c.DNSNames {
		add(n)
	}
	for _, ip := range c.IPAddresses {
		add(ip.String())
	}
	for _, u := range c.URIs {
		add(u.String())
	}
	return names
}
