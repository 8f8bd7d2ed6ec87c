package socketquery

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"lodge/internal/query"
	"lodge/internal/target"
)

// term makes a term of a plain word, or of a flag.
func (s *Schema) term(id int, op query.Op, text string, values ...query.Value) *query.Term {
	return &query.Term{Field: s.ByID(id), Op: op, Values: values, Text: text, Bare: true}
}

// Texts returns the term that a field is one of the texts, for flags.
func (s *Schema) Texts(id int, texts ...string) *query.Term {
	values := make([]query.Value, len(texts))
	for i, t := range texts {
		values[i].Text = t
	}
	return s.Flag(id, query.Eq, strings.Join(texts, ","), values...)
}

// Numbers returns the term that a field has a number from low to high, for flags.
func (s *Schema) Numbers(id int, low, high int64) *query.Term {
	return s.Flag(id, query.Eq, strconv.FormatInt(low, 10), query.Value{Low: low, High: high})
}

// Flag returns a term that no plain word was the source of.
func (s *Schema) Flag(id int, op query.Op, text string, values ...query.Value) *query.Term {
	t := s.term(id, op, text, values...)
	t.Bare = false
	return t
}

// word returns what a plain word means.
func (s *Schema) word(w string, quoted bool) ([]*query.Term, error) {
	text := strings.TrimSpace(w)
	if text == "" {
		return nil, query.NewError(w, "it is empty", "a port, an address, a process or a project")
	}
	if len(text) > maxWord {
		return nil, query.NewError(w, fmt.Sprintf("it is longer than %d bytes", maxWord), "a port, an address, a process or a project")
	}
	if quoted || strings.ContainsAny(text, " \t") || !strings.Contains(text, "://") && s.isPlainName(text) {
		return s.name(w, text)
	}
	t, err := target.Parse(text)
	var port *target.PortError
	var order *target.OrderError
	var host *target.HostError
	switch {
	case errors.As(err, &order):
		return nil, wrongOrder(fmt.Sprintf("%d-%d", order.First, order.Last), order)
	case strings.Contains(text, "://") && err != nil:
		return nil, query.NewError(w, "it is not an address", "for example: lodge ports 127.0.0.1:3000")
	case errors.As(err, &port) && (isDigits(port.Text) || t.IP.IsValid() || startsWithDigit(port.Text)):
		return nil, wrongPort(port.Text)
	case errors.As(err, &host) && t.HasPort:
		return nil, query.NewError(w, fmt.Sprintf("%q is not an address", host.Host), "an IP address or localhost, such as 127.0.0.1:80")
	case err != nil:
		return s.name(w, text)
	}
	return s.address(w, text, &t)
}

// maxWord bounds a plain word. It is the longest path of the kernel (PATH_MAX).
const maxWord = 4096

// isPlainName reports whether a word is a name without anything of an address:
// a process, a project, PROJECT/SERVICE.
func (s *Schema) isPlainName(text string) bool {
	if _, _, ok := cutPID(text); ok {
		return true
	}
	if text == "localhost" || strings.ContainsAny(text, ":@*#") || strings.HasPrefix(text, "/") || strings.HasPrefix(text, ".") && strings.Contains(text, "/") {
		return false
	}
	head, _, slash := strings.Cut(text, "/")
	if slash {
		if proto := strings.ToLower(head); (proto == "tcp" || proto == "udp") && isDigits(text[len(head)+1:]) {
			return false // tcp/80
		}
		_, err := netip.ParseAddr(head)
		return err != nil && head != "localhost" && !isPorts(head) && !s.isHost(head)
	}
	return strings.Trim(text, "0123456789.-") != "" && !s.isHost(text)
}

func (s *Schema) isHost(text string) bool { return s.options.Host != nil && s.options.Host(text) }

// address returns what a word means that is an address by package target.
func (s *Schema) address(w, text string, t *target.Target) ([]*query.Term, error) {
	var out []*query.Term
	if t.Unix != "" {
		base := text[strings.LastIndexByte(text, '/')+1:]
		if !s.options.Unix && text[0] == '/' && !strings.Contains(base, "sock") {
			return nil, query.NewError(w, "it is a path", "lodge ports "+base+" for a process, lodge ports -x "+text+" for a socket")
		}
		values, err := s.pathValues(t.Unix)
		if err != nil {
			return nil, err
		}
		return append(out, s.term(Protocol, query.Eq, text, query.Value{Text: protocolUnix}), s.term(Path, query.Eq, text, values...)), nil
	}
	if t.Protocol != "" {
		out = append(out, s.term(Protocol, query.Eq, text, query.Value{Text: string(t.Protocol)}))
	}
	ports := query.Value{Low: int64(t.Port), High: int64(t.Last)}
	addrs, ok := targetAddresses(t)
	switch {
	case t.Host == "" && !t.Block.IsValid() && t.HasPort:
		return append(out, s.term(Port, query.Eq, text, ports)), nil
	case !ok && s.isHost(t.Host):
		v := query.Value{Text: t.Host, Low: -1, High: -1}
		if t.HasPort && !t.Implied { // else only lodge's proxy has the port of a service's address
			v.Low, v.High = ports.Low, ports.High
		}
		return append(out, s.term(Host, query.Eq, text, v)), nil
	case !ok && !t.HasPort:
		more, err := s.name(w, text)
		return append(out, more...), err
	case !ok:
		return nil, query.NewError(w, fmt.Sprintf("%q is not an address", t.Host), "an IP address or localhost, such as 127.0.0.1:"+strconv.Itoa(int(t.Port)))
	case !t.HasPort:
		return append(out, s.term(Address, query.Eq, text, query.Value{Prefixes: addrs})), nil
	}
	ports.Prefixes = addrs
	return append(out, s.term(At, query.Eq, text, ports)), nil
}

