package kafka

import (
	"fmt"
	"slices"
	"strings"

	"lodge/internal/decode"
	"lodge/internal/decode/secret"
)

// Bounds of what is shown of one message.
const (
	maxLines   = 256 // details
	maxRecords = 64  // records of it
	maxTargets = 16
	maxText    = 128 // bytes of a key or a value in a detail
)

// summary collects what is shown of a body: details, one for each element of an
// array, what it is about, the first error, the records.
type summary struct {
	session  *session
	details  []decode.Field
	more     int // details that are left out
	targets  []string
	topics   []string
	stack    []element
	code     int16
	codeText string
	codeAt   int // depth of the element with the first error; -1 where it has ended
	unknown  []string
	body     *decode.Body
	encoding string
	shown    int // records in details
	inflated int // bytes that were uncompressed
}

// element is an element of an array whose end has not come.
type element struct {
	label string // "orders", "orders[0]"
	name  string // of a topic
	id    [16]byte
	// setting is the name of a setting whose value may follow.
	setting string
	parts   []string
}

func newSummary(s *session) *summary {
	return &summary{session: s, body: decode.NewBody(s.conn.Limits.Body)}
}

func (s *summary) add(name, value string) {
	if len(s.details) >= maxLines {
		s.more++
		return
	}
	s.details = append(s.details, decode.Field{Name: name, Value: value})
}

func (s *summary) top() *element {
	if len(s.stack) == 0 {
		return nil
	}
	return &s.stack[len(s.stack)-1]
}

func (s *summary) begin() {
	e := element{}
	if t := s.top(); t != nil {
		e.label = t.label
	}
	s.stack = append(s.stack, e)
}

func (s *summary) end(name string) {
	e := s.top()
	if e.name != "" && e.id != [16]byte{} {
		s.session.learn(e.id, e.name)
	}
	if len(e.parts) > 0 {
		line := strings.Join(e.parts, " ")
		if e.label != "" {
			line = e.label + " " + line
		}
		s.add(name, line)
	}
	s.stack = s.stack[:len(s.stack)-1]
	if s.codeAt > len(s.stack) {
		s.codeAt = -1
	}
}

func (s *summary) label(l string) {
	if e := s.top(); e != nil {
		e.label = l
	}
}

// value is a field with its value.
func (s *summary) value(f *field, v string) {
	e := s.top()
	switch f.kind {
	case topic:
		if e != nil && v != "" {
			e.name, e.label = v, v
			add(&s.topics, v)
		}
		return
	case group:
		if e != nil {
			e.label = v
		}
		add(&s.targets, v)
		return
	case subject, subjects:
		add(&s.targets, v)
		return
	case errorText:
		if v != "" && s.code != 0 && s.codeAt == len(s.stack) {
			s.codeText = v
			s.codeAt = -1
		}
		return
	}
	if e != nil && f.kind == configName {
		e.setting = v
	}
	if e != nil && f.kind == configValue {
		v = s.setting(e.setting, v)
	}
	if f.name == "" || v == "" || f.quiet && (v == "0" || v == "-1" || v == "false") {
		return
	}
	if e == nil {
		s.add(f.name, v)
		return
	}
	if strings.ContainsAny(v, " \"") && (f.kind == text || f.kind == configValue) {
		v = quoted([]byte(v))
	}
	e.parts = append(e.parts, f.name+"="+v)
}

// setting returns the value of a setting, such as ssl.key.password, or sasl.jaas.config,
// which has a password in it.
func (s *summary) setting(name, value string) string {
	switch c := s.session.conn; {
	case c.Secrets || value == "":
		return value
	case secret.Name(strings.ReplaceAll(name, ".", "_")), strings.HasSuffix(name, "keystore.key"):
		return decode.Masked
	}
	return secret.Inside(value)
}

func add(to *[]string, v string) {
	if v == "" || slices.Contains(*to, v) {
		return
	}
	switch n := len(*to); {
	case n < maxTargets:
		*to = append(*to, v)
	case n == maxTargets:
		*to = append(*to, "…")
	}
}

// topicID is the identifier of a topic, whose name is known where a response on
// this connection had both.
func (s *summary) topicID(id [16]byte) {
	e := s.top()
	if e == nil || id == [16]byte{} {
		return
	}
	e.id = id
	if e.name != "" {
		return
	}
	name, ok := s.session.ids.Get(id)
	if !ok {
		name = uuidText(id)
		if len(s.topics) <= maxTargets {
			add(&s.unknown, "the name of topic "+name+" was not seen on this connection")
		}
	}
	e.label = name
	add(&s.topics, name)
}

func (s *summary) partition(n int32) {
	if e := s.top(); e != nil {
		e.label = fmt.Sprintf("%s[%d]", e.label, n)
	}
}

func (s *summary) errorCode(code int16) {
	if code == 0 {
		return
	}
	if s.code == 0 {
		s.code, s.codeAt = code, len(s.stack)
	}
	if e := s.top(); e != nil {
		e.parts = append(e.parts, "error="+strings.ReplaceAll(errorName(code), " ", ":"))
	}
}

// status returns what a response says.
func (s *summary) status() string {
	if s.codeText != "" {
		return errorName(s.code) + ": " + s.codeText
	}
	return errorName(s.code)
}

// target returns what a message is about.
func (s *summary) target() string {
	if len(s.targets) > 0 {
		return strings.Join(s.targets, ", ")
	}
	return strings.Join(s.topics, ", ")
}

// fill puts what was collected into an exchange and one of its messages.
func (s *summary) fill(e *decode.Exchange, m *decode.Message) {
	if s.more > 0 {
		s.details = append(s.details, decode.Field{Name: "…", Value: fmt.Sprintf("%d more", s.more)})
	}
	e.Details = append(e.Details, s.details...)
	for _, u := range s.unknown {
		if !slices.Contains(e.Unknown, u) {
			e.Unknown = append(e.Unknown, u)
		}
	}
	truncated := m.Truncated
	s.body.Fill(m)
	secret.Message(s.session.conn, m, "")
	m.Truncated = m.Truncated || truncated
	m.Encoding = s.encoding
}

// quoted returns bytes as a string in quotes, cut where it is long.
func quoted(b []byte) string {
	if len(b) > maxText {
		return fmt.Sprintf("%q…", b[:maxText])
	}
	return fmt.Sprintf("%q", b)
}
