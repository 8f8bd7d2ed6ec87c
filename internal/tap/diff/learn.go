package diff

import (
	"strings"

	"lodge/internal/tap/diff/forms"
)

// level is how volatile something is, each including those before it.
type level uint8

const (
	markNone     level = iota
	markOrder          // of a list: the order of its elements
	markValue          // its value
	markLength         // of a list: how many elements it has
	markPresence       // whether it is there at all, or of which type it is
)

// place is something that may be volatile in a group: a header, a path of JSON.
type place struct {
	group string
	part  Part
	name  string
}

// marks are what was learned to be volatile.
type marks struct {
	levels map[place]level
	lines  map[place]*lineMarks
	rules  rules
	// versions count what was learned of each group.
	versions map[string]int
	// counts are how often each group is in the runs of one side, latencies its medians
	// in them, in microseconds.
	counts    map[string]interval
	latencies map[string][]float64
}

// interval is the least and the most of a count.
type interval struct{ least, most int }

func newMarks() *marks {
	return &marks{levels: make(map[place]level), lines: make(map[place]*lineMarks), rules: rules{of: make(map[string]map[string]bool)},
		versions: make(map[string]int),
		counts:   make(map[string]interval), latencies: make(map[string][]float64)}
}

// maxMarks bounds what is learned; what comes after is a difference.
const maxMarks = 200_000

func (m *marks) level(group string, p Part, name string) level {
	if len(m.levels) == 0 {
		return markNone
	}
	return m.levels[place{group, p, name}]
}

// learn notes that something differs between two runs of one side. It reports whether
// that is new.
func (m *marks) learn(group string, c *change) bool {
	at := place{group, c.part, c.name}
	l := markPresence
	switch c.what {
	case whatValue:
		l = markValue
	case whatOrder:
		l = markOrder
	case whatLength:
		l = markLength
	case whatLine:
		if m.learnLine(at, c.x, c.y) {
			m.versions[group]++
			return true
		}
		at.name = "" // all of it
	case whatText:
		at.name = ""
	}
	if m.levels[at] >= l || len(m.levels) >= maxMarks {
		return false
	}
	m.levels[at] = l
	m.versions[group]++
	return true
}

// lineMarks are lines with volatile words.
type lineMarks struct {
	// words are lines by their number of words; "" is a word that is volatile.
	words map[int][][]string
	// around are what is before and after something volatile.
	around [][2]string
	n      int
}

const maxLineMarks = 500

// learnLine notes which words of a line are volatile. It reports whether it could.
func (m *marks) learnLine(at place, a, b string) bool {
	l := m.lines[at]
	if l == nil {
		l = &lineMarks{words: make(map[int][][]string)}
		m.lines[at] = l
	}
	if l.n++; l.n > maxLineMarks {
		return false
	}
	x, y := wordsOf(a), wordsOf(b)
	if len(x) == len(y) {
		same := 0
		for i := range x {
			if x[i] == y[i] {
				same++
			} else {
				x[i] = ""
			}
		}
		if same > 0 || len(x) == 1 {
			l.words[len(x)] = append(l.words[len(x)], x)
			return true
		}
	}
	from := 0
	for from < min(len(x), len(y)) && x[from] == y[from] && x[from] != "" {
		from++
	}
	end := 0
	for end < min(len(x), len(y))-from && x[len(x)-1-end] == y[len(y)-1-end] {
		end++
	}
	if from+end == 0 {
		return false
	}
	l.around = append(l.around, [2]string{strings.Join(x[:from], ""), strings.Join(x[len(x)-end:], "")})
	return true
}

// line returns a line without its volatile words.
func (m *marks) line(group string, p Part, s string) string {
	if len(m.lines) == 0 {
		return s
	}
	l := m.lines[place{group, p, ""}]
	if l == nil {
		return s
	}
	words := wordsOf(s)
	for _, pattern := range l.words[len(words)] {
		if matches(pattern, words) {
			return strings.Join(pattern, "\x01")
		}
	}
	for _, a := range l.around {
		if len(s) >= len(a[0])+len(a[1]) && strings.HasPrefix(s, a[0]) && strings.HasSuffix(s, a[1]) {
			return a[0] + volatileValue + a[1]
		}
	}
	return s
}

func matches(pattern, words []string) bool {
	for i, w := range pattern {
		if w != "" && w != words[i] {
			return false
		}
	}
	return true
}

// wordsOf splits a line into words and the characters between them.
func wordsOf(s string) (out []string) {
	for len(s) > 0 {
		n := max(1, forms.Span(s, forms.IsWord))
		out = append(out, s[:n])
		s = s[n:]
	}
	return out
}
