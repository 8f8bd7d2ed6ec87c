package syntax

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"
)

// WrongType reports what was found and what is wanted.
func (t *Tree) WrongType(v *Value, key, want, hint string) error {
	return t.Fail(v.Offset, key, fmt.Sprintf("found %s, want %s", found(v), want), hint)
}

// found describes a value as a person would.
func found(v *Value) string {
	switch v.Kind {
	case unstable.String:
		return "the string " + Ellipsis(v.Text)
	case unstable.Bool:
		return v.Text
	case unstable.Integer, unstable.Float:
		return "the number " + v.Text
	case unstable.Array:
		if v.Tables {
			return "an array of tables"
		}
		return "an array"
	case unstable.Table:
		return "a table"
	default:
		return "a date or time"
	}
}

// Typed returns the text of a scalar that must be of one kind.
func (t *Tree) Typed(v *Value, key string, kind unstable.Kind, want, hint string) (string, error) {
	if v.Kind != kind {
		return "", t.WrongType(v, key, want, hint)
	}
	if kind == unstable.String && strings.ContainsRune(v.Text, 0) {
		// Neither a path nor an argument can hold one (execve(2)).
		return "", t.Fail(v.Offset, key, "the string has a NUL character in it", "")
	}
	return v.Text, nil
}

// Str reads a string that is not empty.
func (t *Tree) Str(it *Item, key string) (string, error) {
	hint := ""
	if it.Value.Kind == unstable.Array && len(it.Value.Elems) == 1 && it.Value.Elems[0].Kind == unstable.String {
		hint = fmt.Sprintf("write %s = %s", it.Key, Ellipsis(it.Value.Elems[0].Text))
	}
	s, err := t.Typed(it.Value, key, unstable.String, "a string", hint)
	if err == nil && strings.TrimSpace(s) == "" {
		err = t.Fail(it.Value.Offset, key, "the string is empty", "")
	}
	return s, err
}

// Strings reads an array of strings, and where each is written.
func (t *Tree) Strings(it *Item, key string) (out []string, offsets []int, err error) {
	v := it.Value
	if v.Kind != unstable.Array || v.Tables {
		hint := ""
		if v.Kind == unstable.String {
			hint = fmt.Sprintf("write %s = [%s]", it.Key, Ellipsis(v.Text))
		}
		return nil, nil, t.WrongType(v, key, "an array of strings", hint)
	}
	for i, elem := range v.Elems {
		s, err := t.Typed(elem, fmt.Sprintf("%s[%d]", key, i), unstable.String, "a string", "")
		if err != nil {
			return nil, nil, err
		}
		out, offsets = append(out, s), append(offsets, elem.Offset)
	}
	return out, offsets, nil
}

// OneOf reads a string that must be one of a few.
func (t *Tree) OneOf(it *Item, key string, allowed []string) (string, error) {
	want := QuoteList(allowed)
	s, err := t.Typed(it.Value, key, unstable.String, want, "")
	if err != nil {
		return "", err
	}
	if !slices.Contains(allowed, s) {
		return "", t.Fail(it.Value.Offset, key, fmt.Sprintf("found %s, want %s", Ellipsis(s), want), DidYouMean(Nearest(s, allowed)))
	}
	return s, nil
}

// QuoteList writes `"a", "b" or "c"`.
func QuoteList(words []string) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = strconv.Quote(w)
	}
	return strings.Join(out[:len(out)-1], ", ") + " or " + out[len(out)-1]
}

func (t *Tree) Integer(it *Item, key, want, hint string) (int64, error) {
	v := it.Value
	if _, err := strconv.ParseInt(v.Text, 10, 64); err == nil && v.Kind == unstable.String {
		hint = fmt.Sprintf("write %s = %s, without quotes", it.Key, v.Text)
	}
	text, err := t.Typed(v, key, unstable.Integer, want, hint)
	if err != nil {
		return 0, err
	}
	// The parser has checked the digits, so only the range can be wrong.
	n, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 0, 64)
	if err != nil {
		return 0, t.Fail(v.Offset, key, fmt.Sprintf("the number %s is too large", text), "")
	}
	return n, nil
}

// PortNumber reads a port. also is put in front of what is wanted.
func (t *Tree) PortNumber(it *Item, key, also string) (uint16, error) {
	want := also + "a port from 1 to 65535"
	n, err := t.Integer(it, key, want, "")
	if err != nil {
		return 0, err
	}
	if n < 1 || n > math.MaxUint16 {
		return 0, t.Fail(it.Value.Offset, key, fmt.Sprintf("found %d, want %s", n, want), "")
	}
	return uint16(n), nil
}

// Duration reads a string as time.ParseDuration does.
func (t *Tree) Duration(it *Item, key string, least time.Duration) (time.Duration, error) {
	v := it.Value
	const want = `a duration such as "10s" or "1m30s"`
	hint := ""
	if v.Kind == unstable.Integer || v.Kind == unstable.Float {
		hint = fmt.Sprintf("write %s = \"%ss\"", it.Key, v.Text)
	}
	s, err := t.Typed(v, key, unstable.String, want, hint)
	if err != nil {
		return 0, err
	}
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		if _, digits := strconv.ParseFloat(s, 64); digits == nil {
			hint = fmt.Sprintf("write %s = \"%ss\"", it.Key, s)
		}
		if squeezed := strings.ReplaceAll(s, " ", ""); squeezed != s {
			if _, err := time.ParseDuration(squeezed); err == nil {
				hint = DidYouMean(squeezed)
			}
		}
		return 0, t.Fail(v.Offset, key, fmt.Sprintf("found %s, want %s", Ellipsis(s), want), hint)
	case d < 0:
		return 0, t.Fail(v.Offset, key, fmt.Sprintf("%s is negative", s), "")
	case d < least:
		return 0, t.Fail(v.Offset, key, "the duration must be longer than 0", "")
	}
	return d, nil
}

// HealthPath reads the path of a readiness request.
func (t *Tree) HealthPath(it *Item, key string) (string, error) {
	s, err := t.Str(it, key)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return "", t.Fail(it.Value.Offset, key, fmt.Sprintf("%s is not a path", Ellipsis(s)), "")
	case u.Host != "" || u.Scheme != "":
		hint := ""
		if path := u.RequestURI(); strings.HasPrefix(path, "/") {
			hint = DidYouMean(path)
		}
		return "", t.Fail(it.Value.Offset, key, fmt.Sprintf("%s is an address, want only a path", Ellipsis(s)), hint)
	case !strings.HasPrefix(s, "/"):
		return "", t.Fail(it.Value.Offset, key, fmt.Sprintf("the path %s does not begin with /", Ellipsis(s)), DidYouMean("/"+s))
	}
	return u.RequestURI(), nil
}

// Regexp reads a regular expression of Go (https://golang.org/s/re2syntax).
func (t *Tree) Regexp(it *Item, key string) (*regexp.Regexp, error) {
	s, err := t.Str(it, key)
	if err != nil {
		return nil, err
	}
	re, err := regexp.Compile(s)
	if err != nil {
		reason := err.Error()
		var se *syntax.Error
		if errors.As(err, &se) {
			reason = fmt.Sprintf("%s in %s", se.Code, Ellipsis(se.Expr))
		}
		return nil, t.Fail(it.Value.Offset, key, "not a regular expression: "+reason, "")
	}
	return re, nil
}
