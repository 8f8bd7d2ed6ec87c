package syntax

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// Error is the one thing that is wrong in a file, and where.
type Error struct {
	// File is the path of the file, as it was opened, and Shown as the project's
	// file gives it, or "".
	File, Shown string
	// Line and Column start at 1. Column counts characters, not bytes.
	Line, Column int
	// Key is the key or table that is meant, such as "services.web", or "".
	Key string
	// Message says what is wrong.
	Message string
	// Hint says what to write instead, or is "".
	Hint string
}

// Error returns one line: "lodge.toml:4:1: services.web: message (hint)". It
// names a file in the project's directory without that.
func (e *Error) Error() string {
	var b strings.Builder
	name := e.Shown
	if name == "" {
		name = filepath.Base(e.File)
	}
	fmt.Fprintf(&b, "%s:%d:%d: ", name, e.Line, e.Column)
	if e.Key != "" {
		b.WriteString(e.Key + ": ")
	}
	b.WriteString(e.Message)
	if e.Hint != "" {
		b.WriteString(" (" + e.Hint + ")")
	}
	return b.String()
}

// Source is the text of a file, for turning an offset into a position.
type Source struct {
	path  string
	Shown string // see Error
	Data  []byte
}

// NewSource returns the text of a file, without the byte order mark that some
// editors put in front of it.
func NewSource(path string, data []byte) Source {
	return Source{path: path, Data: bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))}
}

// Line returns the number, from 1, of the line that holds the byte at offset.
func (s Source) Line(offset int) int {
	return bytes.Count(s.Data[:s.clamp(offset)], []byte("\n")) + 1
}

// clamp keeps an offset within the text, so that the end of a text that ends
// with a newline is its last line and not one that cannot be seen.
func (s Source) clamp(offset int) int {
	return max(0, min(offset, len(s.Data)-1))
}

// Fail makes an error about the byte at offset.
func (s Source) Fail(offset int, key, message, hint string) *Error {
	offset = s.clamp(offset)
	start := bytes.LastIndexByte(s.Data[:offset], '\n') + 1
	// The last byte of a text may be the middle of its last character.
	for back := 1; back < utf8.UTFMax && offset-back >= start; back++ {
		if r, size := utf8.DecodeRune(s.Data[offset-back:]); r != utf8.RuneError && size > back {
			offset -= back
			break
		}
	}
	return &Error{
		File:    s.path,
		Shown:   s.Shown,
		Line:    s.Line(offset),
		Column:  utf8.RuneCount(s.Data[start:offset]) + 1,
		Key:     key,
		Message: message,
		Hint:    hint,
	}
}

// CheckText refuses what is not plain UTF-8: both formats are defined as that.
func (s Source) CheckText() error {
	if bytes.HasPrefix(s.Data, []byte("\xff\xfe")) || bytes.HasPrefix(s.Data, []byte("\xfe\xff")) {
		return s.Fail(0, "", "the file is UTF-16", "save it as UTF-8")
	}
	for i := 0; i < len(s.Data); {
		r, size := utf8.DecodeRune(s.Data[i:])
		if r == utf8.RuneError && size == 1 {
			return s.Fail(i, "", fmt.Sprintf("byte 0x%02x is not UTF-8", s.Data[i]), "save the file as UTF-8")
		}
		i += size
	}
	return nil
}

// TextLine is a line without its end and without the blanks around it. offset
// is where its text begins in the file.
type TextLine struct {
	Text   string
	Offset int
}

// Lines splits the text at LF or CR LF.
func (s Source) Lines() []TextLine {
	var out []TextLine
	offset := 0
	for line := range bytes.Lines(s.Data) {
		text := strings.TrimRight(string(line), "\r\n\t ")
		trimmed := strings.TrimLeft(text, "\t ")
		out = append(out, TextLine{trimmed, offset + len(text) - len(trimmed)})
		offset += len(line)
	}
	return out
}
