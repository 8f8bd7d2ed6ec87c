// Package forms recognises in texts what belongs to one run of a program and not to the
// program: times near the run, random identifiers, ports that sockets get by themselves.
package forms

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

const (
	// nearRun is how far from a run's begin and end a time is that is taken for one of the
	// run: as far as two zones can be apart, and a day.
	nearRun = 38 * time.Hour
	// Ephemeral is the first port that Linux gives to sockets by itself
	// (ip_local_port_range).
	Ephemeral = 32768
)

// Masker takes out of texts what belongs to one run: times near it, its addresses and
// directories, and what has the form of a random identifier.
type Masker struct {
	from, to int64 // seconds since 1970: a time between them is one of the run
	guess    bool
	replace  []Replacement
}

// Replacement is what stands for a text that belongs to one run.
type Replacement struct{ Old, New string }

// Options say what a [Masker] takes out.
type Options struct {
	// First and Last are the begin and the end of the run; zero where there is none.
	First, Last time.Time
	// Guess takes what has the form of a random identifier for one.
	Guess bool
	// Replace are texts of the run. Old is a whole word, or several.
	Replace []Replacement
}

// New returns a masker.
func New(o Options) *Masker {
	m := &Masker{guess: o.Guess}
	if !o.First.IsZero() {
		m.from, m.to = o.First.Add(-nearRun).Unix(), o.Last.Add(nearRun).Unix()
	}
	for _, x := range o.Replace {
		if x.Old != "" && !slices.Contains(m.replace, x) {
			m.replace = append(m.replace, x)
		}
	}
	slices.SortFunc(m.replace, func(a, b Replacement) int {
		return cmp.Or(cmp.Compare(len(b.Old), len(a.Old)), cmp.Compare(a.Old, b.Old))
	})
	return m
}

// Text returns s without what belongs to the run.
func (m *Masker) Text(s string) string {
	for _, r := range m.replace {
		s = replaceWord(s, r.Old, r.New)
	}
	if !strings.ContainsAny(s, "0123456789") && !strings.Contains(s, "eyJ") && !strings.Contains(s, "nonce-") {
		return s
	}
	var out strings.Builder
	done := 0
	for i := 0; i < len(s); {
		n, as := m.at(s, i)
		if n == 0 {
			i++
			continue
		}
		out.WriteString(s[done:i])
		out.WriteString(as)
		i += n
		done = i
	}
	if done == 0 {
		return s
	}
	out.WriteString(s[done:])
	return out.String()
}

// at returns how many bytes at i belong to the run, and what stands for them; 0 for none.
func (m *Masker) at(s string, i int) (n int, as string) {
	c := s[i]
	if c == ':' {
		if n := ephemeralPort(s, i); n > 0 {
			return n, ":{port}"
		}
		return 0, ""
	}
	if i > 0 && IsWord(s[i-1]) || !IsWord(c) {
		return 0, ""
	}
	rest := s[i:]
	if IsDigit(c) || c >= 'A' && c <= 'Z' {
		if n := m.timeAt(rest); n > 0 {
			return n, "{time}"
		}
	}
	if !m.guess {
		return 0, ""
	}
	switch {
	case isUUID(rest) && isRandomUUID(rest):
		return 36, "{uuid}"
	case strings.HasPrefix(rest, "eyJ"):
		if n := webToken(rest); n > 0 {
			return n, "{token}"
		}
	case strings.HasPrefix(rest, "nonce-"):
		if n := Span(rest[6:], isBase64); n >= 8 {
			return 6 + n, "nonce-{nonce}"
		}
	}
	return 0, ""
}

// timeAt returns the length of a time near the run that a text begins with.
func (m *Masker) timeAt(s string) int {
	if m.to == 0 {
		return 0
	}
	near := func(t int64) bool { return t >= m.from && t <= m.to }
	digits := Span(s, IsDigit)
	switch {
	case digits == 0: // Mon, 02 Jan 2006 15:04:05 GMT
		if len(s) >= len(time.RFC1123) && s[3] == ',' {
			if t, err := time.Parse(time.RFC1123, s[:len(time.RFC1123)]); err == nil && near(t.Unix()) {
				return len(time.RFC1123)
			}
		}
		return 0
	case digits == 4:
		t, n := isoTime(s)
		if n > 0 && near(t) {
			return n
		}
		return 0
	}
	unit, ok := map[int]int64{10: 1, 13: 1e3, 16: 1e6, 19: 1e9}[digits]
	if !ok || digits < len(s) && IsWord(s[digits]) {
		return 0
	}
	var t int64
	for _, c := range []byte(s[:digits]) {
		t = t*10 + int64(c-'0') // 19 digits that begin with 1 have room; others are no time
	}
	if !near(t / unit) {
		return 0
	}
	return digits + fraction(s[digits:])
}