// name returns what a word means that is no address: a process, a project,
// PROJECT/SERVICE, name[PID] as lodge prints it.
func (s *Schema) name(w, text string) ([]*query.Term, error) {
	if strings.Trim(text, "0123456789.:/-[]%*") == "" {
		return nil, query.NewError(w, "it is neither a port nor an address", "ports are 1 to 65535, addresses such as 127.0.0.1, ::1 or 10.0.0.0/8")
	}
	if name, pid, ok := cutPID(text); ok {
		var out []*query.Term
		switch {
		case strings.HasPrefix(name, "/"):
			out = append(out, s.term(Executable, query.Eq, name, query.Value{Text: name}))
		case name != "":
			out = append(out, s.Names(name))
		}
		return append(out, s.term(PID, query.Eq, text, query.Value{Low: int64(pid), High: int64(pid)})), nil
	}
	switch p, svc, ok := strings.Cut(text, "/"); {
	case strings.HasPrefix(text, "/"):
		return nil, query.NewError(w, "it is a path", "lodge ports "+text[strings.LastIndexByte(text, '/')+1:])
	case !ok:
		return []*query.Term{s.term(Word, query.Contains, text, query.Fold(text))}, nil
	case p == "" || svc == "" || strings.Contains(svc, "/"):
		return nil, query.NewError(w, "it is not PROJECT/SERVICE", "for example: lodge ports shop/web")
	default:
		return []*query.Term{s.term(Service, query.Eq, text, query.Value{Text: p, Name: svc})}, nil
	}
}

// Names returns the term that a process's name, or its executable's, has text in
// it.
func (s *Schema) Names(text string) *query.Term {
	return s.Flag(Process, query.Contains, text, query.Fold(text))
}

// Resolve returns the expression with the meaning that names have among the
// projects that are up: a word is a project, where isProject says so, or else
// a process, and where isProject is nil it stays a word, which matches either; a
// host is what host returns for it.
func (s *Schema) Resolve(e query.Expr, isProject func(name string) bool, host func(name string, port query.Value) []*query.Term) query.Expr {
	return query.Replace(e, func(t *query.Term) []*query.Term {
		switch t.Field.ID {
		case Word:
			if isProject == nil {
				return []*query.Term{t}
			}
			if isProject(t.Text) {
				return []*query.Term{s.Texts(Project, t.Text)}
			}
			return []*query.Term{s.Names(t.Text)}
		case Host:
			return host(t.Values[0].Text, t.Values[0])
		}
		return []*query.Term{t}
	})
}

// cutPID reads name[PID].
func cutPID(text string) (name string, pid int, ok bool) {
	i := strings.LastIndexByte(text, '[')
	if i < 0 || !strings.HasSuffix(text, "]") {
		return "", 0, false
	}
	pid, err := strconv.Atoi(text[i+1 : len(text)-1])
	return text[:i], pid, err == nil && pid > 0
}

// targetAddresses returns the addresses that a word means: one, a block, or
// localhost, which is all of 127.0.0.0/8 and ::1.
func targetAddresses(t *target.Target) ([]netip.Prefix, bool) {
	switch {
	case t.Block.IsValid():
		return []netip.Prefix{t.Block}, true
	case t.IP.IsValid():
		a := t.IP.Unmap().WithZone("") // a prefix has none
		return []netip.Prefix{netip.PrefixFrom(a, a.BitLen())}, true
	case strings.EqualFold(strings.TrimSuffix(t.Host, "."), "localhost"):
		return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}, true
	}
	return nil, false
}

// ParseAddresses reads an address, a block or localhost, without a port.
func ParseAddresses(text string) ([]netip.Prefix, bool) {
	t, err := target.Parse(text)
	if err != nil || t.HasPort {
		return nil, false
	}
	return targetAddresses(&t)
}

// ParsePorts reads 5432, 3000-3010 or http. The error is a *query.Error.
func ParsePorts(text string) (query.Value, error) {
	t, err := target.Parse(":" + strings.TrimPrefix(text, ":"))
	var order *target.OrderError
	switch {
	case errors.As(err, &order):
		return query.Value{}, wrongOrder(text, order)
	case err != nil:
		return query.Value{}, wrongPort(text)
	}
	return query.Value{Low: int64(t.Port), High: int64(t.Last)}, nil
}

func wrongOrder(text string, e *target.OrderError) error {
	return &query.Error{Word: text, Text: fmt.Sprintf("read ports %q: the first is the larger one", text), Hint: fmt.Sprintf("%d-%d", e.Last, e.First)}
}

func wrongPort(text string) error {
	if isDigits(text) {
		return &query.Error{Word: text, Text: fmt.Sprintf("read port %q: it is not between 0 and 65535", text), Hint: "lodge ports --pid N selects by process id"}
	}
	return &query.Error{Word: text, Text: fmt.Sprintf("read port %q: it is not a number", text), Hint: "for example 5432, or 3000-3010"}
}

// isPorts reports whether the text can only mean a port or a range of ports.
func isPorts(text string) bool {
	from, to, ok := strings.Cut(text, "-")
	return isDigits(from) && (!ok || isDigits(to))
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func startsWithDigit(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }
