package diff

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"lodge/internal/decode"
	"lodge/internal/tap/diff/forms"
)

// Part is where in an exchange a difference is.
type Part string

// The parts.
const (
	PartTarget          Part = "target"
	PartHost            Part = "host"
	PartVersion         Part = "version"
	PartRequestHeader   Part = "request_header"
	PartRequestTrailer  Part = "request_trailer"
	PartRequestBody     Part = "request_body"
	PartStatus          Part = "status"
	PartResponseHeader  Part = "response_header"
	PartResponseTrailer Part = "response_trailer"
	PartResponseBody    Part = "response_body"
	PartDetail          Part = "detail"
)

// The kinds of parts by which exchanges are paired.
const (
	asked       = iota // target, method
	sent               // the rest of the request's head
	sentBody           //
	status             //
	answered           // the response's head
	answerBody         //
	details            //
	numberParts        //
)

func (p Part) index() int {
	switch p {
	case PartTarget:
		return asked
	case PartHost, PartVersion, PartRequestHeader, PartRequestTrailer:
		return sent
	case PartRequestBody:
		return sentBody
	case PartStatus:
		return status
	case PartResponseHeader, PartResponseTrailer:
		return answered
	case PartResponseBody:
		return answerBody
	}
	return details
}

// view is what is compared of a content, as hashes.
type view struct {
	part   [numberParts]uint64
	all    uint64
	leaves []uint64 // of facets and values in bodies, for how alike two contents are
}

// maxLeaves bounds the leaves of a view.
const maxLeaves = 256

// facet is one value that is compared.
type facet struct {
	part  Part
	name  string
	value string // what is compared
	raw   string // what is shown
}

// volatileValue stands for what is not compared.
const volatileValue = "\x00"

// viewer looks at contents of one group: without what is volatile in it.
type viewer struct {
	mask  *forms.Masker
	marks *marks
	group string
	out   []facet
}

// look returns the view of a content.
func (v *viewer) look(c *content) view {
	var w view
	leaf := func(h uint64) {
		if len(w.leaves) < maxLeaves {
			w.leaves = append(w.leaves, h)
		}
	}
	for _, f := range v.facets(c) {
		h := hashOf(string(f.part), f.name, f.value)
		w.part[f.part.index()] += mix(h)
		leaf(h)
	}
	for _, side := range []struct {
		part Part
		m    *decode.Message
	}{{PartRequestBody, &c.x.Request}, {PartResponseBody, &c.x.Response}} {
		if len(side.m.Body) > 0 && v.marks.level(v.group, side.part, "") < markPresence {
			w.part[side.part.index()] += mix(v.body(side.part, side.m).hash(leaf))
		}
	}
	w.all = join(w.part[:]...)
	slices.Sort(w.leaves)
	return w
}

// add adds a facet unless it is volatile altogether.
func (v *viewer) add(p Part, name, raw string, volatile bool) {
	value := raw
	switch level := v.marks.level(v.group, p, name); {
	case level >= markPresence:
		return
	case volatile, level >= markValue:
		value = volatileValue
	default:
		value = v.mask.Text(raw)
	}
	v.out = append(v.out, facet{p, name, value, raw})
}

// facets returns all values of a content but its bodies. They are valid until the next
// call.
func (v *viewer) facets(c *content) []facet {
	v.out = v.out[:0]
	x := &c.x
	v.target(x)
	if x.Host != "" {
		v.add(PartHost, "", x.Host, false)
	}
	if x.Version != "" {
		v.add(PartVersion, "", x.Version, false)
	}
	v.message(&x.Request, PartRequestHeader, PartRequestTrailer, PartRequestBody, c.bodyless)
	if x.Status != "" {
		v.add(PartStatus, "", x.Status, false)
	}
	if x.Failed {
		v.add(PartStatus, "failed", "yes", false)
	}
	v.message(&x.Response, PartResponseHeader, PartResponseTrailer, PartResponseBody, c.bodyless)
	for _, d := range x.Details {
		v.add(PartDetail, d.Name, d.Value, in(volatileDetails[:], strings.ToLower(d.Name)))
	}
	return v.out
}

// target adds what the group leaves out: the query, identifiers, literals.
func (v *viewer) target(x *decode.Exchange) {
	if isStatement(x) {
		if x.Group != "" {
			for i, l := range literals(x.Target) {
				v.add(PartTarget, "literal "+strconv.Itoa(i+1), l, false)
			}
		}
		return
	}
	path, query, found := x.Target, "", false
	if strings.HasPrefix(x.Target, "/") || strings.Contains(x.Target, "://") {
		path, query, found = strings.Cut(x.Target, "?")
	}
	v.add(PartTarget, "", path, false)
	if found {
		for _, p := range parameters(query) {
			v.add(PartTarget, "?"+p.Name, p.Value, isVolatileName(p.Name))
		}
	}
}

