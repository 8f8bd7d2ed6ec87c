package probe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"lodge/internal/probe/answer"
)

// maxPage is how long the body of a response may be in a load.
const maxPage = 256 << 20

// Request is the HTTP request of a load.
type Request struct {
	Method string   // "GET" if empty
	Path   string   // the target's, or "/", if empty
	Header []string // "Name: value"
	Body   []byte
	Expect Expect
}

// build returns the request's bytes.
func (q *Request) build(t Target, closing bool) ([]byte, error) {
	if q.Method == "" {
		q.Method = http.MethodGet
	}
	if q.Path == "" {
		q.Path = t.Path
	}
	if q.Path == "" {
		q.Path = "/"
	}
	if !isToken(q.Method) {
		return nil, wrong("method %q: not a word of HTTP", q.Method)
	}
	if q.Path[0] != '/' && q.Path != "*" || strings.ContainsFunc(q.Path, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return nil, wrong("path %q: it begins with / and has no blanks", q.Path)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", q.Method, q.Path)
	has := map[string]bool{}
	for _, h := range q.Header {
		name, value, ok := strings.Cut(h, ":")
		if value = strings.TrimSpace(value); !ok || !isToken(name) || strings.ContainsAny(value, "\r\n\x00") {
			return nil, wrong("header %q: not of the form \"Name: value\"", h)
		}
		has[strings.ToLower(name)] = true
		fmt.Fprintf(&b, "%s: %s\r\n", name, value)
	}
	add := func(name, value string) {
		if !has[strings.ToLower(name)] {
			fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
	}
	add("Host", authority(t))
	add("User-Agent", userAgent)
	add("Accept", "*/*")
	if len(q.Body) > 0 || q.Method == http.MethodPost || q.Method == http.MethodPut || q.Method == http.MethodPatch {
		add("Content-Length", strconv.Itoa(len(q.Body)))
	}
	if closing {
		add("Connection", "close")
	}
	b.WriteString("\r\n")
	return append([]byte(b.String()), q.Body...), nil
}

// isToken is RFC 9110's, section 5.6.2.
func isToken(s string) bool {
	return s != "" && strings.Trim(s, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// Expect is which statuses are a success; the zero value is 200 to 399.
type Expect struct{ ranges [][2]int }

// ParseExpect reads "200", "2xx" and lists of these: "200,204,3xx".
func ParseExpect(s string) (Expect, error) {
	var e Expect
	for part := range strings.SplitSeq(s, ",") {
		part = strings.ToLower(strings.TrimSpace(part))
		if d, ok := strings.CutSuffix(part, "xx"); ok && len(d) == 1 && d[0] >= '1' && d[0] <= '5' {
			from := int(d[0]-'0') * 100
			e.ranges = append(e.ranges, [2]int{from, from + 99})
			continue
		}
		n, err := strconv.Atoi(part)
		if err != nil || n < 100 || n > 599 {
			return Expect{}, fmt.Errorf("status %q: not a status such as 200, or 2xx", part)
		}
		e.ranges = append(e.ranges, [2]int{n, n})
	}
	return e, nil
}

func (e Expect) has(status int) bool {
	if len(e.ranges) == 0 {
		return status >= 200 && status < 400
	}
	for _, r := range e.ranges {
		if status >= r[0] && status <= r[1] {
			return true
		}
	}
	return false
}

// errStale is a kept connection that the server had closed before it saw the request.
var errStale = errors.New("the kept connection was closed")

// fetch makes one request. A server may close a kept connection just when the
// request is sent: then it is sent once more on a new one, as clients do where
// that can do no harm (RFC 9110, section 9.2.2).
func (w *worker) fetch(ctx context.Context) (keep bool, err error) {
	keep, err = w.fetchOnce(ctx)
	if errors.Is(err, errStale) {
		w.drop()
		w.shard.stale.Add(1)
		keep, err = w.fetchOnce(ctx)
	}
	return keep, err
}

func (w *worker) fetchOnce(ctx context.Context) (keep bool, err error) {
	reused, err := w.open(ctx)
	if err != nil {
		return false, err
	}
	if !reused {
		w.limit = &io.LimitedReader{R: w.conn}
		w.read = bufio.NewReaderSize(w.limit, 8<<10)
	}
	n, err := w.conn.Write(w.l.request)
	w.shard.sent.Add(int64(n))
	w.limit.N = answer.MaxHead
	if err == nil {
		_, err = w.read.Peek(1)
	}
	if err != nil {
		if kind := failureOf(err); reused && idempotent(w.l.opts.HTTP.Method) && (kind == answer.ClosedEarly || kind == answer.Reset) {
			return false, errStale
		}
		return false, err
	}
	resp, err := w.response()
	head := answer.MaxHead - w.limit.N
	w.shard.received.Add(head)
	if err != nil {
		return false, err
	}
	w.l.tally.status(w.shard, resp.StatusCode)
	w.limit.N = maxPage
	_, err = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	w.shard.received.Add(maxPage - w.limit.N)
	switch {
	case w.limit.N <= 0:
		return false, &errBad{answer.BadAnswer, "the body has no end"}
	case err != nil && !isNetwork(err):
		return false, &errBad{answer.BadAnswer, err.Error()}
	case err != nil:
		return false, err
	case !w.l.opts.HTTP.Expect.has(resp.StatusCode):
		err = &errBad{answer.BadStatus, resp.Status}
	}
	return !resp.Close && w.read.Buffered() == 0, err
}

// response reads a response's head, passing over those of status 1xx.
func (w *worker) response() (*http.Response, error) {
	req := &http.Request{Method: w.l.opts.HTTP.Method}
	for range 5 {
		resp, err := http.ReadResponse(w.read, req)
		switch {
		case err != nil && w.limit.N <= 0:
			return nil, &errBad{answer.BadAnswer, "the headers have no end"}
		case errors.As(err, new(textproto.ProtocolError)) && w.ended():
			return nil, io.ErrUnexpectedEOF // a header was cut off
		case err != nil && !isNetwork(err):
			return nil, &errBad{answer.BadAnswer, "not an HTTP response: " + err.Error()}
		case err != nil:
			return nil, err
		case resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols:
			return resp, nil
		}
	}
	return nil, &errBad{answer.BadAnswer, "only interim responses came"}
}

// ended reports whether the connection ended where the reader is.
func (w *worker) ended() bool {
	_, err := w.read.Peek(1)
	return errors.Is(err, io.EOF)
}

// isNetwork tells a connection's failure from what could not be understood.
func isNetwork(err error) bool { return failureOf(err) != answer.Other }

func idempotent(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete, http.MethodTrace:
		return true
	}
	return false
}
