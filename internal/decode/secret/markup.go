package secret

import (
	"bytes"
	"strings"
)

// Markup masks secrets in XML and HTML: the content of elements and the values of
// attributes with names of secrets, the value of an element whose attribute name or key
// has such a name, and secrets in addresses and in JSON within. Prefixes of namespaces do
// not matter.
func Markup(b []byte) []byte {
	m := markup{rewriter: rewriter{in: b}}
	for i := 0; i < len(b); {
		n := bytes.IndexByte(b[i:], '<')
		if n < 0 {
			n = len(b) - i
		}
		m.text(i, i+n)
		i = m.tag(i + n)
	}
	return m.bytes()
}

type markup struct {
	rewriter
	secret []byte // the name of the element whose content is a secret, nil: none
	depth  int    // elements of that name within it
}

// text masks what is between two tags.
func (m *markup) text(from, to int) {
	b := m.in[from:to]
	if m.secret == nil {
		if bytes.IndexByte(b, '"') >= 0 && May(b) {
			if masked := maskJSON(b, 1); !bytes.Equal(masked, b) {
				m.replace(from, to, string(masked))
			}
		}
		return
	}
	trimmed := bytes.TrimSpace(b)
	if len(trimmed) > 0 {
		at := from + bytes.Index(b, trimmed)
		m.mask(at, at+len(trimmed))
	}
}

type attribute struct{ name, begin, end int } // name is where its name begins, which ends before "="

// tag reads a tag at i, and returns where it ends.
func (m *markup) tag(i int) int {
	b := m.in
	switch rest := b[i:]; {
	case len(rest) < 2:
		return len(b)
	case bytes.HasPrefix(rest, []byte("<![CDATA[")):
		end := after(b, i, "]]>")
		if m.secret != nil {
			m.mask(i+9, max(i+9, end-3))
		} else {
			m.text(i+9, end)
		}
		return end
	case bytes.HasPrefix(rest, []byte("<!--")):
		return after(b, i, "-->")
	case rest[1] == '!' || rest[1] == '?':
		return after(b, i, ">")
	case rest[1] == '/':
		end := after(b, i, ">")
		if m.secret != nil && bytes.Equal(bytes.TrimSpace(bytes.TrimSuffix(b[i+2:end], []byte(">"))), m.secret) {
			if m.depth--; m.depth == 0 {
				m.secret = nil
			}
		}
		return end
	}
	begin := i + 1
	for i = begin; i < len(b) && isElementName(b[i]); i++ {
	}
	name := b[begin:i]
	if len(name) == 0 {
		return i
	}
	attributes, end, empty := readAttributes(b, i)
	hidden := m.attributes(name, attributes)
	switch {
	case empty:
	case m.secret != nil:
		if bytes.Equal(name, m.secret) {
			m.depth++
		}
	case hidden || isSecretElement(name):
		m.secret, m.depth = name, 1
	}
	return end
}

// isSecretElement reports whether the content of an element is a secret: XML's
// <password>, not what HTML calls so.
func isSecretElement(name []byte) bool { return Name(string(name)) }

// attributes masks attributes of an element, and reports whether its content is a secret.
func (m *markup) attributes(element []byte, list []attribute) (hidden bool) {
	named := false
	for _, a := range list {
		switch strings.ToLower(m.name(a)) {
		case "name", "key", "property", "itemprop":
			named = named || Is(Parameter, string(m.in[a.begin:a.end])) && string(m.in[a.begin:a.end]) != "key" && string(m.in[a.begin:a.end]) != "code"
		}
	}
	for _, a := range list {
		value := string(m.in[a.begin:a.end])
		switch name := strings.ToLower(m.name(a)); {
		case name == "value" || name == "content":
			if named || m.secret != nil {
				m.mask(a.begin, a.end)
			}
		case m.secret != nil && name != "name" && name != "key", Name(name) && !bytes.EqualFold(element, []byte("meta")):
			m.mask(a.begin, a.end)
		case May(value) && strings.ContainsAny(value, "?#@;{"):
			masked := Target(value)
			if value[0] == '{' || value[0] == '[' {
				masked = string(maskJSON([]byte(value), 1))
			}
			if masked != value {
				m.replace(a.begin, a.end, masked)
			}
		}
	}
	return named && !isHTML(element)
}

// isHTML reports whether an element is one of HTML that is named after what the user
// puts in, or has no content.
func isHTML(element []byte) bool {
	switch strings.ToLower(string(element)) {
	case "input", "form", "button", "select", "label", "meta", "a", "iframe", "map", "param", "slot", "fieldset", "object", "output":
		return true
	}
	return false
}

func (m *markup) name(a attribute) string {
	end := a.name
	for end < len(m.in) && isElementName(m.in[end]) {
		end++
	}
	return string(m.in[a.name:end])
}

// readAttributes reads the attributes of a tag from i on. empty reports that the element
// has no content.
func readAttributes(b []byte, i int) (list []attribute, end int, empty bool) {
	for i < len(b) {
		switch c := b[i]; {
		case c == '>':
			return list, i + 1, empty
		case c == '/':
			empty = true
			i++
		case isElementName(c):
			empty = false
			a := attribute{name: i}
			for i < len(b) && isElementName(b[i]) {
				i++
			}
			i = skipSpace(b, i)
			if i >= len(b) || b[i] != '=' {
				continue
			}
			i = skipSpace(b, i+1)
			if i >= len(b) {
				return list, i, false
			}
			if q := b[i]; q == '"' || q == '\'' {
				a.begin = i + 1
				n := bytes.IndexByte(b[a.begin:], q)
				if n < 0 {
					n = len(b) - a.begin
				}
				a.end = a.begin + n
				i = min(a.end+1, len(b))
			} else {
				a.begin = i
				for i < len(b) && b[i] > ' ' && b[i] != '>' {
					i++
				}
				a.end = i
			}
			if len(list) < maxAttributes {
				list = append(list, a)
			}
		default:
			i++
		}
	}
	return list, i, false
}

// maxAttributes is how many attributes of a tag are looked at.
const maxAttributes = 256

func isElementName(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || isDigit(c) || c == '_' || c == '-' || c == '.' || c == ':' || c >= 0x80
}

// after returns where a mark that is looked for from i on ends, or len(b).
func after(b []byte, i int, mark string) int {
	if n := bytes.Index(b[i:], []byte(mark)); n >= 0 {
		return i + n + len(mark)
	}
	return len(b)
}
