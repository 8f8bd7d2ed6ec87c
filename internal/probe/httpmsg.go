package probe

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
)

// maxHead is how long an HTTP response's status line and headers may be.
const maxHead = 64 << 10

// readHTTP knows an HTTP/1 response (RFC 9112, section 4). Each answer that it
// returns has its HTTP, also where no final response came.
func readHTTP(r reply) (*Answer, bool) {
	interim, path := (*HTTP)(nil), plain(requestPath(r.sent))
	for {
		yes, maybe := begins(r, "HTTP/1.")
		if !yes && (maybe && !r.final || interim == nil) {
			return nil, maybe
		}
		if !yes {
			return onlyInterim(interim, len(r.data) > 0), false
		}
		head, rest, ended := cutHead(r.data)
		if !ended {
			if len(r.data) >= maxHead || r.final {
				return statusLine(r, errEndless, interim), false
			}
			return nil, true
		}
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(r.data)), nil)
		if err != nil {
			return statusLine(r, err, interim), false
		}
		if c := resp.StatusCode; c < 100 || c >= 200 || c == http.StatusSwitchingProtocols {
			defer resp.Body.Close()
			body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
			measured := resp.ContentLength >= 0 || len(resp.TransferEncoding) > 0 // else it ends with the connection
			whole := err == nil && measured || len(body) == maxBody || len(r.data)-len(head) >= 2*maxBody
			a := httpAnswer(resp, r, body)
			a.short = measured && !whole
			return a, !whole
		}
		// An interim response (RFC 9110, section 15.2): the answer follows.
		_ = resp.Body.Close()
		interim = &HTTP{Version: strings.TrimPrefix(resp.Proto, "HTTP/"), Path: path, Interim: resp.StatusCode}
		r.data = rest
	}
}

// onlyInterim is the answer where no final response followed interim ones.
func onlyInterim(h *HTTP, malformed bool) *Answer {
	a := &Answer{Protocol: "http", HTTP: h, short: true}
	if malformed {
		a.Failure, h.Problem = BadAnswer, "what follows is not HTTP"
	}
	return a
}

// statusLine takes what it says from the first line alone, where the headers
// are broken, cut off, or too long. interim is what came before it, or nil.
func statusLine(r reply, why error, interim *HTTP) *Answer {
	first, _, ended := line(r.data)
	cut := len(r.data) < maxHead && errors.Is(why, errEndless)
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(first+"\r\n\r\n")), nil)
	switch {
	case err == nil && (resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols):
		_ = resp.Body.Close()
		a := httpAnswer(resp, r, nil)
		if a.short = cut; !cut {
			a.Failure, a.HTTP.Problem = BadAnswer, plain(why.Error())
		}
		return a
	case interim != nil:
		return onlyInterim(interim, !cut)
	case err == nil: // an interim response that is broken itself
		_ = resp.Body.Close()
		h := &HTTP{Version: strings.TrimPrefix(resp.Proto, "HTTP/"), Path: plain(requestPath(r.sent)), Interim: resp.StatusCode}
		return onlyInterim(h, !cut)
	case cut && !ended && isVersion(first):
		return &Answer{Protocol: "http", HTTP: &HTTP{Version: first[len("HTTP/"):len("HTTP/1.1")], Path: plain(requestPath(r.sent))}, short: true}
	}
	return nil
}

// isVersion reports whether the beginning of a status line has the whole
// version: "HTTP/1.1" or "HTTP/1.1 20".
func isVersion(s string) bool {
	v, rest, _ := strings.Cut(s, " ")
	return (v == "HTTP/1.0" || v == "HTTP/1.1") && len(rest) < 3 && strings.Trim(rest, "0123456789") == ""
}

// maxBody is how much of a page is looked at.
const maxBody = 512

// cutHead cuts after the empty line that ends the headers.
func cutHead(b []byte) (head, body []byte, ok bool) {
	for i := 0; i < len(b); {
		end := bytes.IndexByte(b[i:], '\n')
		if end < 0 {
			break
		}
		if l := bytes.TrimSuffix(b[i:i+end], []byte("\r")); len(l) == 0 && i > 0 {
			return b[:i+end+1], b[i+end+1:], true
		}
		i += end + 1
	}
	return b, nil, false
}

func httpAnswer(resp *http.Response, r reply, body []byte) *Answer {
	h := &HTTP{
		Version: strings.TrimPrefix(resp.Proto, "HTTP/"), Path: plain(requestPath(r.sent)), Status: resp.StatusCode,
		Server: plain(resp.Header.Get("Server")), ContentType: plain(resp.Header.Get("Content-Type")),
		Location: plain(resp.Header.Get("Location")), Body: quoteBytes(body, 64),
	}
	_, reason, _ := strings.Cut(resp.Status, " ")
	h.Reason = plain(reason)
	a := &Answer{Protocol: "http", HTTP: h}
	a.Product, a.Version = serverProduct(h.Server)
	if strings.Contains(strings.ToLower(resp.Header.Get("Upgrade")), "websocket") {
		a.Offers = append(a.Offers, "websocket")
	}
	// nginx, Go and Apache say so when a port of theirs wants TLS.
	if text := string(body); h.Status == http.StatusBadRequest &&
		(strings.Contains(text, "HTTP request was sent to HTTPS port") || strings.Contains(text, "HTTP request to an HTTPS server") || strings.Contains(text, "plain HTTP to an SSL-enabled")) {
		a.next = "tls"
	}
	return a
}

// serverProduct splits "nginx/1.22.1 (Debian)" as RFC 9110, section 10.2.4 has it.
func serverProduct(server string) (product, version string) {
	first, _, _ := strings.Cut(server, " ")
	product, version, _ = strings.Cut(first, "/")
	return product, version
}

// requestPath is the target of a request that was sent.
func requestPath(sent []byte) string {
	first, _, _ := line(sent)
	f := strings.Fields(first)
	if len(f) != 3 {
		return ""
	}
	return f[1]
}

// readTLSRecord knows an alert or a handshake record (RFC 8446, section 5.1),
// with which a TLS server answers what is not TLS.
func readTLSRecord(r reply) (*Answer, bool) {
	if r.data[0] != 21 && r.data[0] != 22 {
		return nil, false
	}
	if len(r.data) < 5 {
		return nil, !r.final
	}
	if n := int(r.data[3])<<8 | int(r.data[4]); r.data[1] != 3 || r.data[2] > 4 || n == 0 || n > 1<<14+256 || r.data[0] == 21 && n != 2 {
		return nil, false
	}
	return &Answer{Protocol: "tls", next: "tls"}, false
}

// readH2Settings knows the SETTINGS frame with which an HTTP/2 server begins
// (RFC 9113, sections 3.4, 4.1 and 6.5).
func readH2Settings(r reply) (*Answer, bool) {
	if r.data[0] != 0 {
		return nil, false
	}
	if len(r.data) < 9 {
		return nil, !r.final
	}
	n := int(r.data[0])<<16 | int(r.data[1])<<8 | int(r.data[2])
	if r.data[3] != 4 || r.data[4] != 0 || n%6 != 0 || n > 6*64 || r.data[5]|r.data[6]|r.data[7]|r.data[8] != 0 {
		return nil, false
	}
	return &Answer{Protocol: "h2", HTTP: &HTTP{Version: "2"}, next: "h2"}, false
}