// isoTime reads 2006-01-02T15:04:05, with a blank or a T, with or without a fraction and
// a zone, and returns it in seconds since 1970, with its length.
func isoTime(s string) (seconds int64, n int) {
	const layout = "2006-01-02T15:04:05"
	if len(s) < len(layout) || s[4] != '-' || s[10] != 'T' && s[10] != ' ' {
		return 0, 0
	}
	t, err := time.Parse(layout, s[:10]+"T"+s[11:len(layout)])
	if err != nil {
		return 0, 0
	}
	n = len(layout)
	n += fraction(s[n:])
	zone := s[n:]
	switch {
	case strings.HasPrefix(zone, "Z"):
		n++
	case len(zone) >= 3 && (zone[0] == '+' || zone[0] == '-') && IsDigit(zone[1]) && IsDigit(zone[2]):
		n += 3
		if len(zone) >= 6 && zone[3] == ':' && IsDigit(zone[4]) && IsDigit(zone[5]) {
			n += 3
		} else if len(zone) >= 5 && IsDigit(zone[3]) && IsDigit(zone[4]) {
			n += 2
		}
	}
	return t.Unix(), n
}

func fraction(s string) int {
	if len(s) < 2 || s[0] != '.' || !IsDigit(s[1]) {
		return 0
	}
	return 1 + Span(s[1:], IsDigit)
}

// ephemeralPort returns the length of ":PORT" after a host of this machine, where the
// port is one that sockets get by themselves.
func ephemeralPort(s string, i int) int {
	n := Span(s[i+1:], IsDigit)
	if n != 5 || number(s[i+1:i+6]) < Ephemeral || number(s[i+1:i+6]) > 65535 {
		return 0
	}
	host := s[:i]
	if strings.HasSuffix(host, "localhost") || strings.HasSuffix(host, "[::1]") || strings.HasSuffix(host, ".test") {
		return 6
	}
	from := len(host)
	for from > 0 && (IsDigit(host[from-1]) || host[from-1] == '.') {
		from--
	}
	if strings.HasPrefix(host[from:], "127.") && strings.Count(host[from:], ".") == 3 {
		return 6
	}
	return 0
}

func number(s string) (n int) {
	for i := range len(s) {
		n = n*10 + int(s[i]-'0')
	}
	return n
}

// isUUID reports whether a text begins with a UUID that ends there.
func isUUID(s string) bool {
	if len(s) < 36 || len(s) > 36 && IsWord(s[36]) {
		return false
	}
	for i := range 36 {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if s[i] != '-' {
				return false
			}
		} else if !isHex(s[i]) {
			return false
		}
	}
	return true
}

// isRandomUUID reports whether the version of a UUID is one that is made of the time or
// of random bits (RFC 9562).
func isRandomUUID(s string) bool { return strings.IndexByte("1467", s[14]) >= 0 }

// webToken returns the length of a JSON Web Token (RFC 7519), 0 where there is none.
func webToken(s string) int {
	n := 0
	for part := range 3 {
		k := Span(s[n:], isBase64URL)
		if k < 4 {
			return 0
		}
		if n += k; part < 2 {
			if n >= len(s) || s[n] != '.' {
				return 0
			}
			n++
		}
	}
	return n
}

// replaceWord replaces a word where no letter, digit or dash is beside it.
func replaceWord(s, old, with string) string {
	beside := func(c byte) bool { return IsWord(c) || c == '-' }
	var out strings.Builder
	done := 0 // of s is in out
	for from := 0; ; {
		i := strings.Index(s[from:], old)
		if i < 0 {
			break
		}
		i += from
		from = i + len(old)
		if i > 0 && beside(s[i-1]) && beside(old[0]) || from < len(s) && beside(s[from]) && beside(old[len(old)-1]) {
			continue
		}
		out.WriteString(s[done:i])
		out.WriteString(with)
		done = from
	}
	if done == 0 {
		return s
	}
	out.WriteString(s[done:])
	return out.String()
}

// Span returns how many bytes at the begin of s are of a kind.
func Span(s string, is func(byte) bool) int {
	for i := range len(s) {
		if !is(s[i]) {
			return i
		}
	}
	return len(s)
}

// IsDigit reports whether c is a decimal digit.
func IsDigit(c byte) bool { return c >= '0' && c <= '9' }

func isHex(c byte) bool { return IsDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }

// IsWord reports whether c is of a word: a letter, a digit, an underscore, or of a
// character that is not ASCII.
func IsWord(c byte) bool {
	return IsDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c >= 0x80
}

func isBase64URL(c byte) bool { return IsWord(c) && c < 0x80 || c == '-' }
func isBase64(c byte) bool    { return isBase64URL(c) || c == '+' || c == '/' || c == '=' }