// maxParameters bounds the parameters of a query or form; the rest is one.
const maxParameters = 500

// parameters reads a query or a form.
func parameters(query string) (out []decode.Field) {
	for query != "" {
		if len(out) == maxParameters {
			return append(out, decode.Field{Name: "…", Value: query})
		}
		var p string
		p, query, _ = strings.Cut(query, "&")
		if p == "" {
			continue
		}
		name, value, _ := strings.Cut(p, "=")
		out = append(out, decode.Field{Name: unescape(name), Value: unescape(value)})
	}
	return out
}

func unescape(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

// literals returns the texts and numbers of a statement.
func literals(s string) (out []string) {
	for i := 0; i < len(s) && len(out) < maxParameters; {
		switch c := s[i]; {
		case c == '\'' || c == '"':
			j := i + 1
			for j < len(s) && (s[j] != c || j+1 < len(s) && s[j+1] == c) {
				if s[j] == c || s[j] == '\\' {
					j++
				}
				j++
			}
			j = min(j+1, len(s))
			out = append(out, s[i:j])
			i = j
		case forms.IsDigit(c) && (i == 0 || !forms.IsWord(s[i-1]) && s[i-1] != '$'):
			begin := i
			if i > 0 && s[i-1] == '-' {
				begin--
			}
			i += forms.Span(s[i:], func(c byte) bool { return forms.IsWord(c) || c == '.' })
			out = append(out, s[begin:i])
		default:
			i++
		}
	}
	return out
}

// message adds a header, a trailer, and the size of a body that is not there whole.
func (v *viewer) message(m *decode.Message, header, trailer, body Part, bodyless bool) {
	v.fields(m.Header, header, m.BodyBytes > 0)
	v.fields(m.Trailer, trailer, false)
	if (m.Truncated || len(m.Body) == 0 && m.BodyBytes > 0 && !bodyless) && !m.Incomplete {
		v.add(body, sizeName, strconv.FormatInt(m.BodyBytes, 10), false)
	}
}

// sizeName is the name of the facet that has the size of a body.
const sizeName = "size"

// fields adds the fields of a header. hasBody reports that a body follows, which is
// compared: its length says nothing more.
func (v *viewer) fields(fs []decode.Field, p Part, hasBody bool) {
	for _, f := range fs {
		name := strings.ToLower(f.Name)
		switch name {
		case "content-length":
			if !hasBody {
				v.add(p, name, f.Value, false)
			}
		case "set-cookie":
			v.setCookie(p, f.Value)
		case "cookie":
			v.cookies(p, f.Value)
		case "content-type":
			v.add(p, name, withoutBoundary(f.Value), false)
		default:
			v.add(p, name, f.Value, in(volatileHeaders[:], name))
		}
	}
}

// setCookie adds a cookie with its attributes, without its value and the time of its end.
func (v *viewer) setCookie(p Part, s string) {
	pair, rest, _ := strings.Cut(s, ";")
	name, _, named := strings.Cut(pair, "=")
	if !named {
		v.add(p, "set-cookie", s, false)
		return
	}
	var attributes []string
	for a := range strings.SplitSeq(rest, ";") {
		a = strings.TrimSpace(a)
		if key, _, _ := strings.Cut(a, "="); a != "" && !strings.EqualFold(key, "expires") {
			attributes = append(attributes, a)
		}
	}
	v.add(p, "set-cookie "+strings.TrimSpace(name), strings.Join(attributes, "; "), false)
}

// cookies adds the names of cookies.
func (v *viewer) cookies(p Part, s string) {
	for c := range strings.SplitSeq(s, ";") {
		name, _, named := strings.Cut(strings.TrimSpace(c), "=")
		if !named {
			v.add(p, "cookie", "", false)
			continue
		}
		v.add(p, "cookie "+name, "", false)
	}
}

// withoutBoundary returns a media type without the boundary of its parts, which is random.
func withoutBoundary(s string) string {
	i := strings.Index(strings.ToLower(s), "boundary=")
	if i < 0 {
		return s
	}
	rest := s[i+len("boundary="):]
	if j := strings.IndexByte(rest, ';'); j >= 0 {
		return s[:i] + "boundary=…" + rest[j:]
	}
	return s[:i] + "boundary=…"
}

// boundary returns the boundary of a media type, or "".
func boundary(contentType string) string {
	i := strings.Index(strings.ToLower(contentType), "boundary=")
	if i < 0 {
		return ""
	}
	b, _, _ := strings.Cut(contentType[i+len("boundary="):], ";")
	return strings.Trim(strings.TrimSpace(b), `"`)
}
