package query

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// example returns a value of a field, for hints.
func (f *Field) example() string {
	switch f.Type {
	case Choice:
		return strings.Join(f.Words, ", or ")
	case Number:
		return "100"
	case Size:
		return "1.5k"
	case Duration:
		return "200ms"
	case Time:
		return "10m"
	case Bool:
		return "yes"
	case Port:
		return "3000, or 3000-3999"
	case Address:
		return "127.0.0.1, or 10.0.0.0/8"
	case Endpoint:
		return "127.0.0.1:3000"
	}
	return "NAME"
}

// value reads one value of a term.
func (p *parser) value(f *Field, t token, raw rawValue) ([]Value, error) {
	if raw.text == "" && !(raw.quoted && f.Type == Text && t.op != Contains && t.op != NotContains) {
		return nil, p.wrong(t, f.Name+t.op.String()+f.example(), "a value is empty")
	}
	if !valid(raw.text) {
		return nil, p.wrong(t, f.Name+t.op.String()+f.example(), "the value has control characters, or is not UTF-8")
	}
	if f.Read != nil && (t.op == Eq || t.op == Ne || f.Type.ordered()) {
		vs, err := f.Read(raw.text)
		if err != nil {
			return nil, p.because(t, f, err)
		}
		return vs, nil
	}
	v, err := p.schema.read(f, raw.text)
	if err != nil {
		if _, nerr := strconv.ParseFloat(raw.text, 64); nerr == nil && f.Type == Duration { // only its unit is missing
			begin := f.Name + t.op.String() + raw.text
			return nil, p.wrong(t, begin+"ms, or "+begin+"s", "%v", err)
		}
		return nil, p.because(t, f, err)
	}
	ranged := v.Low != v.High
	if ranged && f.Type != Time && (t.op == Lt || t.op == Le || t.op == Gt || t.op == Ge) {
		return nil, p.wrong(t, f.Name+"="+raw.text, "%s takes no range", t.op)
	}
	if f.Type == Text && (t.op == Contains || t.op == NotContains) {
		v = Fold(v.Text)
	}
	if f.Type == Pair && (t.op == Contains || t.op == NotContains) {
		v.Text, v.Name = "", strings.ToLower(raw.text)
	}
	return []Value{v}, nil
}

// because wraps the error of a value.
func (p *parser) because(t token, f *Field, err error) error {
	var w *Error
	if errors.As(err, &w) {
		return p.wrong(t, w.Hint, "%s", w.Text)
	}
	return p.wrong(t, f.Name+t.op.String()+f.example(), "%v", err)
}

// ReadValue reads a value of a field as a term with = does, for flags that mean
// the same. The error is an *Error.
func (s *Schema) ReadValue(f *Field, text string) ([]Value, error) {
	p := &parser{schema: s, count: 1}
	return p.value(f, token{op: Eq, source: f.Name + "=" + text, text: f.Name}, rawValue{text, true})
}

func (s *Schema) read(f *Field, text string) (Value, error) {
	switch f.Type {
	case Text:
		return Value{Text: text}, nil
	case Choice:
		return s.choice(f, text)
	case Pair:
		owner, name, ok := strings.Cut(text, "/")
		switch {
		case !ok:
			return Value{Name: text}, nil
		case owner == "" || name == "" || strings.Contains(name, "/"):
			return Value{}, &Error{Text: fmt.Sprintf("%q is not OWNER/NAME", clip(text)), Hint: f.Name + "=shop/web"}
		}
		return Value{Text: owner, Name: name}, nil
	case Bool:
		switch strings.ToLower(text) {
		case "yes", "true", "1", "on":
			return Value{Low: 1, High: 1}, nil
		case "no", "false", "0", "off":
			return Value{}, nil
		}
		return Value{}, &Error{Text: fmt.Sprintf("%q is neither yes nor no", clip(text)), Hint: f.Name + "=yes"}
	case Address:
		if p, err := netip.ParsePrefix(text); err == nil {
			return Value{Prefixes: []netip.Prefix{p.Masked()}}, nil
		}
		ip, err := netip.ParseAddr(text)
		if err != nil {
			return Value{}, &Error{Text: fmt.Sprintf("%q is not an address", clip(text)), Hint: f.Name + "=" + f.example()}
		}
		ip = ip.Unmap().WithZone("")
		return Value{Prefixes: []netip.Prefix{netip.PrefixFrom(ip, ip.BitLen())}}, nil
	case Time:
		return s.moment(text)
	case Port:
		return s.port(text)
	case Endpoint:
		a, err := netip.ParseAddrPort(text)
		if err != nil {
			return Value{}, &Error{Text: fmt.Sprintf("%q is not an address and a port", clip(text)), Hint: f.Name + "=" + f.example()}
		}
		ip, port := a.Addr().Unmap().WithZone(""), int64(a.Port())
		return Value{Low: port, High: port, Prefixes: []netip.Prefix{netip.PrefixFrom(ip, ip.BitLen())}}, nil
	}
	return ranged(f, text, func(one string) (int64, error) { return number(f.Type, one) })
}

// Choose returns the one of a closed list of words that a text means, or else ""
// and a hint. Case, - and _ do not matter; also maps other spellings, in lower
// case and without these, to some of them. nearest is Schema.Nearest.
func Choose(text string, list []string, also map[string]string, nearest func(string, []string) string) (word, hint string) {
	bare := func(s string) string {
		return strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(s))
	}
	for _, w := range list {
		if bare(w) == bare(text) {
			return w, ""
		}
	}
	if w, ok := also[bare(text)]; ok {
		return w, ""
	}
	all := strings.Join(list, ", ")
	if nearest != nil {
		if n := nearest(text, list); n != "" {
			return "", "did you mean " + n + "? There are " + all
		}
	}
	return "", "one of " + all
}

