// Package exchangequery has the fields of exchanges for filters: what `lodge tap`
// takes (docs/reference/filters.md).
package exchangequery

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"lodge/internal/query"
)

// Exchange is what a filter is tested against.
type Exchange interface {
	// Time is when it began.
	Time() time.Time
	// Text returns the nth text that the exchange has for a field, and Int the nth
	// number, counted from 0; false where there are no more. Durations are in
	// nanoseconds, sizes in bytes, a Bool is 1 or 0.
	Text(f Field, n int) (string, bool)
	Int(f Field, n int) (int64, bool)
	// Service returns the nth project and service that have part in it.
	Service(n int) (project, service string, ok bool)
	// Address returns the nth address that has part in it.
	Address(n int) (netip.Addr, bool)
}

// Field is a field of an exchange.
type Field int

// The fields, with the type of their values.
const (
	Protocol   Field = iota + 1 // Text
	Kind                        // Text
	Method                      // Text
	Target                      // Text
	Host                        // Text
	Answer                      // Text
	Status                      // Int
	Failed                      // Int
	Latency                     // Int
	Duration                    // Int
	Size                        // Int
	Port                        // Int
	Process                     // Text
	PID                         // Int
	Client                      // Text
	Server                      // Text
	Connection                  // Int
	Transport                   // Text
	Group                       // Text
	Secure                      // Int
	Socket                      // Text
)

const (
	moment = iota + 100
	project
	service
	address
	endpoint
	word
)

// Options are what the package does not find out by itself.
type Options struct {
	// Protocols are the names of protocols, which are the ones to suggest from.
	Protocols []string
	// Service and Nearest are those of [query.Schema], Now the present time in the
	// zone in which times are read.
	Service func(name string) (uint16, bool)
	Nearest func(word string, list []string) string
	Now     time.Time
}

// New returns the fields of exchanges.
func New(o Options) *query.Schema {
	s := &query.Schema{Service: o.Service, Nearest: o.Nearest, Now: o.Now}
	protocols := query.Field{ID: int(Protocol), Name: "protocol", Aliases: []string{"proto"}, Type: query.Text, Help: "protocol"}
	if len(o.Protocols) > 0 {
		protocols.Type, protocols.Words = query.Choice, o.Protocols
		protocols.Also = map[string]string{"postgres": "postgresql", "pg": "postgresql", "mariadb": "mysql", "mongo": "mongodb", "http1": "http", "h2": "http2", "ws": "websocket"}
	}
	s.Fields = []query.Field{
		protocols,
		{ID: int(Method), Name: "method", Type: query.Text, Help: "what kind of request: GET, SELECT, HGETALL, publish", Read: upperOrAsIs},
		{ID: int(Target), Name: "target", Aliases: []string{"path", "statement", "query", "key", "topic", "url"}, Type: query.Text, Help: "path, statement, key or topic"},
		{ID: int(Group), Name: "group", Type: query.Text, Help: "target without what differs from request to request"},
		{ID: int(Status), Name: "status", Aliases: []string{"code"}, Type: query.Number, Help: "status as a number: 404, or 5xx", Read: statusClass},
		{ID: int(Answer), Name: "answer", Aliases: []string{"response", "error"}, Type: query.Text, Help: "status in words"},
		{ID: int(Failed), Name: "failed", Type: query.Bool, Help: "the answer is an error, or there was no connection"},
		{ID: int(Secure), Name: "secure", Type: query.Bool, Help: "it was inside TLS, and was decrypted"},
		{ID: int(Latency), Name: "latency", Type: query.Duration, Help: "time to the first byte of the answer"},
		{ID: int(Duration), Name: "duration", Aliases: []string{"took"}, Type: query.Duration, Help: "time to the last byte of the answer"},
		{ID: int(Size), Name: "size", Aliases: []string{"bytes"}, Type: query.Size, Help: "bytes on the wire, both ways"},
		{ID: int(Host), Name: "host", Type: query.Text, Help: "name of the server that the client asked for"},
		{ID: project, Name: "project", Type: query.Text, Help: "project of either end"},
		{ID: service, Name: "service", Type: query.Pair, Covers: "project", Help: "service of either end, or PROJECT/SERVICE"},
		{ID: int(Client), Name: "client", Aliases: []string{"from"}, Type: query.Text, Help: "process or service that asked"},
		{ID: int(Server), Name: "server", Aliases: []string{"to"}, Type: query.Text, Help: "process or service that answered"},
		{ID: int(Process), Name: "process", Type: query.Text, Help: "name of a process at either end"},
		{ID: int(PID), Name: "pid", Type: query.Number, Spaced: true, Help: "process id at either end"},
		{ID: int(Port), Name: "port", Type: query.Port, Spaced: true, Help: "port of either end"},
		{ID: address, Name: "address", Aliases: []string{"ip", "addr"}, Type: query.Address, Help: "address of either end", Read: readAddress},
		{ID: int(Kind), Name: "kind", Type: query.Choice, Words: Kinds(), Help: "request, message, session or failure"},
		{ID: int(Transport), Name: "transport", Type: query.Choice, Words: []string{"tcp", "udp", "unix"}, Help: "tcp, udp or unix"},
		{ID: int(Socket), Name: "socket", Type: query.Text, Help: "path of a Unix socket"},
		{ID: int(Connection), Name: "connection", Aliases: []string{"flow"}, Type: query.Number, Help: "number of the connection"},
		{ID: moment, Name: "time", Type: query.Time, Help: "when it began"},
		{ID: endpoint, Type: query.Endpoint, Group: "port"},
		{ID: word, Type: query.Text, Group: "word"},
	}
	s.Word = func(text string, quoted bool) ([]*query.Term, error) { return plainWord(s, &o, text, quoted) }
	return s
}

