// Package wire is the JSON of `lodge tap`: one object a line for each record, and
// one for the account at the end. docs/reference/tap.md describes it.
package wire

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/netip"
	"time"
	"unicode/utf8"

	"lodge/internal/decode"
	"lodge/internal/model"
	"lodge/internal/show"
	"lodge/internal/tap"
)

// The kinds of lines, beside those of exchanges ([decode.Kind]).
const (
	KindFailure = "failure" // a connection that was not made
	KindAccount = "account" // the last line: what was seen and what was lost
)

// Record is a line about one exchange, or about a connection that failed.
type Record struct {
	Kind       string    `json:"kind"`
	Number     uint64    `json:"number"`
	Time       time.Time `json:"time"`
	Connection uint64    `json:"connection"`
	Transport  string    `json:"transport"`
	// Stream is the number of the stream or of the request on the connection, where
	// the protocol has one.
	Stream uint64 `json:"stream,omitempty"`
	Client End    `json:"client"`
	Server End    `json:"server"`
	// From is the side that sent a message: client or server.
	From string `json:"from,omitempty"`

	Protocol string `json:"protocol,omitempty"`
	Version  string `json:"version,omitempty"`
	Method   string `json:"method,omitempty"`
	Target   string `json:"target,omitempty"`
	Host     string `json:"host,omitempty"`
	// Secure reports that it was inside TLS, and was decrypted.
	Secure bool   `json:"secure,omitempty"`
	Group  string `json:"group,omitempty"`
	// Status is the answer as a number, where the protocol has one, and Answer in
	// words; Failure is why there was no connection.
	Status  *int   `json:"status,omitempty"`
	Answer  string `json:"answer,omitempty"`
	Failed  bool   `json:"failed"`
	Failure string `json:"failure,omitempty"`
	// LatencyUS is the time to the first byte of the answer, DurationUS to its last.
	LatencyUS  *float64 `json:"latency_us,omitempty"`
	DurationUS *float64 `json:"duration_us,omitempty"`

	Request  *Message       `json:"request,omitempty"`
	Response *Message       `json:"response,omitempty"`
	Details  []decode.Field `json:"details,omitempty"`
	Unknown  []string       `json:"unknown,omitempty"`
}

// End is one end of a connection.
type End struct {
	// IP and Port are those of TCP and UDP, Path is a Unix socket's.
	IP        netip.Addr      `json:"ip,omitzero"`
	Port      uint16          `json:"port,omitzero"`
	Path      string          `json:"path,omitempty"`
	Processes []model.Process `json:"processes"`
	// Source is how the processes are known: packet, relay, socket, listener or file.
	Source    string `json:"source,omitempty"`
	Project   string `json:"project,omitempty"`
	Service   string `json:"service,omitempty"`
	Container string `json:"container,omitempty"`
	// Behind is where a proxy of a container's published ports hands it on.
	Behind *Behind `json:"behind,omitempty"`
}

// Behind is the end behind a proxy.
type Behind struct {
	IP        netip.Addr      `json:"ip"`
	Port      uint16          `json:"port"`
	Processes []model.Process `json:"processes"`
	Container string          `json:"container,omitempty"`
}

// Message is one direction of an exchange.
type Message struct {
	Header  []decode.Field `json:"header,omitempty"`
	Trailer []decode.Field `json:"trailer,omitempty"`
	// Body is set where it is text, BodyBase64 where it is not.
	Body       string `json:"body,omitempty"`
	BodyBase64 string `json:"body_base64,omitempty"`
	Encoding   string `json:"encoding,omitempty"`
	BodyBytes  int64  `json:"body_bytes"`
	Bytes      int64  `json:"bytes"`
	Truncated  bool   `json:"truncated,omitempty"`
	Incomplete bool   `json:"incomplete,omitempty"`
}

// Account is the last line.
type Account struct {
	Kind string `json:"kind"`
	// Complete reports that nothing was lost between the kernel and this output.
	Complete bool `json:"complete"`
	tap.Account
}

// Of returns the line of a record.
func Of(r *tap.Record) *Record {
	out := &Record{
		Kind: KindFailure, Number: r.Number, Time: r.Time.UTC(), Connection: r.Connection, Transport: r.Transport.String(),
		Client: end(&r.Client), Server: end(&r.Server), Failure: string(r.Failure), Failed: r.Failure != "",
		LatencyUS: micros(r.Latency()), DurationUS: micros(r.Duration()),
	}
	x := r.Exchange
	if x == nil {
		return out
	}
	out.Kind, out.Stream = string(x.Kind), x.Stream
	if x.Kind == decode.KindMessage {
		out.From = x.From.String()
	}
	out.Protocol, out.Version, out.Method, out.Target, out.Host, out.Group = x.Protocol, x.Version, x.Method, x.Target, x.Host, x.Group
	out.Secure = x.Secure
	out.Answer, out.Failed, out.Details, out.Unknown = x.Status, x.Failed, x.Details, x.Unknown
	if x.Code != 0 {
		out.Status = &x.Code
	}
	out.Request, out.Response = message(&x.Request), message(&x.Response)
	return out
}

// OfAccount returns the line of an account.
func OfAccount(a *tap.Account) *Account {
	return &Account{Kind: KindAccount, Complete: a.Complete(), Account: *a}
}

func micros(d time.Duration, ok bool) *float64 {
	if !ok {
		return nil
	}
	us := float64(d) / float64(time.Microsecond)
	return &us
}

func end(e *tap.End) End {
	out := End{
		IP: e.Address.Addr(), Port: e.Address.Port(), Path: e.Path, Processes: e.Processes, Source: string(e.Source),
		Project: e.Project, Service: e.Service, Container: e.Container,
	}
	if out.Processes == nil {
		out.Processes = []model.Process{}
	}
	if b := e.Behind; b != nil {
		out.Behind = &Behind{b.Address.Addr(), b.Address.Port(), append([]model.Process{}, b.Processes...), b.Container}
	}
	return out
}

func message(m *decode.Message) *Message {
	if !m.Seen() && len(m.Header) == 0 && len(m.Body) == 0 {
		return nil
	}
	out := &Message{
		Header: m.Header, Trailer: m.Trailer, Encoding: m.Encoding, BodyBytes: m.BodyBytes, Bytes: m.Bytes,
		Truncated: m.Truncated, Incomplete: m.Incomplete,
	}
	if utf8.Valid(m.Body) {
		out.Body = string(m.Body)
	} else {
		out.BodyBase64 = base64.StdEncoding.EncodeToString(m.Body)
	}
	return out
}

// Writer writes lines. The first error ends it.
type Writer struct {
	enc *json.Encoder
	err error
}

// NewWriter returns a writer of lines to w.
func NewWriter(w io.Writer) *Writer {
	return &Writer{enc: show.JSONLines(w)}
}

// Record writes the line of a record.
func (w *Writer) Record(r *tap.Record) error { return w.write(Of(r)) }

// Account writes the last line.
func (w *Writer) Account(a *tap.Account) error { return w.write(OfAccount(a)) }

func (w *Writer) write(v any) error {
	if w.err == nil {
		w.err = w.enc.Encode(v)
	}
	return w.err
}
