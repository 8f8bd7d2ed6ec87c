package webports

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// How long answers are waited for.
const (
	// bannerTime is how long a server may take to speak first, as those of mail,
	// databases and terminals do: it is not asked then.
	bannerTime = 100 * time.Millisecond
	// askGrace is how long a server may take to answer before others are asked too.
	askGrace = time.Second
	// askPatience is how long one may take that has others beside it.
	askPatience = 30 * time.Second
	askDial     = 2 * time.Second
)

// headQuestion is the request that a port gets: one that every server of HTTP
// answers, and that changes nothing (RFC 9110, section 9.3.2). It is longer
// than the first byte of a length that some other protocol reads of it.
const headQuestion = "HEAD / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: lodge (asks once whether this port speaks HTTP)\r\nAccept: */*\r\nConnection: close\r\n\r\n"

// versionQuestion is one that a server refuses by itself (RFC 9110, section
// 15.6.6), also while what is behind it is busy with its first page.
const versionQuestion = "HEAD / HTTP/9.9\r\nHost: localhost\r\nConnection: close\r\n\r\n"

// preface is what a client of HTTP/2 says first (RFC 9113, section 3.4), with
// settings that set nothing.
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"

// askHTTP finds out whether a server speaks HTTP, in one connection and, if it
// keeps silent, a second one.
func askHTTP(ctx context.Context, at netip.AddrPort, longest time.Duration) verdict {
	c, v := askDialed(ctx, at)
	if c == nil {
		return v
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	said, ended := hear(c, bannerTime)
	if len(said) > 0 || ended {
		return judge(said, ended)
	}
	if _, err := io.WriteString(c, headQuestion); err != nil {
		return closes
	}
	began := time.Now()
	said, ended = hear(c, askGrace)
	if len(said) == 0 && !ended && longest > askGrace {
		if askOnce(ctx, at, versionQuestion) == speaksHTTP {
			return speaksHTTP
		}
		said, ended = hear(c, longest-time.Since(began))
	}
	v = judge(said, ended)
	if v == speaksHTTP && bytes.Contains(said, []byte(" 400 ")) && bytes.Contains(bytes.ToUpper(said), []byte("HTTPS")) && askTLS(ctx, at) {
		return speaksHTTPS // it says that it is not to be asked without TLS
	}
	return v
}

// askFurther asks a server that has closed the connection whether it speaks
// HTTP/2 without TLS, or HTTP over TLS.
func askFurther(ctx context.Context, at netip.AddrPort) verdict {
	if v := askOnce(ctx, at, preface); v != closes {
		return v
	}
	if askTLS(ctx, at) {
		return speaksHTTPS
	}
	return closes
}

// askOnce says something to a server and judges what it answers.
func askOnce(ctx context.Context, at netip.AddrPort, question string) verdict {
	c, v := askDialed(ctx, at)
	if c == nil {
		return v
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	if _, err := io.WriteString(c, question); err != nil {
		return closes
	}
	return judge(hear(c, askGrace))
}

// askTLS reports whether a server answers HTTP over TLS. Its certificate does
// not matter: it is on this machine.
func askTLS(ctx context.Context, at netip.AddrPort) bool {
	c, _ := askDialed(ctx, at)
	if c == nil {
		return false
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	_ = c.SetDeadline(time.Now().Add(2 * askGrace))                                                                      // a connection that cannot have one is closed by ctx
	t := tls.Client(c, &tls.Config{InsecureSkipVerify: true, ServerName: "localhost", NextProtos: []string{"http/1.1"}}) //nolint:gosec // see above
	if _, err := io.WriteString(t, headQuestion); err != nil {
		return false
	}
	var buf [512]byte
	n, _ := t.Read(buf[:]) // what was read counts
	return judge(buf[:n], true) == speaksHTTP
}

func askDialed(ctx context.Context, at netip.AddrPort) (net.Conn, verdict) {
	d := net.Dialer{Timeout: askDial}
	c, err := d.DialContext(ctx, "tcp", at.String())
	switch {
	case err == nil:
		return c, unasked
	case errors.Is(err, unix.ECONNREFUSED):
		return nil, refuses
	}
	return nil, silent
}

// hear reads what a server says within a time, up to the bytes that tell what
// it speaks. ended: it has closed the connection.
func hear(c net.Conn, limit time.Duration) (said []byte, ended bool) {
	_ = c.SetReadDeadline(time.Now().Add(limit)) // as in askTLS
	buf := make([]byte, 1024)
	n := 0
	for n < frameHead {
		m, err := c.Read(buf[n:])
		n += m
		if err != nil {
			return buf[:n], !errors.Is(err, os.ErrDeadlineExceeded)
		}
	}
	return buf[:n], false
}

// frameHead is how many bytes stand before a frame of HTTP/2.
const frameHead = 9

// judge reports what a server speaks by the first bytes that it says.
func judge(said []byte, ended bool) verdict {
	switch {
	case bytes.HasPrefix(said, []byte("HTTP/")), http2Frame(said):
		return speaksHTTP
	case len(said) == 0 && !ended:
		return silent
	case len(said) == 0:
		return closes
	case len(said) >= 2 && said[0] == 0x15 && said[1] == 3:
		return closes // an alert of TLS (RFC 8446, section 6): it wants that
	}
	return speaksOther
}

// http2Frame reports whether bytes are the beginning of HTTP/2: SETTINGS, or
// GOAWAY, on the connection itself (RFC 9113, section 4.1).
func http2Frame(b []byte) bool {
	return len(b) >= frameHead && b[0] == 0 && (b[3] == 4 || b[3] == 7) && b[5]|b[6]|b[7]|b[8] == 0
}
