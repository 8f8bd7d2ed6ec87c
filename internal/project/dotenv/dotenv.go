package dotenv

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"

	"lodge/internal/project/syntax"
	"lodge/internal/refs"
)

// Variable is one variable of an env file.
type Variable struct{ Name, Value string }

// lookup returns the value of a variable and whether it is set.
type lookup func(name string) (string, bool)

// A dotenv file has a line NAME=VALUE for each variable, as foreman, docker
// compose and the dotenv libraries read it:
//
//   - blank lines, lines that begin with #, and a # after a blank are comments;
//   - blanks around the = and an "export" in front are passed over;
//   - 'single quotes' keep what they hold as it stands;
//   - in "double quotes" \n, \r, \t, \", \\ and \$ are escapes, and any other
//     backslash is one;
//   - both kinds of quotes may hold line ends.
//
// In lodge.toml's files ${NAME} and its forms (package refs) are replaced,
// outside of single quotes. Not so beside a Procfile: foreman has them as they
// stand. A "$" without a brace is always itself: passwords have it.
type dotenv struct {
	syntax.Source
	get lookup // nil: nothing is replaced
	out []Variable
	// values holds those of out, total the size of all, and lookedUp that of the
	// values that were put in the place of references.
	values          map[string]string
	total, lookedUp int
}