// Kinds are the words of the field kind.
func Kinds() []string { return []string{"request", "message", "session", "failure"} }

// upperOrAsIs takes a method as it is written, and in upper case: get is GET.
func upperOrAsIs(text string) ([]query.Value, error) {
	out := []query.Value{{Text: text}}
	if up := strings.ToUpper(text); up != text {
		out = append(out, query.Value{Text: up})
	}
	if low := strings.ToLower(text); low != text {
		out = append(out, query.Value{Text: low})
	}
	return out, nil
}

// readAddress reads an address, a prefix, or localhost, which is all of 127.0.0.0/8 and
// ::1.
func readAddress(text string) ([]query.Value, error) {
	if text == "localhost" {
		return []query.Value{{Prefixes: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}}}, nil
	}
	if p, err := netip.ParsePrefix(text); err == nil {
		return []query.Value{{Prefixes: []netip.Prefix{p.Masked()}}}, nil
	}
	ip, err := netip.ParseAddr(text)
	if err != nil {
		return nil, &query.Error{Text: fmt.Sprintf("%q is not an address", text), Hint: "address=127.0.0.1, or 10.0.0.0/8"}
	}
	ip = ip.Unmap().WithZone("")
	return []query.Value{{Prefixes: []netip.Prefix{netip.PrefixFrom(ip, ip.BitLen())}}}, nil
}

// withEquals returns the term that KEY:VALUE was probably meant for, as other languages of
// filters have it; "" where KEY is none whose values are of a kind that is known.
func withEquals(s *query.Schema, text string) string {
	key, value, _ := strings.Cut(text, ":")
	f := s.Field(key)
	if f == nil || value == "" || f.Type == query.Text || f.Type == query.Pair {
		return ""
	}
	if _, err := s.ReadValue(f, value); err != nil {
		return ""
	}
	return key + "=" + value
}

// readEndpoint reads ADDRESS:PORT, of which the address may be localhost.
func readEndpoint(text string) (v query.Value, ok bool) {
	host, digits, err := net.SplitHostPort(text)
	if err != nil {
		return v, false
	}
	port, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return v, false
	}
	list, err := readAddress(host)
	if err != nil || strings.Contains(host, "/") {
		return v, false
	}
	return query.Value{Low: int64(port), High: int64(port), Prefixes: list[0].Prefixes}, true
}

// statusClass reads a status, a range of them, or a class such as 5xx.
func statusClass(text string) ([]query.Value, error) {
	if v, ok := class(text); ok {
		return []query.Value{v}, nil
	}
	first, last, isRange := strings.Cut(text, "-")
	if !isRange || first == "" {
		first, last = text, text
	}
	a, err1 := strconv.ParseInt(first, 10, 32)
	b, err2 := strconv.ParseInt(last, 10, 32)
	if err1 != nil || err2 != nil || a > b {
		return nil, &query.Error{Text: fmt.Sprintf("%q is not a status as a number", text), Hint: "status>=500, status=404, status=5xx; for one in words: answer~" + text}
	}
	return []query.Value{{Low: a, High: b}}, nil
}

