// Package har writes HTTP exchanges as an HTTP archive, HAR 1.2
// (http://www.softwareishard.com/blog/har-12-spec/), which browsers' developer tools
// open. Fields that lodge adds begin with an underscore, as the format asks for.
package har

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"lodge/internal/decode"
	"lodge/internal/model"
	"lodge/internal/show"
	"lodge/internal/tap"
)

type entry struct {
	Started    time.Time `json:"startedDateTime"`
	Time       float64   `json:"time"` // milliseconds
	Request    request   `json:"request"`
	Response   response  `json:"response"`
	Cache      struct{}  `json:"cache"`
	Timings    timings   `json:"timings"`
	ServerIP   string    `json:"serverIPAddress,omitempty"`
	Connection string    `json:"connection,omitempty"`
	Comment    string    `json:"comment,omitempty"`

	Client *process `json:"_client,omitempty"`
	Server *process `json:"_server,omitempty"`
}

type process struct {
	Project   string          `json:"project,omitempty"`
	Service   string          `json:"service,omitempty"`
	Processes []model.Process `json:"processes"`
}

type request struct {
	Method      string    `json:"method"`
	URL         string    `json:"url"`
	HTTPVersion string    `json:"httpVersion"`
	Cookies     []cookie  `json:"cookies"`
	Headers     []header  `json:"headers"`
	Query       []header  `json:"queryString"`
	PostData    *postData `json:"postData,omitempty"`
	HeadersSize int64     `json:"headersSize"`
	BodySize    int64     `json:"bodySize"`
}

type response struct {
	Status      int      `json:"status"`
	StatusText  string   `json:"statusText"`
	HTTPVersion string   `json:"httpVersion"`
	Cookies     []cookie `json:"cookies"`
	Headers     []header `json:"headers"`
	Content     content  `json:"content"`
	RedirectURL string   `json:"redirectURL"`
	HeadersSize int64    `json:"headersSize"`
	BodySize    int64    `json:"bodySize"`
	Error       string   `json:"_error,omitempty"`
}

type header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type cookie struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type postData struct {
	MimeType string   `json:"mimeType"`
	Params   []header `json:"params"`
	Text     string   `json:"text"`
	Encoding string   `json:"encoding,omitempty"`
}

type content struct {
	Size        int64  `json:"size"`
	Compression *int64 `json:"compression,omitempty"`
	MimeType    string `json:"mimeType"`
	Text        string `json:"text,omitempty"`
	Encoding    string `json:"encoding,omitempty"`
	Comment     string `json:"comment,omitempty"`
}

type timings struct {
	Send    float64 `json:"send"`
	Wait    float64 `json:"wait"`
	Receive float64 `json:"receive"`
}

// Writer writes an archive as exchanges come.
type Writer struct {
	w       io.Writer
	version string
	head    bool // the begin of the archive is written
	entries bool // and an entry
	leftOut uint64
	err     error
}

// NewWriter returns a writer to w. version is lodge's.
func NewWriter(w io.Writer, version string) *Writer { return &Writer{w: w, version: version} }

// LeftOut returns how many exchanges of HTTP are not in the archive, as their requests
// were not seen: an entry has a method and an address.
func (w *Writer) LeftOut() uint64 { return w.leftOut }

// Record writes an exchange of HTTP; others are left out. The first error ends it.
func (w *Writer) Record(r *tap.Record) error {
	if w.err != nil || r.Exchange == nil || r.Exchange.Kind != decode.KindRequest || !isHTTP(r.Exchange.Protocol) {
		return w.err
	}
	if r.Exchange.Method == "" {
		w.leftOut++
		return nil
	}
	var b bytes.Buffer
	if err := show.JSONLines(&b).Encode(entryOf(r)); err != nil {
		return w.fail(err)
	}
	w.begin()
	if w.entries {
		w.write(",\n")
	}
	w.entries = true
	w.write(strings.TrimSuffix(b.String(), "\n"))
	return w.err
}

func isHTTP(protocol string) bool {
	return protocol == "http" || protocol == "http2" || protocol == "grpc"
}

// Close writes the end of the archive, with a comment on all of it, such as what was lost.
func (w *Writer) Close(comment string) error {
	w.begin()
	end := "\n]"
	if comment != "" {
		b, err := json.Marshal(comment)
		if err != nil {
			return w.fail(err)
		}
		end += `,"comment":` + string(b)
	}
	w.write(end + "}}\n")
	return w.err
}

func (w *Writer) begin() {
	if w.head {
		return
	}
	w.head = true
	creator, err := json.Marshal(struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}{"lodge", w.version})
	if err != nil {
		_ = w.fail(err)
		return
	}
	w.write(`{"log":{"version":"1.2","creator":` + string(creator) + `,"pages":[],"entries":[` + "\n")
}

func (w *Writer) write(s string) {
	if w.err == nil {
		if _, err := io.WriteString(w.w, s); err != nil {
			_ = w.fail(err)
		}
	}
}

func (w *Writer) fail(err error) error {
	w.err = fmt.Errorf("write HTTP archive: %w", err)
	return w.err
}

