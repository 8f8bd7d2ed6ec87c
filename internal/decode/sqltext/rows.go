package sqltext

import (
	"encoding/hex"
	"strconv"
	"unicode/utf8"

	"lodge/internal/decode"
	"lodge/internal/decode/secret"
)

// Rows writes the first rows of a result as text: a line of the names of the
// columns, then one line for each row, with tabs between the values. NULL is \N,
// and a tab, a line feed and a backslash in a value are escaped, as in the text
// format of PostgreSQL's COPY.
type Rows struct {
	limit int
	b     []byte
	cut   bool // there was more than is in b
	first bool // the next value is the first one of its line
	// masked are the columns whose values are secrets, nil: none; next is the column of
	// the next value.
	secrets bool
	masked  []bool
	next    int
	n       int64
	bytes   int64
}

// NewRows returns an empty text of which limit bytes are kept. Unless secrets are wanted,
// values of columns with names of secrets are masked.
func NewRows(limit int, secrets bool) *Rows { return &Rows{limit: limit, secrets: secrets} }

// Mask says which columns of the result have secrets beside those whose names are in
// [Rows.Columns]: they have other names in their table.
func (r *Rows) Mask(names []string) {
	for i, name := range names {
		if !r.secrets && i < 1<<16 && secret.Name(name) {
			for len(r.masked) <= i {
				r.masked = append(r.masked, false)
			}
			r.masked[i] = true
		}
	}
}

// Columns begins a result with the names of its columns.
func (r *Rows) Columns(names []string) {
	r.masked = nil
	r.Mask(names)
	if len(r.b) > 0 {
		r.write("\n")
	}
	for i, name := range names {
		if i > 0 {
			r.write("\t")
		}
		r.escape([]byte(name))
	}
	r.write("\n")
}

// Row begins a row of a number of bytes as it was sent.
func (r *Rows) Row(bytes int64) {
	r.n++
	r.bytes += bytes
	r.first, r.next = true, 0
}

// Full reports whether no more text is kept: values need not be written.
func (r *Rows) Full() bool { return len(r.b) >= r.limit }

// Value writes a value of the row.
func (r *Rows) Value(v []byte) {
	r.separate()
	if r.next <= len(r.masked) && r.masked[r.next-1] {
		if len(v) > 0 {
			r.write(decode.Masked)
		}
		return
	}
	r.escape(v)
}

// Null writes a NULL.
func (r *Rows) Null() {
	r.separate()
	r.write(`\N`)
}

func (r *Rows) separate() {
	if !r.first {
		r.write("\t")
	}
	r.first = false
	r.next++
}

// EndRow ends the line of a row; whole reports whether all its values were
// written.
func (r *Rows) EndRow(whole bool) {
	if !whole {
		r.cut = true
		if r.first {
			return // nothing of it was written
		}
	}
	r.write("\n")
}

// Len is the number of rows, Bytes that of their bytes as they were sent.
func (r *Rows) Len() int64 { return r.n }

// Bytes is the number of bytes of the rows as they were sent.
func (r *Rows) Bytes() int64 { return r.bytes }

// Fill puts the rows into a message.
func (r *Rows) Fill(m *decode.Message) {
	m.Body, m.BodyBytes, m.Truncated = r.b, r.bytes, r.cut
}

func (r *Rows) write(s string) {
	if room := r.limit - len(r.b); room < len(s) {
		r.cut = true
		s = s[:max(room, 0)]
	}
	r.b = append(r.b, s...)
}

func (r *Rows) escape(v []byte) {
	start := 0
	for i, c := range v {
		e := ""
		switch c {
		case '\t':
			e = `\t`
		case '\n':
			e = `\n`
		case '\r':
			e = `\r`
		case '\\':
			e = `\\`
		default:
			continue
		}
		r.raw(v[start:i])
		r.write(e)
		start = i + 1
		if r.Full() {
			break
		}
	}
	r.raw(v[start:])
}

func (r *Rows) raw(v []byte) {
	if room := max(r.limit-len(r.b), 0); room < len(v) {
		r.cut = true
		v = v[:room]
	}
	r.b = append(r.b, v...)
}

// maxValue is how many bytes of a parameter's value are kept.
const maxValue = 4096

// Value returns a parameter's value, of which size bytes were sent, as text: in
// hexadecimal where it is not UTF-8, and shortened where it is long.
func Value(v []byte, size int64) string {
	if !utf8.Valid(trimRune(v, size)) {
		return Hex(v, size)
	}
	v = trimRune(v, size)
	if len(v) > maxValue {
		v = trimRune(v[:maxValue], size)
	}
	return string(v) + more(int64(len(v)), size)
}

// Hex returns bytes, of which size were sent, in hexadecimal as \x….
func Hex(v []byte, size int64) string {
	v = v[:min(len(v), maxValue/2)]
	return `\x` + hex.EncodeToString(v) + more(int64(len(v)), size)
}

func more(kept, size int64) string {
	if kept >= size {
		return ""
	}
	return "… (" + strconv.FormatInt(size, 10) + " bytes)"
}

// trimRune cuts a rune that is not whole off the end of a value that is longer
// than what is here of it.
func trimRune(v []byte, size int64) []byte {
	if int64(len(v)) >= size {
		return v
	}
	for i := 0; i < utf8.UTFMax && len(v) > 0; i++ {
		if r, n := utf8.DecodeLastRune(v); r != utf8.RuneError || n != 1 {
			break
		}
		v = v[:len(v)-1]
	}
	return v
}
