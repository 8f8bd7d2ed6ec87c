package project

import (
	"errors"
	"fmt"
	"maps"
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

// wrongType reports what was found and what is wanted.
func (r *reader) wrongType(v *value, key, want, hint string) error {
	return r.fail(v.offset, key, fmt.Sprintf("found %s, want %s", found(v), want), hint)
}

// found describes a value as a person would.
func found(v *value) string {
	switch v.kind {
	case unstable.String:
		return "the string " + ellipsis(v.text)
	case unstable.Bool:
		return v.text
	case unstable.Integer, unstable.Float:
		return "the number " + v.text
	case unstable.Array:
		if v.tables {
			return "an array of tables"
		}
		return "an array"
	case unstable.Table:
		return "a table"
	default:
		return "a date or time"
	}
}

// typed returns the text of a scalar that must be of one kind.
func (r *reader) typed(v *value, key string, kind unstable.Kind, want, hint string) (string, error) {
	if v.kind != kind {
		return "", r.wrongType(v, key, want, hint)
	}
	if kind == unstable.String && strings.ContainsRune(v.text, 0) {
		// Neither a path nor an argument can hold one (execve(2)).
		return "", r.fail(v.offset, key, "the string has a NUL character in it", "")
	}
	return v.text, nil
}

// str reads a string that is not empty.
func (r *reader) str(it *item, key string) (string, error) {
	hint := ""
	if it.value.kind == unstable.Array && len(it.value.elems) == 1 && it.value.elems[0].kind == unstable.String {
		hint = fmt.Sprintf("write %s = %s", it.key, ellipsis(it.value.elems[0].text))
	}
	s, err := r.typed(it.value, key, unstable.String, "a string", hint)
	if err == nil && strings.TrimSpace(s) == "" {
		err = r.fail(it.value.offset, key, "the string is empty", "")
	}
	return s, err
}

// strings reads an array of strings, and where each is written.
func (r *reader) strings(it *item, key string) (out []string, offsets []int, err error) {
	v := it.value
	if v.kind != unstable.Array || v.tables {
		hint := ""
		if v.kind == unstable.String {
			hint = fmt.Sprintf("write %s = [%s]", it.key, ellipsis(v.text))
		}
		return nil, nil, r.wrongType(v, key, "an array of strings", hint)
	}
	for i, elem := range v.elems {
		s, err := r.typed(elem, fmt.Sprintf("%s[%d]", key, i), unstable.String, "a string", "")
		if err != nil {
			return nil, nil, err
		}
		out, offsets = append(out, s), append(offsets, elem.offset)
	}
	return out, offsets, nil
}

// label reads a string that must be a host name label.
func (r *reader) label(it *item, key string) (string, error) {
	s, err := r.str(it, key)
	if err != nil {
		return "", err
	}
	if problem := labelProblem(s); problem != "" {
		return "", r.fail(it.value.offset, key, fmt.Sprintf("%s is not a name: %s", ellipsis(s), problem), didYouMean(toLabel(s)))
	}
	return s, nil
}

// oneOf reads a string that must be one of a few.
func (r *reader) oneOf(it *item, key string, allowed []string) (string, error) {
	want := quoteList(allowed)
	s, err := r.typed(it.value, key, unstable.String, want, "")
	if err != nil {
		return "", err
	}
	if !slices.Contains(allowed, s) {
		return "", r.fail(it.value.offset, key, fmt.Sprintf("found %s, want %s", ellipsis(s), want), didYouMean(Nearest(s, allowed)))
	}
	return s, nil
}

// quoteList writes `"a", "b" or "c"`.
func quoteList(words []string) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = strconv.Quote(w)
	}
	return strings.Join(out[:len(out)-1], ", ") + " or " + out[len(out)-1]
}

func (r *reader) integer(it *item, key, want, hint string) (int64, error) {
	v := it.value
	if _, err := strconv.ParseInt(v.text, 10, 64); err == nil && v.kind == unstable.String {
		hint = fmt.Sprintf("write %s = %s, without quotes", it.key, v.text)
	}
	text, err := r.typed(v, key, unstable.Integer, want, hint)
	if err != nil {
		return 0, err
	}
	// The parser has checked the digits, so only the range can be wrong.
	n, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 0, 64)
	if err != nil {
		return 0, r.fail(v.offset, key, fmt.Sprintf("the number %s is too large", text), "")
	}
	return n, nil
}

