package cli

import (
	"io"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// column is a column of a table of E.
type column[E any] struct {
	title string
	// cell appends the text.
	cell func(b []byte, e *E) []byte
	// least is how narrow the column may become where the terminal is narrow;
	// 0 is not at all.
	least int
	// give is when the column is left out where all are as narrow as they can
	// be: 1 first, 0 never.
	give int
	// paint returns the cell's colour as an SGR code (ECMA-48), "" for none.
	paint func(e *E) string

	full, width int
}

// textTable prints entries in columns. It is made for hundreds of thousands of
// them: it holds none of what it prints.
type textTable[E any] struct {
	columns []column[E]
	// width is the terminal's; 0 is no terminal, and nothing is cut.
	width  int
	color  bool
	header bool
}

const (
	// tableSample is how many entries are looked at to see how wide the columns
	// must be. A longer cell beyond them pushes its line out of the columns.
	tableSample = 5000
	// widestPadding keeps one long cell from pulling all lines apart, where
	// nothing is cut.
	widestPadding = 60
	columnGap     = 2
)

// print writes the table of n entries, which entry gives one at a time.
func (t *textTable[E]) print(w io.Writer, n int, entry func(int) *E) error {
	t.measure(min(n, tableSample), entry)
	b := make([]byte, 0, flushAt+8<<10)
	if t.header {
		b = t.line(b, nil)
	}
	for i := range n {
		b = t.line(b, entry(i))
		if len(b) >= flushAt {
			if _, err := w.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	_, err := w.Write(b)
	return err
}

// measure gives the columns their widths, and leaves out what has no place.
func (t *textTable[E]) measure(n int, entry func(int) *E) {
	for i := range t.columns {
		c := &t.columns[i]
		c.width = 0
		if t.header {
			c.width = displayWidth([]byte(c.title))
		}
	}
	var b []byte
	for j := range n {
		e := entry(j)
		for i := range t.columns {
			c := &t.columns[i]
			b = c.cell(b[:0], e)
			c.width = max(c.width, displayWidth(b))
		}
	}
	for i := range t.columns {
		c := &t.columns[i]
		if t.width == 0 {
			c.width = min(c.width, widestPadding)
		}
		c.full = c.width
	}
	for t.width > 0 && t.total() > t.width {
		if !t.shrink() && !t.leaveOut() {
			return // lines are cut
		}
	}
}

func (t *textTable[E]) total() int {
	n := columnGap * (len(t.columns) - 1)
	for _, c := range t.columns {
		n += c.width
	}
	return n
}

// shrink makes the widest column that may become narrower one narrower.
func (t *textTable[E]) shrink() bool {
	at := -1
	for i, c := range t.columns {
		if c.least > 0 && c.width > c.least && (at < 0 || c.width > t.columns[at].width) {
			at = i
		}
	}
	if at < 0 {
		return false
	}
	t.columns[at].width--
	return true
}

func (t *textTable[E]) leaveOut() bool {
	at := -1
	for i, c := range t.columns {
		if c.give > 0 && (at < 0 || c.give < t.columns[at].give) {
			at = i
		}
	}
	if at < 0 {
		return false
	}
	t.columns = append(t.columns[:at:at], t.columns[at+1:]...)
	for i := range t.columns {
		t.columns[i].width = t.columns[i].full // there is room again
	}
	return true
}

// line appends the line of an entry, or the header for nil.
func (t *textTable[E]) line(b []byte, e *E) []byte {
	begin := len(b)
	used, want := 0, 0 // columns of the terminal
	for i := range t.columns {
		c := &t.columns[i]
		if i > 0 {
			want = max(want, used) + columnGap
		}
		for ; used < want; used++ {
			b = append(b, ' ')
		}
		start := len(b)
		if e == nil {
			b = append(b, c.title...)
		} else {
			b = c.cell(b, e)
		}
		n := displayWidth(b[start:])
		if t.width > 0 {
			if room := min(c.width, t.width-used); n > room {
				b, n = cut(b, start, room)
			}
		}
		if t.color && n > 0 {
			if code := t.paint(c, e); code != "" {
				b = paint(b, start, code)
			}
		}
		used += n
		want += c.width
		if t.width > 0 && used >= t.width {
			break
		}
	}
	for len(b) > begin && b[len(b)-1] == ' ' {
		b = b[:len(b)-1]
	}
	return append(b, '\n')
}

func (t *textTable[E]) paint(c *column[E], e *E) string {
	switch {
	case e == nil:
		return "2"
	case c.paint == nil:
		return ""
	}
	return c.paint(e)
}

// paint puts b[start:] between an SGR code and its end.
func paint(b []byte, start int, code string) []byte {
	text := string(b[start:])
	b = append(b[:start], "\x1b["...)
	b = append(b, code...)
	b = append(b, 'm')
	b = append(b, text...)
	return append(b, "\x1b[0m"...)
}

// cut shortens b[start:] to a width; the last column says that it was.
func cut(b []byte, start, width int) ([]byte, int) {
	if width <= 0 {
		return b[:start], 0
	}
	used, i := 0, start
	for i < len(b) {
		r, n := utf8.DecodeRune(b[i:])
		w := runeWidth(r)
		if used+w > width-1 {
			break
		}
		used += w
		i += n
	}
	return append(b[:i], "…"...), used + 1
}

// displayWidth returns how many columns of a terminal the text takes.
func displayWidth(b []byte) int {
	for i, c := range b {
		if c >= utf8.RuneSelf {
			n := i
			for _, r := range string(b[i:]) {
				n += runeWidth(r)
			}
			return n
		}
	}
	return len(b)
}

// runeWidth knows what terminals agree on: marks that combine take no column,
// East Asian wide characters and pictures take two (Unicode, UAX #11).
func runeWidth(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case r >= 0x1100 && r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf && r != 0x303f, r >= 0xac00 && r <= 0xd7a3, r >= 0xf900 && r <= 0xfaff,
		r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60, r >= 0xffe0 && r <= 0xffe6,
		r >= 0x1f300 && r <= 0x1faff, r >= 0x20000 && r <= 0x3fffd:
		return 2
	}
	return 1
}

// appendClean appends text that somebody else chose, such as the name of a
// process, so that a terminal shows it and does nothing else: control
// characters, what turns the direction of writing, and what is not UTF-8 are
// written as Go would.
func appendClean(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f {
			return appendCleanSlow(append(b, s[:i]...), s[i:])
		}
	}
	return append(b, s...)
}

func appendCleanSlow(b []byte, s string) []byte {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b = append(b, '\\', 'x', hexDigits[s[i]>>4], hexDigits[s[i]&15])
		case unicode.IsPrint(r):
			b = append(b, s[i:i+n]...)
		default:
			q := strconv.AppendQuoteRuneToASCII(nil, r)
			b = append(b, q[1:len(q)-1]...)
		}
		i += n
	}
	return b
}
