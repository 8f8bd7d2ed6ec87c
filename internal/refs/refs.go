// Package refs reads references in a text, such as the ${db.port} of env in
// lodge.toml, and puts values in their place: those to services ([Expand]), and
// those to variables of an environment ([Variables]). It does not know which
// services or variables there are.
package refs

import (
	"fmt"
	"strings"
)

// The facts of a service that a reference may name.
const (
	Host = "host" // the address under which the service is reached
	Port = "port"
	URL  = "url"
)

// Home is the one fact that belongs to no service: the home's address. It is
// written ${home}.
const Home = "home"

// Facts lists the facts of a service that a reference may name.
func Facts() []string { return []string{Host, Port, URL} }

// Ref is one reference.
type Ref struct {
	// Offset is where "${" stands in the text, in bytes.
	Offset  int
	Service string // "" for ${home}
	Fact    string
}

// String returns the reference as it is written.
func (r Ref) String() string {
	if r.Service == "" {
		return "${" + r.Fact + "}"
	}
	return "${" + r.Service + "." + r.Fact + "}"
}

// Find lists the references of a text to services, in their order. "$$" is a
// literal "$"; what else begins with "$" is no such reference.
func Find(text string) []Ref {
	var out []Ref
	_, _ = walk(text, func(r Ref) (string, error) {
		if r.Service != "" {
			out = append(out, r)
		}
		return "", nil
	})
	return out
}

// Expand replaces every reference by what value returns for it, and "$$" by
// "$". The error is the first that value returns.
func Expand(text string, value func(Ref) (string, error)) (string, error) {
	return walk(text, value)
}

// Quote returns the text that Expand turns into s.
func Quote(s string) string { return strings.ReplaceAll(s, "$", "$$") }

func walk(text string, value func(Ref) (string, error)) (string, error) {
	if !strings.Contains(text, "$") {
		return text, nil
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		rest := text[i:]
		if strings.HasPrefix(rest, "$$") {
			b.WriteString("$")
			i += len("$$")
			continue
		}
		r, n := parse(rest)
		if n == 0 {
			b.WriteByte(text[i])
			i++
			continue
		}
		r.Offset = i
		v, err := value(r)
		if err != nil {
			return "", fmt.Errorf("expand %s: %w", r, err)
		}
		b.WriteString(v)
		i += n
	}
	return b.String(), nil
}

// parse reads the reference at the start of s and returns its length; 0 where
// there is none.
func parse(s string) (Ref, int) {
	if !strings.HasPrefix(s, "${") {
		return Ref{}, 0
	}
	// Only what can be a reference is looked at: many "${" in a text must not
	// each be compared with all that follows.
	end := 2
	for end < len(s) && (isNameByte(s[end]) || s[end] == '-' || s[end] == '.') {
		end++
	}
	if end == len(s) || s[end] != '}' {
		return Ref{}, 0
	}
	if s[2:end] == Home {
		return Ref{Fact: Home}, end + 1
	}
	service, fact, ok := strings.Cut(s[2:end], ".")
	if !ok || !isWord(service) || !isWord(fact) {
		return Ref{}, 0
	}
	return Ref{Service: service, Fact: fact}, end + 1
}

func isWord(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isNameByte(c) && c != '-' {
			return false
		}
	}
	return s != ""
}