// portNumber reads a port. also is put in front of what is wanted.
func (r *reader) portNumber(it *item, key, also string) (uint16, error) {
	want := also + "a port from 1 to 65535"
	n, err := r.integer(it, key, want, "")
	if err != nil {
		return 0, err
	}
	if n < 1 || n > math.MaxUint16 {
		return 0, r.fail(it.value.offset, key, fmt.Sprintf("found %d, want %s", n, want), "")
	}
	return uint16(n), nil
}

// duration reads a string as time.ParseDuration does.
func (r *reader) duration(it *item, key string, least time.Duration) (time.Duration, error) {
	v := it.value
	const want = `a duration such as "10s" or "1m30s"`
	hint := ""
	if v.kind == unstable.Integer || v.kind == unstable.Float {
		hint = fmt.Sprintf("write %s = \"%ss\"", it.key, v.text)
	}
	s, err := r.typed(v, key, unstable.String, want, hint)
	if err != nil {
		return 0, err
	}
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		if _, digits := strconv.ParseFloat(s, 64); digits == nil {
			hint = fmt.Sprintf("write %s = \"%ss\"", it.key, s)
		}
		if squeezed := strings.ReplaceAll(s, " ", ""); squeezed != s {
			if _, err := time.ParseDuration(squeezed); err == nil {
				hint = didYouMean(squeezed)
			}
		}
		return 0, r.fail(v.offset, key, fmt.Sprintf("found %s, want %s", ellipsis(s), want), hint)
	case d < 0:
		return 0, r.fail(v.offset, key, fmt.Sprintf("%s is negative", s), "")
	case d < least:
		return 0, r.fail(v.offset, key, "the duration must be longer than 0", "")
	}
	return d, nil
}

// signal reads the name of a signal.
func (r *reader) signal(it *item, key string) (string, error) {
	const want = `a signal such as "SIGTERM" or "SIGINT"`
	s, err := r.typed(it.value, key, unstable.String, want, "")
	if err != nil {
		return "", err
	}
	if _, ok := stopSignals[s]; !ok {
		names := slices.Sorted(maps.Keys(stopSignals))
		upper := strings.ToUpper(s)
		hint := "one of " + strings.Join(names, ", ")
		for _, try := range []string{upper, "SIG" + upper} {
			if _, ok := stopSignals[try]; ok {
				hint = didYouMean(try)
			}
		}
		return "", r.fail(it.value.offset, key, fmt.Sprintf("found %s, want %s", ellipsis(s), want), hint)
	}
	return s, nil
}

// healthPath reads the path of a readiness request.
func (r *reader) healthPath(it *item, key string) (string, error) {
	s, err := r.str(it, key)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return "", r.fail(it.value.offset, key, fmt.Sprintf("%s is not a path", ellipsis(s)), "")
	case u.Host != "" || u.Scheme != "":
		hint := ""
		if path := u.RequestURI(); strings.HasPrefix(path, "/") {
			hint = didYouMean(path)
		}
		return "", r.fail(it.value.offset, key, fmt.Sprintf("%s is an address, want only a path", ellipsis(s)), hint)
	case !strings.HasPrefix(s, "/"):
		return "", r.fail(it.value.offset, key, fmt.Sprintf("the path %s does not begin with /", ellipsis(s)), didYouMean("/"+s))
	}
	return u.RequestURI(), nil
}

// regexp reads a regular expression of Go (https://golang.org/s/re2syntax).
func (r *reader) regexp(it *item, key string) (*regexp.Regexp, error) {
	s, err := r.str(it, key)
	if err != nil {
		return nil, err
	}
	re, err := regexp.Compile(s)
	if err != nil {
		reason := err.Error()
		var se *syntax.Error
		if errors.As(err, &se) {
			reason = fmt.Sprintf("%s in %s", se.Code, ellipsis(se.Expr))
		}
		return nil, r.fail(it.value.offset, key, "not a regular expression: "+reason, "")
	}
	return re, nil
}
