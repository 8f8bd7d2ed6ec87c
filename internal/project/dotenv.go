package project

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// variable is one line of a .env file.
type variable struct{ name, value string }

var dotenvLine = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([A-Za-z_0-9]+)=(.*)$`) })

// parseDotenv reads a .env file in foreman's format
// (https://ddollar.github.io/foreman/#ENVIRONMENT): KEY=VALUE lines, blank lines
// and lines that begin with #. A value in single quotes is taken as it stands; in
// double quotes \n is a line end and a backslash stands before any other
// character that is meant as itself. Nothing is expanded, and a # within a line
// is part of the value. Where foreman passes over a line that it does not
// understand, this is an error.
func parseDotenv(path string, data []byte) ([]variable, error) {
	src := source{path: path, data: data}
	if err := src.checkText(); err != nil {
		return nil, err
	}
	var out []variable
	for _, l := range src.lines() {
		if l.text == "" || l.text[0] == '#' {
			continue
		}
		m := dotenvLine().FindStringSubmatchIndex(l.text)
		if m == nil {
			return nil, src.dotenvProblem(l)
		}
		name, raw := l.text[m[2]:m[3]], l.text[m[4]:m[5]]
		if problem := envProblem(name); problem != "" {
			return nil, src.fail(l.offset, "", problem, "")
		}
		value, problem := dotenvValue(raw)
		if problem != "" {
			return nil, src.fail(l.offset+m[4], name, problem, "")
		}
		out = append(out, variable{name, value})
	}
	return out, nil
}

// dotenvValue takes the quotes off a value.
func dotenvValue(raw string) (value, problem string) {
	if strings.ContainsRune(raw, 0) {
		return "", "the value has a NUL character in it"
	}
	if raw == "" || raw[0] != '\'' && raw[0] != '"' {
		return raw, ""
	}
	if len(raw) < 2 || raw[len(raw)-1] != raw[0] {
		return "", "the quote is not closed on its line"
	}
	inside := raw[1 : len(raw)-1]
	if raw[0] == '\'' {
		return inside, ""
	}
	var b strings.Builder
	for i := 0; i < len(inside); i++ {
		switch {
		case inside[i] != '\\':
			b.WriteByte(inside[i])
		case i+1 == len(inside):
			return "", "the quote is not closed on its line"
		default:
			i++
			if inside[i] == 'n' {
				b.WriteByte('\n')
			} else {
				b.WriteByte(inside[i])
			}
		}
	}
	return b.String(), ""
}

// dotenvProblem says what is wrong with a line that is not KEY=VALUE.
func (s source) dotenvProblem(l textLine) error {
	hint := ""
	if rest, ok := strings.CutPrefix(l.text, "export "); ok {
		hint = "leave out export"
		l.text = rest
	}
	name, _, equals := strings.Cut(l.text, "=")
	if trimmed := strings.TrimSpace(name); hint == "" && equals && trimmed != name && envProblem(trimmed) == "" {
		hint = "no blanks around ="
	}
	// The value stays out of the message: it may be a secret.
	return s.fail(l.offset, "", fmt.Sprintf("the line beginning with %s is not NAME=VALUE", ellipsis(firstField(name))), hint)
}

func firstField(s string) string {
	if f := strings.Fields(s); len(f) > 0 {
		return f[0]
	}
	return ""
}