func (s *Schema) choice(f *Field, text string) (Value, error) {
	w, hint := Choose(text, f.Words, f.Also, s.Nearest)
	if w == "" {
		return Value{}, &Error{Text: fmt.Sprintf("there is no %s %q", f.Name, clip(text)), Hint: hint}
	}
	return Value{Text: w}, nil
}

// ranged reads N or FIRST-LAST.
func ranged(f *Field, text string, read func(string) (int64, error)) (Value, error) {
	if n, err := read(text); err == nil {
		return Value{Low: n, High: n}, nil
	} else if i := strings.IndexByte(text, '-'); i <= 0 || i == len(text)-1 {
		return Value{}, err
	}
	first, last, _ := strings.Cut(text, "-")
	low, err := read(first)
	if err != nil {
		return Value{}, err
	}
	high, err := read(last)
	switch {
	case err != nil:
		return Value{}, err
	case low > high:
		return Value{}, &Error{Text: fmt.Sprintf("%q: the first is the larger one", clip(text)), Hint: f.Name + "=" + last + "-" + first}
	}
	return Value{Low: low, High: high}, nil
}

// port reads a number, a range, a service's name or a class of RFC 6335.
func (s *Schema) port(text string) (Value, error) {
	switch strings.ToLower(text) {
	case "system":
		return Value{Low: 1, High: 1023}, nil
	case "user":
		return Value{Low: 1024, High: 49151}, nil
	case "dynamic":
		return Value{Low: 49152, High: 65535}, nil
	}
	if s.Service != nil {
		if n, ok := s.Service(text); ok {
			return Value{Low: int64(n), High: int64(n)}, nil
		}
	}
	return ranged(&Field{Name: "port"}, text, func(one string) (int64, error) {
		n, err := strconv.ParseUint(one, 10, 16)
		if err != nil || one[0] == '+' {
			return 0, &Error{Text: fmt.Sprintf("%q is not a port", clip(text)), Hint: "0 to 65535, a range such as 3000-3999, a service such as http, or system, user, dynamic"}
		}
		return int64(n), nil
	})
}

// number reads a number with its unit.
func number(t Type, text string) (int64, error) {
	if t == Duration {
		d, err := time.ParseDuration(text)
		if err != nil || text == "0" && d != 0 {
			return 0, &Error{Text: fmt.Sprintf("%q is not a time span", clip(text)), Hint: "a number with its unit: 200ms, 1.5s, 10m, 2h"}
		}
		return int64(d), nil
	}
	digits := strings.TrimRight(text, "kKMGTiB")
	scale := 1.0
	switch unit := strings.TrimSuffix(text[len(digits):], "B"); {
	case t == Number && (strings.HasSuffix(text, "B") || strings.HasSuffix(unit, "i")):
		return 0, badNumber(text)
	case unit == "":
	default:
		i := strings.IndexByte("kMGT", unit[0])
		if unit[0] == 'K' {
			i = 0
		}
		if i < 0 || len(unit) > 2 || len(unit) == 2 && unit[1] != 'i' {
			return 0, badNumber(text)
		}
		for range i + 1 {
			if len(unit) == 2 {
				scale *= 1024
			} else {
				scale *= 1000
			}
		}
	}
	if digits == "" || strings.Trim(strings.TrimPrefix(digits, "-"), "0123456789.") != "" {
		return 0, badNumber(text)
	}
	if n, err := strconv.ParseInt(digits, 10, 64); err == nil && scale == 1 {
		return n, nil
	}
	x, err := strconv.ParseFloat(digits, 64)
	x *= scale
	if err != nil || math.Abs(x) > 1<<62 {
		return 0, badNumber(text)
	}
	if x != math.Trunc(x) {
		return 0, &Error{Text: fmt.Sprintf("%q is not a whole number", clip(text)), Hint: strconv.FormatFloat(math.Ceil(x), 'f', 0, 64)}
	}
	return int64(x), nil
}

func badNumber(text string) error {
	return &Error{Text: fmt.Sprintf("%q is not a number", clip(text)), Hint: "such as 100, 1.5k, 2M; bytes also 1Ki"}
}

// moment reads a time.
func (s *Schema) moment(text string) (Value, error) {
	if d, err := time.ParseDuration(text); err == nil {
		n := s.Now.Add(-d).UnixNano()
		return Value{Low: n, High: n}, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return Value{Low: t.UnixNano(), High: t.UnixNano()}, nil
	}
	zone := s.Now.Location()
	for _, layout := range []struct {
		text string
		long time.Duration
	}{{"2006-01-02T15:04:05", time.Second}, {"2006-01-02T15:04", time.Minute}, {"2006-01-02", 24 * time.Hour}} {
		if t, err := time.ParseInLocation(layout.text, text, zone); err == nil {
			return Value{Low: t.UnixNano(), High: t.Add(layout.long).UnixNano() - 1}, nil
		}
	}
	for _, layout := range []struct {
		text string
		long time.Duration
	}{{"15:04:05", time.Second}, {"15:04", time.Minute}} {
		if t, err := time.ParseInLocation(layout.text, text, zone); err == nil {
			y, m, d := s.Now.Date()
			t = time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), 0, zone)
			return Value{Low: t.UnixNano(), High: t.Add(layout.long).UnixNano() - 1}, nil
		}
	}
	return Value{}, &Error{Text: fmt.Sprintf("%q is not a time", clip(text)), Hint: "such as 10m (ago), 15:04, 2006-01-02 or 2006-01-02T15:04:05Z"}
}