var dotenvName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`) })

// Parse reads the text of a dotenv file. get knows the variables that it
// may refer to, beside its own earlier ones; where it is nil, nothing is
// replaced. Errors are *Error.
func Parse(src syntax.Source, get lookup) ([]Variable, error) {
	if err := src.CheckText(); err != nil {
		return nil, err
	}
	d := &dotenv{Source: src, get: get, values: map[string]string{}}
	for at := 0; at < len(d.Data); {
		next, err := d.line(at)
		if err != nil {
			return nil, err
		}
		at = next
	}
	return d.out, nil
}

// line reads what begins at an offset, and returns where the next line begins.
func (d *dotenv) line(at int) (next int, err error) {
	end := d.lineEnd(at)
	text := string(d.Data[at:end])
	start := at + blanks(text)
	text = strings.TrimRight(strings.TrimLeft(text, " \t"), " \t\r")
	if text == "" || text[0] == '#' {
		return end + 1, nil
	}
	rest := text
	if after, ok := strings.CutPrefix(text, "export"); ok && blanks(after) > 0 {
		rest = strings.TrimLeft(after, " \t")
	}
	name, _, equals := strings.Cut(rest, "=")
	name = strings.TrimRight(name, " \t")
	if !equals || !dotenvName().MatchString(name) {
		return 0, d.lineProblem(start, name, equals)
	}
	value := start + len(text) - len(rest) + strings.IndexByte(rest, '=') + 1
	value += blanks(string(d.Data[value:end]))
	v, next, err := d.value(name, value, end)
	if err != nil {
		return 0, err
	}
	if strings.ContainsRune(v, 0) {
		return 0, d.Fail(value, name, "the value has a NUL character in it", "")
	}
	if err := d.bound(name, v, value); err != nil {
		return 0, err
	}
	d.out = append(d.out, Variable{name, v})
	d.values[name] = v
	return next, nil
}

// value reads the value at an offset of a line that ends at end.
func (d *dotenv) value(name string, at, end int) (value string, next int, err error) {
	if at >= end || d.Data[at] != '\'' && d.Data[at] != '"' {
		v, err := d.plain(name, at, end)
		return v, end + 1, err
	}
	quote := d.Data[at]
	closing := d.closing(at)
	if closing < 0 {
		return "", 0, d.Fail(at, name, "the quote is not closed", "")
	}
	after := d.lineEnd(closing)
	rest := strings.Trim(string(d.Data[closing+1:after]), " \t\r")
	if rest != "" && rest[0] != '#' {
		// Quotes within quotes, such as "{"a": 1}": the last on the line counts.
		last := at + len(strings.TrimRight(string(d.Data[at:end]), " \t\r")) - 1
		if closing > end || d.Data[last] != quote {
			return "", 0, d.Fail(at, name, "the quote is not closed, or something follows it", "")
		}
		closing, after = last, end
	}
	inside := strings.ReplaceAll(string(d.Data[at+1:closing]), "\r\n", "\n")
	if quote == '\'' {
		return inside, after + 1, nil
	}
	v, err := d.double(name, inside, at+1)
	return v, after + 1, err
}

// closing returns where the quote at an offset is closed, or -1.
func (d *dotenv) closing(at int) int {
	for i := at + 1; i < len(d.Data); i++ {
		switch {
		case d.Data[i] == d.Data[at]:
			return i
		case d.Data[i] == '\\' && d.Data[at] == '"':
			i++
		}
	}
	return -1
}

// plain reads a value without quotes.
func (d *dotenv) plain(name string, at, end int) (string, error) {
	text := string(d.Data[at:end])
	for i := 0; i < len(text); i++ {
		if text[i] == '#' && i > 0 && blanks(text[i-1:i]) > 0 {
			text = text[:i]
			break
		}
		if d.get != nil && strings.HasPrefix(text[i:], "${") {
			n := refs.End(text[i:])
			if n == 0 {
				break // replace tells
			}
			i += n - 1
		}
	}
	if strings.HasPrefix(text, "#") && d.Data[at-1] != '=' { // NAME= # comment
		text = ""
	}
	text = strings.TrimRight(text, " \t\r")
	var b strings.Builder
	for i := 0; i < len(text); {
		n, err := d.replace(&b, name, text[i:], at+i)
		if err != nil {
			return "", err
		}
		if n == 0 {
			b.WriteByte(text[i])
			n = 1
		}
		i += n
	}
	return b.String(), nil
}

// double reads what stands between double quotes.
func (d *dotenv) double(name, text string, at int) (string, error) {
	var b strings.Builder
	for i := 0; i < len(text); {
		if text[i] == '\\' && i+1 < len(text) {
			switch c := text[i+1]; c {
			case 'n':
				b.WriteByte('\n')
			case 'r':
				b.WriteByte('\r')
			case 't':
				b.WriteByte('\t')
			case '"', '\\', '$', '\'':
				b.WriteByte(c)
			default:
				b.WriteString(text[i : i+2])
			}
			i += 2
			continue
		}
		n, err := d.replace(&b, name, text[i:], at+i)
		if err != nil {
			return "", err
		}
		if n == 0 {
			b.WriteByte(text[i])
			n = 1
		}
		i += n
	}
	return b.String(), nil
}

// replace writes the value of the ${…} at the start of a text, which stands at
// an offset of the file, and returns its length; 0 where there is none.
func (d *dotenv) replace(b *strings.Builder, name, text string, at int) (int, error) {
	if d.get == nil || !strings.HasPrefix(text, "${") {
		return 0, nil
	}
	n := refs.End(text)
	if n == 0 {
		return 0, d.Fail(at, name, "${ is not closed by }", "single quotes keep it as it stands")
	}
	v, err := refs.Variables(text[:n], func(name string) (string, bool) {
		v, ok := d.get(name)
		if !ok {
			v, ok = d.values[name]
		}
		d.lookedUp += len(v)
		return refs.Quote(v), ok
	})
	if err == nil {
		v, err = refs.Expand(v, func(r refs.Ref) (string, error) {
			return "", &refs.Problem{Text: fmt.Sprintf("%s is known to lodge.toml only", r), Hint: "write it there, in env"}
		})
	}
	var p *refs.Problem
	if errors.As(err, &p) {
		return 0, d.Fail(at+p.Offset, name, p.Text, HintOf(p, "single quotes keep it as it stands"))
	}
	b.WriteString(v)
	switch {
	case err != nil:
		return 0, err
	case b.Len() > refs.MaxValue:
		return 0, d.Fail(at, shown(name), TooLarge, refs.HintTooLarge)
	case d.lookedUp > maxLookedUp:
		return 0, d.Fail(at, shown(name), "the variables that the file refers to are too large together", "")
	}
	return n, nil
}

// lineProblem reports what is wrong with a line that is not NAME=VALUE. Of the line
// it tells what can be the beginning of a name, and no more: the line may be that
// of a key or a password that lacks its quotes.
func (d *dotenv) lineProblem(at int, name string, equals bool) error {
	start := lineStart(name)
	if equals && name == "" {
		return d.Fail(at, "", "a variable's name cannot be empty", "")
	}
	hint := ""
	if strings.HasPrefix(name, "-----BEGIN ") || strings.HasPrefix(name, "-----END ") || d.afterPEM() {
		hint = "quote a value of several lines"
	}
	if start == "" {
		return d.Fail(at, "", "the line is not NAME=VALUE", hint)
	}
	if equals {
		if i := strings.IndexFunc(name, func(r rune) bool { return !isNameRune(r) }); i >= 0 && i <= maxShownLine {
			r, _ := utf8.DecodeRuneInString(name[i:])
			return d.Fail(at, "", fmt.Sprintf("what begins with %q is not a variable's name: %q is not one of A-Z, a-z, 0-9 and _", start, r), hint)
		}
		if name[0] >= '0' && name[0] <= '9' {
			return d.Fail(at, "", fmt.Sprintf("%q is not a variable's name: it begins with a digit", start), hint)
		}
	}
	return d.Fail(at, "", fmt.Sprintf("the line beginning with %q is not NAME=VALUE", start), hint)
}

// maxShownLine is how many characters of a line that cannot be read are told.
const maxShownLine = 4

// lineStart returns the first characters of a line, as far as they can be a
// variable's name.
func lineStart(line string) string {
	n := 0
	for n < len(line) && isNameRune(rune(line[n])) {
		if n == maxShownLine {
			return line[:n] + "…"
		}
		n++
	}
	return line[:n]
}

func isNameRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_' || r >= '0' && r <= '9'
}

// afterPEM reports whether the variable before is the first line of a key or a
// certificate in PEM.
func (d *dotenv) afterPEM() bool {
	return len(d.out) > 0 && strings.HasPrefix(d.out[len(d.out)-1].Value, "-----BEGIN ")
}

// HintOf returns the hint of a problem, with how to write a literal.
func HintOf(p *refs.Problem, literal string) string {
	switch {
	case p.Own:
		return ""
	case p.Hint == "":
		return literal
	}
	return p.Hint + "; " + literal
}

// lineEnd returns the offset of the line feed that ends the line of an offset,
// or of the end of the text.
func (d *dotenv) lineEnd(at int) int {
	if i := bytes.IndexByte(d.Data[at:], '\n'); i >= 0 {
		return at + i
	}
	return len(d.Data)
}

// blanks returns how many blanks a text begins with.
func blanks(s string) int { return len(s) - len(strings.TrimLeft(s, " \t")) }
