package answer

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
)

// MaxHead is how long an HTTP response's status line and headers may be.
const MaxHead = 64 << 10

// ErrEndless ends the reading of an answer that is longer than lodge reads.
var ErrEndless = errors.New("it sends without end")

// ReadHTTP knows an HTTP/1 response (RFC 9112, section 4). Each answer that it
// returns has its HTTP, also where no final response came.
func ReadHTTP(r Reply) (*Answer, bool) {
	interim, path := (*HTTP)(nil), Plain(requestPath(r.Sent))
	for {
		yes, maybe := begins(r, "HTTP/1.")
		if !yes && (maybe && !r.Final || interim == nil) {
			return nil, maybe
		}
		if !yes {
			return onlyInterim(interim, len(r.Data) > 0), false
		}
		head, rest, ended := cutHead(r.Data)
		if !ended {
			if len(r.Data) >= MaxHead || r.Final {
				return statusLine(r, ErrEndless, interim), false
			}
			return nil, true
		}
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(r.Data)), nil)
		if err != nil {
			return statusLine(r, err, interim), false
		}
		if c := resp.StatusCode; c < 100 || c >= 200 || c == http.StatusSwitchingProtocols {
			defer resp.Body.Close()
			body, err := io.ReadAll(io.LimitReader(resp.Body, MaxBody))
			measured := resp.ContentLength >= 0 || len(resp.TransferEncoding) > 0 // else it ends with the connection
			whole := err == nil && measured || len(body) == MaxBody || len(r.Data)-len(head) >= 2*MaxBody
			a := httpAnswer(resp, r, body)
			a.Short = measured && !whole
			return a, !whole
		}
		// An interim response (RFC 9110, section 15.2): the answer follows.
		_ = resp.Body.Close()
		interim = &HTTP{Version: strings.TrimPrefix(resp.Proto, "HTTP/"), Path: path, Interim: resp.StatusCode}
		r.Data = rest
	}
}

// onlyInterim is the answer where no final response followed interim ones.
func onlyInterim(h *HTTP, malformed bool) *Answer {
	a := &Answer{Protocol: "http", HTTP: h, Short: true}
	if malformed {
		a.Failure, h.Problem = BadAnswer, "what follows is not HTTP"
	}
	return a
}

// statusLine takes what it says from the first line alone, where the headers
// are broken, cut off, or too long. interim is what came before it, or nil.
func statusLine(r Reply, why error, interim *HTTP) *Answer {
	first, _, ended := line(r.Data)
	cut := len(r.Data) < MaxHead && errors.Is(why, ErrEndless)
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(first+"\r\n\r\n")), nil)
	switch {
	case err == nil && (resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols):
		_ = resp.Body.Close()
		a := httpAnswer(resp, r, nil)
		if a.Short = cut; !cut {
			a.Failure, a.HTTP.Problem = BadAnswer, Plain(why.Error())
		}
		return a
	case interim != nil:
		return onlyInterim(interim, !cut)
	case err == nil: // an interim response that is broken itself
		_ = resp.Body.Close()
		h := &HTTP{Version: strings.TrimPrefix(resp.Proto, "HTTP/"), Path: Plain(requestPath(r.Sent)), Interim: resp.StatusCode}
		return onlyInterim(h, !cut)
	case cut && !ended && isVersion(first):
		return &Answer{Protocol: "http", HTTP: &HTTP{Version: first[len("HTTP/"):len("HTTP/1.1")], Path: Plain(requestPath(r.Sent))}, Short: true}
	}
	return nil
}

// isVersion reports whether the beginning of a status line has the whole
// version: "HTTP/1.1" or "HTTP/1.1 20".
func isVersion(s string) bool {
	v, rest, _ := strings.Cut(s, " ")
	return (v == "HTTP/1.0" || v == "HTTP/1.1") && len(rest) < 3 && strings.Trim(rest, "0123456789") == ""
}

// MaxBody is how much of a page is looked at.
const MaxBody = 512

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

func httpAnswer(resp *http.Response, r Reply, body []byte) *Answer {
	h := &HTTP{
		Version: strings.TrimPrefix(resp.Proto, "HTTP/"), Path: Plain(requestPath(r.Sent)), Status: resp.StatusCode,
		Server: Plain(resp.Header.Get("Server")), ContentType: Plain(resp.Header.Get("Content-Type")),
		Location: Plain(resp.Header.Get("Location")), Body: QuoteBytes(body, 64),
	}
	_, reason, _ := strings.Cut(resp.Status, " ")
	h.Reason = Plain(reason)
	a := &Answer{Protocol: "http", HTTP: h}
	a.Product, a.Version = ServerProduct(h.Server)
	if strings.Contains(strings.ToLower(resp.Header.Get("Upgrade")), "websocket") {
		a.Offers = append(a.Offers, "websocket")
	}
	// nginx, Go and Apache say so when a port of theirs wants TLS.
	if text := string(body); h.Status == http.StatusBadRequest &&
		(strings.Contains(text, "HTTP request was sent to HTTPS port") || strings.Contains(text, "HTTP request to an HTTPS server") || strings.Contains(text, "plain HTTP to an SSL-enabled")) {
		a.Next = "tls"
	}
	return a
}

// ServerProduct splits "nginx/1.22.1 (Debian)" as RFC 9110, section 10.2.4 has it.
func ServerProduct(server string) (product, version string) {
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

// ReadTLSRecord knows an alert or a handshake record (RFC 8446, section 5.1),
// with which a TLS server answers what is not TLS.
func ReadTLSRecord(r Reply) (*Answer, bool) {
	if r.Data[0] != 21 && r.Data[0] != 22 {
		return nil, false
	}
	if len(r.Data) < 5 {
		return nil, !r.Final
	}
	if n := int(r.Data[3])<<8 | int(r.Data[4]); r.Data[1] != 3 || r.Data[2] > 4 || n == 0 || n > 1<<14+256 || r.Data[0] == 21 && n != 2 {
		return nil, false
	}
	return &Answer{Protocol: "tls", Next: "tls"}, false
}

// readH2Settings knows the SETTINGS frame with which an HTTP/2 server begins
// (RFC 9113, sections 3.4, 4.1 and 6.5).
func readH2Settings(r Reply) (*Answer, bool) {
	if r.Data[0] != 0 {
		return nil, false
	}
	if len(r.Data) < 9 {
		return nil, !r.Final
	}
	n := int(r.Data[0])<<16 | int(r.Data[1])<<8 | int(r.Data[2])
	if r.Data[3] != 4 || r.Data[4] != 0 || n%6 != 0 || n > 6*64 || r.Data[5]|r.Data[6]|r.Data[7]|r.Data[8] != 0 {
		return nil, false
	}
	return &Answer{Protocol: "h2", HTTP: &HTTP{Version: "2"}, Next: "h2"}, false
}
