package refs

import (
	"fmt"
	"strings"
)

// ProjectDir is a name that [Variables] looks up like a variable's: the
// project's directory, written ${project.dir}.
const ProjectDir = "project.dir"

// Problem is what is wrong with a text, and where.
type Problem struct {
	// Offset is that of the "$" in the text, in bytes.
	Offset int
	// Text says what is wrong, and Hint what to write instead of it.
	Text, Hint string
	// Own reports that the text has a message of its own: ${NAME:?message}.
	Own bool
}

func (p *Problem) Error() string { return p.Text }

// Variables replaces the variables in a text. It has the forms of compose's
// interpolation: $NAME, ${NAME}, ${NAME:-default}, ${NAME:?message} and
// ${NAME:+replacement}; without the colon, a variable that is set but empty
// counts as set. A default may hold further ones.
//
// lookup returns a variable's value and whether it is set. Values, and what
// Variables returns, are texts for [Expand]: references to services stay as they
// are, and every other "$" is doubled. The error is a *[Problem]: nothing that
// cannot be resolved is passed on, and neither is a text that became too large
// ([MaxValue]) or is nested too deep ([MaxDepth]).
func Variables(text string, lookup func(name string) (string, bool)) (string, error) {
	if at := tooDeep(text); at >= 0 {
		return "", &Problem{Offset: at, Text: fmt.Sprintf("${…} is nested deeper than %d levels", MaxDepth), Own: true}
	}
	e := &expander{find: lookup}
	return e.expand(text, 0)
}

func (e *expander) expand(text string, base int) (string, error) {
	var b strings.Builder
	last := base // where the latest "$" stands
	for i := 0; i < len(text); {
		if b.Len() > maxText {
			return "", tooLarge(last)
		}
		if text[i] == '$' {
			last = base + i
		}
		rest := text[i:]
		switch {
		case rest[0] != '$':
			b.WriteByte(rest[0])
			i++
		case strings.HasPrefix(rest, "$$"):
			b.WriteString("$$")
			i += 2
		case strings.HasPrefix(rest, "${"):
			n := End(rest)
			if n == 0 {
				return "", &Problem{Offset: base + i, Text: "${ is not closed by }"}
			}
			if r, m := parse(rest); m == n && r.Service+"."+r.Fact != ProjectDir {
				b.WriteString(r.String())
			} else {
				v, err := e.braced(rest[:n], base+i)
				if err != nil {
					return "", err
				}
				b.WriteString(v)
			}
			i += n
		default:
			name := rest[1 : 1+nameLen(rest[1:])]
			if name == "" { // such as a price: $5
				b.WriteString("$$")
				i++
				break
			}
			v, ok, err := e.lookup(name, base+i)
			if err != nil {
				return "", err
			}
			if !ok {
				return "", unset(base+i, name)
			}
			b.WriteString(v)
			i += 1 + len(name)
		}
	}
	if b.Len() > maxText {
		return "", tooLarge(last)
	}
	return b.String(), nil
}

// End returns the length of the "${…}" at the start of a text, braces within
// included, or 0 where it is not closed.
func End(text string) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], "$${"):
			i += 2
		case strings.HasPrefix(text[i:], "${"):
			depth++
			i++
		case text[i] == '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}

// braced resolves a "${…}" that is no reference to a service.
func (e *expander) braced(text string, offset int) (string, error) {
	inside := text[2 : len(text)-1]
	name, arg := inside[:nameLen(inside)], inside[nameLen(inside):]
	if strings.HasPrefix(inside, ProjectDir) {
		name, arg = ProjectDir, inside[len(ProjectDir):]
	}
	if name == "" {
		return "", &Problem{Offset: offset, Text: fmt.Sprintf("%q names no variable", short(text))}
	}
	v, set, err := e.lookup(name, offset)
	if err != nil {
		return "", err
	}
	full := set
	if rest, colon := strings.CutPrefix(arg, ":"); colon {
		arg, full = rest, v != ""
		if arg == "" {
			return "", badForm(text, name, offset)
		}
	}
	switch {
	case arg == "" && !set:
		return "", unset(offset, name)
	case arg == "":
		return v, nil
	}
	inner := arg[1:]
	at := offset + len(text) - 1 - len(inner)
	switch arg[0] {
	case '-':
		if full {
			return v, nil
		}
		return e.expand(inner, at)
	case '+':
		if !full {
			return "", nil
		}
		return e.expand(inner, at)
	case '?':
		if full {
			return v, nil
		}
		p := unset(offset, name)
		if set {
			p.Text = short(name) + " is empty"
		}
		if inner != "" {
			p.Text, p.Hint, p.Own = p.Text+": "+cut(inner, 512), "", true
		}
		return "", p
	}
	return "", badForm(text, name, offset)
}

func unset(offset int, name string) *Problem {
	name = short(name)
	return &Problem{Offset: offset, Text: name + " is not set", Hint: fmt.Sprintf("set it in the environment or an env file, or write ${%s:-default}", name)}
}

func badForm(text, name string, offset int) *Problem {
	name = short(name)
	return &Problem{Offset: offset, Text: fmt.Sprintf("%q is no form of a variable", short(text)), Hint: fmt.Sprintf("write ${%s}, ${%s:-default} or ${%s:?message}", name, name, name)}
}

// nameLen returns the length of the variable's name at the start of a text
// (POSIX.1, XBD 3.216 Name).
func nameLen(s string) int {
	n := 0
	for n < len(s) && isNameByte(s[n]) && (n > 0 || s[0] < '0' || s[0] > '9') {
		n++
	}
	return n
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}