// class reads a class of statuses, such as 5xx.
func class(text string) (v query.Value, ok bool) {
	if len(text) != 3 || text[0] < '1' || text[0] > '9' || !strings.EqualFold(text[1:], "xx") {
		return v, false
	}
	n := int64(text[0]-'0') * 100
	return query.Value{Low: n, High: n + 99}, true
}

// plainWord returns what a word without a key means: a class of
// statuses, a port, an address, both, a protocol, a PROJECT/SERVICE, or a part of what is shown.
func plainWord(s *query.Schema, o *Options, text string, quoted bool) ([]*query.Term, error) {
	if text == "" {
		return nil, query.NewError(text, "it is empty", "a service, a port, a protocol, or a part of a path or statement")
	}
	term := func(id int, op query.Op, v query.Value) []*query.Term {
		return []*query.Term{{Field: s.ByID(id), Op: op, Values: []query.Value{v}, Text: text, Bare: true}}
	}
	if quoted {
		return term(word, query.Contains, query.Fold(text)), nil
	}
	if vs, ok := class(text); ok {
		return term(int(Status), query.Eq, vs), nil
	}
	if digits := strings.TrimPrefix(text, ":"); digits != "" && digits[0] >= '0' && digits[0] <= '9' {
		if vs, err := s.ReadValue(s.ByID(int(Port)), digits); err == nil {
			return term(int(Port), query.Eq, vs[0]), nil
		}
	}
	if p := s.ByID(int(Protocol)); p.Type == query.Choice {
		if w, _ := query.Choose(text, p.Words, p.Also, nil); w != "" {
			return term(int(Protocol), query.Eq, query.Value{Text: w}), nil
		}
	}
	if vs, err := readAddress(text); err == nil {
		return term(address, query.Eq, vs[0]), nil
	}
	if v, ok := readEndpoint(text); ok {
		return term(endpoint, query.Eq, v), nil
	}
	if hint := withEquals(s, text); hint != "" {
		return nil, query.NewError(text, "it is a word, without an operator", hint+", or the word in quotes: "+strconv.Quote(text))
	}
	if text == "unix" {
		return term(int(Transport), query.Eq, query.Value{Text: text}), nil
	}
	if slices.Contains(Kinds(), text) {
		return term(int(Kind), query.Eq, query.Value{Text: text}), nil
	}
	if vs, err := s.ReadValue(s.ByID(service), text); err == nil && vs[0].Text != "" {
		return term(service, query.Eq, vs[0]), nil
	}
	return term(word, query.Contains, query.Fold(text)), nil
}

// Matcher returns a function that tests exchanges. It is for one goroutine at a
// time. A nil expression matches all.
func Matcher(e query.Expr) func(Exchange) bool {
	if e == nil {
		return func(Exchange) bool { return true }
	}
	m, r := query.Compile(e), &row{}
	return func(x Exchange) bool {
		r.Exchange = x
		return m.Match(r)
	}
}

// PortRange is a range of ports, both ends included.
type PortRange struct{ Low, High uint16 }

// OnlyPorts reports whether e asks for ports and nothing else: what has one of [Ports]
// matches it.
func OnlyPorts(e query.Expr) bool {
	switch x := query.Simplify(e).(type) {
	case *query.Term:
		return x.Field.ID == int(Port) && x.Op == query.Eq
	case query.Or:
		for _, y := range x {
			if !OnlyPorts(y) {
				return false
			}
		}
		return len(x) > 0
	}
	return false
}

// Ports returns ranges of ports of which every exchange that e matches has one
// at one of its ends, or false where e does not say: so a capture may leave out
// all others.
func Ports(e query.Expr) ([]PortRange, bool) {
	return query.Bound(e, func(t *query.Term) ([]PortRange, bool) {
		if t.Field.ID != int(Port) && t.Field.ID != endpoint || t.Op != query.Eq {
			return nil, false
		}
		var out []PortRange
		for _, v := range t.Values {
			if low, high := max(v.Low, 0), min(v.High, 1<<16-1); low <= high {
				out = append(out, PortRange{uint16(low), uint16(high)})
			}
		}
		return out, true
	})
}