func entryOf(r *tap.Record) *entry {
	x := r.Exchange
	e := &entry{
		Started: r.Time.UTC(), Connection: strconv.FormatUint(r.Connection, 10), ServerIP: serverIP(&r.Server),
		Client: processOf(&r.Client), Server: processOf(&r.Server), Comment: strings.Join(x.Unknown, "; "),
	}
	version := "HTTP/" + x.Version
	if x.Version == "" {
		version = "HTTP/1.1"
	}
	e.Timings = timings{Send: 0}
	if d, ok := r.Latency(); ok {
		e.Timings.Wait = millis(d)
		if whole, ok := r.Duration(); ok {
			e.Timings.Receive = millis(max(0, whole-d))
		}
	}
	e.Time = e.Timings.Send + e.Timings.Wait + e.Timings.Receive
	q := &x.Request
	e.Request = request{
		Method: method(x), URL: address(r), HTTPVersion: version, Headers: headers(q.Header), Cookies: cookies(q.Header, "cookie"),
		Query: query(x.Target), HeadersSize: headSize(q), BodySize: q.BodyBytes,
	}
	if len(q.Body) > 0 {
		text, encoding := body(q.Body)
		e.Request.PostData = &postData{MimeType: field(q.Header, "content-type"), Params: []header{}, Text: text, Encoding: encoding}
	}
	a := &x.Response
	status, text := x.Code, strings.TrimSpace(strings.TrimPrefix(x.Status, strconv.Itoa(x.Code)))
	if x.Protocol == "grpc" {
		status, text = grpcStatus(x)
	}
	e.Response = response{
		Status: status, StatusText: text, HTTPVersion: version, Headers: headers(a.Header), Cookies: cookies(a.Header, "set-cookie"),
		RedirectURL: field(a.Header, "location"), HeadersSize: headSize(a), BodySize: a.BodyBytes,
		Content: content{Size: a.BodyBytes, MimeType: field(a.Header, "content-type")},
	}
	if e.Response.Content.MimeType == "" {
		e.Response.Content.MimeType = "x-unknown"
	}
	if !a.Seen() {
		e.Response.Error, e.Response.BodySize, e.Response.HeadersSize = "no answer was seen", -1, -1
	}
	if len(a.Body) > 0 {
		e.Response.Content.Text, e.Response.Content.Encoding = body(a.Body)
		if a.Encoding != "" && !a.Truncated {
			e.Response.Content.Size = int64(len(a.Body))
			saved := int64(len(a.Body)) - a.BodyBytes
			e.Response.Content.Compression = &saved
		}
	}
	if a.Truncated {
		e.Response.Content.Comment = "the text is cut"
	}
	return e
}

// method is the HTTP method, below gRPC's too.
func method(x *decode.Exchange) string {
	if x.Protocol != "grpc" {
		return x.Method
	}
	if m := field(x.Request.Header, ":method"); m != "" {
		return m
	}
	if m := x.Detail("http method"); m != "" {
		return m
	}
	return "POST" // the only one but for Connect's
}

// grpcStatus is the status of HTTP/2 below gRPC's.
func grpcStatus(x *decode.Exchange) (int, string) {
	for _, h := range x.Response.Header {
		if h.Name == ":status" {
			n, _ := strconv.Atoi(h.Value) // 0 for none, which the format allows
			return n, ""
		}
	}
	return 0, ""
}

func processOf(e *tap.End) *process {
	if !e.Known() && e.Project == "" {
		return nil
	}
	p := &process{Project: e.Project, Service: e.Service, Processes: e.Processes}
	if p.Processes == nil {
		p.Processes = []model.Process{}
	}
	return p
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// serverIP returns the server's address, "" where it is a Unix socket.
func serverIP(e *tap.End) string {
	if !e.Address.IsValid() {
		return ""
	}
	return e.Address.Addr().String()
}

// address is the whole URL of a request.
func address(r *tap.Record) string {
	x := r.Exchange
	if strings.Contains(x.Target, "://") {
		return x.Target
	}
	host := x.Host
	if host == "" {
		host = "localhost"
	}
	if x.Host == "" && r.Server.Address.IsValid() {
		host = net.JoinHostPort(r.Server.Address.Addr().String(), strconv.Itoa(int(r.Server.Address.Port())))
	}
	scheme := "http"
	if x.Secure || field(x.Request.Header, ":scheme") == "https" {
		scheme = "https"
	}
	target := x.Target
	if !strings.HasPrefix(target, "/") {
		target = "/" + target
	}
	return (&url.URL{Scheme: scheme, Host: host}).String() + target
}

func query(target string) []header {
	out := []header{}
	_, text, ok := strings.Cut(target, "?")
	if !ok {
		return out
	}
	for part := range strings.SplitSeq(text, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		out = append(out, header{unescape(name), unescape(value)})
	}
	return out
}

func unescape(s string) string {
	if t, err := url.QueryUnescape(s); err == nil {
		return t
	}
	return s
}

func headers(list []decode.Field) []header {
	out := make([]header, 0, len(list))
	for _, h := range list {
		out = append(out, header(h))
	}
	return out
}

func field(list []decode.Field, name string) string {
	for _, h := range list {
		if strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}

// cookies are those of all header fields of a name.
func cookies(list []decode.Field, name string) []cookie {
	out := []cookie{}
	for _, h := range list {
		if !strings.EqualFold(h.Name, name) {
			continue
		}
		for i, part := range strings.Split(h.Value, ";") {
			if i > 0 && name == "set-cookie" {
				break // attributes
			}
			if k, v, ok := strings.Cut(strings.TrimSpace(part), "="); ok {
				out = append(out, cookie{k, v})
			}
		}
	}
	return out
}

// headSize is the size of the head on the wire.
func headSize(m *decode.Message) int64 {
	if n := m.Bytes - m.BodyBytes; n >= 0 && m.Seen() {
		return n
	}
	return -1
}

func body(b []byte) (text, encoding string) {
	if utf8.Valid(b) {
		return string(b), ""
	}
	return base64.StdEncoding.EncodeToString(b), "base64"
}
