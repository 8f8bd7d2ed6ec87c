package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"net/http"
)

// h2Line is the part of the preface of HTTP/2 without TLS (RFC 9113, section
// 3.4) that looks like a whole head.
const h2Line = "PRI * HTTP/2.0\r\n\r\n"

// readHead reads the next head into c.req and c.facts. An error means that the
// client has closed, or that the watch has; a page, that the head is refused
// and nothing after it can be trusted.
func (c *h1conn) readHead() (*page, error) {
	c.facts.reset(&c.nameBuf)
	n, p, err := c.wholeHead()
	if p != nil || err != nil {
		return p, err
	}
	head, err := c.br.Peek(n)
	if err != nil {
		return nil, err
	}
	if string(head) == h2Line {
		c.minor = 2
		_, err := c.br.Discard(n)
		return nil, err
	}
	if err := checkHead(head, c.e.lim.Fields); err != nil {
		if errors.Is(err, errFields) {
			return badRequest(http.StatusRequestHeaderFieldsTooLarge, err.Error()), nil
		}
		return badRequest(http.StatusBadRequest, err.Error()), nil
	}
	if err := c.req.Read(c.br); err != nil {
		return badRequest(http.StatusBadRequest, "its head is malformed"), nil
	}
	return c.study(), nil
}

// wholeHead waits for the end of a head and gives its length.
func (c *h1conn) wholeHead() (n int, p *page, err error) {
	searched := 0
	for {
		b, _ := c.br.Peek(c.br.Buffered()) // all of it is there
		if searched == 0 {
			// Empty lines before a request are skipped (RFC 9112, section 2.2).
			skip := 0
			for skip < 8 && bytes.HasPrefix(b[skip:], []byte("\r\n")) {
				skip += 2
			}
			if skip > 0 {
				c.br.Discard(skip) // they are there
				b = b[skip:]
			}
		}
		if i := bytes.Index(b[searched:], []byte("\r\n\r\n")); i >= 0 {
			n := searched + i + 4
			if n > c.e.lim.Head {
				break
			}
			return n, nil, nil
		}
		searched = max(0, len(b)-3)
		if len(b) >= c.e.lim.Head {
			break
		}
		_, err := c.br.Peek(len(b) + 1)
		if errors.Is(err, bufio.ErrBufferFull) {
			c.br = grow(&c.e.buffers, c.br, c.c, c.e.lim.Head+4)
			continue
		}
		if err != nil {
			return 0, nil, err
		}
	}
	return 0, badRequest(http.StatusRequestHeaderFieldsTooLarge, "its head is longer than "+itoa(c.e.lim.Head)+" bytes"), nil
}

// The errors of checkHead.
var (
	errLineEnd = errors.New("a line does not end in CR LF, or has a CR, LF or NUL within")
	errFold    = errors.New("a header field that goes on in the next line")
	errFields  = errors.New("too many header fields")
)

// checkHead refuses what parsers are known to read in different ways, before
// one reads it (RFC 9112, sections 2.2, 5.2 and 11): line ends other than
// CR LF, folded lines, NUL. It parses nothing.
func checkHead(head []byte, maxFields int) error {
	lines := 0
	for rest := head; len(rest) > 0; {
		i := bytes.IndexByte(rest, '\n')
		if i < 1 || bytes.IndexByte(rest[:i], '\r') != i-1 {
			return errLineEnd
		}
		if rest[0] == ' ' || rest[0] == '\t' {
			return errFold
		}
		lines++
		rest = rest[i+1:]
	}
	if bytes.IndexByte(head, 0) >= 0 {
		return errLineEnd
	}
	if lines-2 > maxFields { // the request's line and the empty one
		return errFields
	}
	return nil
}

// study takes from the head what policy and framing need, and refuses what
// cannot be sent on.
func (c *h1conn) study() *page {
	bad := func(why string) *page { return badRequest(http.StatusBadRequest, why) }
	switch string(c.req.Protocol()) {
	case "HTTP/1.1":
		c.minor = 1
	case "HTTP/1.0":
		c.minor = 0
	default:
		return badRequest(http.StatusHTTPVersionNotSupported, "its version is not HTTP/1.0 or HTTP/1.1")
	}
	c.tls = c.low.client.tls
	c.method, c.target = c.req.Method(), c.req.RequestURI()
	c.fields = c.fields[:0]
	for k, v := range c.req.AllInOrder() {
		if bytes.IndexByte(k, ' ') >= 0 { // all else the parser has checked
			return bad("a header field that is malformed")
		}
		h := headField{k, v, fieldOf(k)}
		c.fields = append(c.fields, h)
		c.add(h)
	}
	if err := c.finish(); err != nil {
		return bad(err.Error())
	}
	if !c.originForm() {
		return bad("its target is no path")
	}
	return nil
}

// originForm makes an absolute target (RFC 9112, section 3.2.2) a path, and
// reports whether the target is one that can be sent on.
func (f *facts) originForm() bool {
	if stringOf(f.method) == "CONNECT" {
		return true // refused later
	}
	for _, b := range f.target {
		if b <= ' ' || b == 0x7f {
			return false
		}
	}
	if len(f.target) > 0 && f.target[0] == '/' {
		return true
	}
	if stringOf(f.target) == "*" {
		return stringOf(f.method) == "OPTIONS"
	}
	scheme, rest, ok := bytes.Cut(f.target, []byte("://"))
	if !ok || !foldEqual(scheme, "http") && !foldEqual(scheme, "https") {
		return false
	}
	host, path := rest, []byte("/")
	if i := bytes.IndexAny(rest, "/?#"); i >= 0 {
		if host, path = rest[:i], rest[i:]; path[0] != '/' {
			return false
		}
	}
	f.target = path
	return bytes.EqualFold(host, f.host) // the two must not lead to two places
}
