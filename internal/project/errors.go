package project

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// ErrNoConfig says that a project has neither lodge.toml nor a Procfile.
var ErrNoConfig = errors.New("no lodge.toml and no Procfile here or above")

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

// source is the text of a file, for turning an offset into a position.
type source struct {
	path  string
	shown string // see Error
	data  []byte
}

// newSource returns the text of a file, without the byte order mark that some
// editors put in front of it.
func newSource(path string, data []byte) source {
	return source{path: path, data: bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))}
}

// line returns the number, from 1, of the line that holds the byte at offset.
func (s source) line(offset int) int {
	return bytes.Count(s.data[:s.clamp(offset)], []byte("\n")) + 1
}

// clamp keeps an offset within the text, so that the end of a text that ends
// with a newline is its last line and not one that nobody can see.
func (s source) clamp(offset int) int {
	return max(0, min(offset, len(s.data)-1))
}

// fail makes an error about the byte at offset.
func (s source) fail(offset int, key, message, hint string) *Error {
	offset = s.clamp(offset)
	start := bytes.LastIndexByte(s.data[:offset], '\n') + 1
	// The last byte of a text may be the middle of its last character.
	for back := 1; back < utf8.UTFMax && offset-back >= start; back++ {
		if r, size := utf8.DecodeRune(s.data[offset-back:]); r != utf8.RuneError && size > back {
			offset -= back
			break
		}
	}
	return &Error{
		File:    s.path,
		Shown:   s.shown,
		Line:    s.line(offset),
		Column:  utf8.RuneCount(s.data[start:offset]) + 1,
		Key:     key,
		Message: message,
		Hint:    hint,
	}
}

// checkText refuses what is not plain UTF-8: both formats are defined as that.
func (s source) checkText() error {
	if bytes.HasPrefix(s.data, []byte("\xff\xfe")) || bytes.HasPrefix(s.data, []byte("\xfe\xff")) {
		return s.fail(0, "", "the file is UTF-16", "save it as UTF-8")
	}
	for i := 0; i < len(s.data); {
		r, size := utf8.DecodeRune(s.data[i:])
		if r == utf8.RuneError && size == 1 {
			return s.fail(i, "", fmt.Sprintf("byte 0x%02x is not UTF-8", s.data[i]), "save the file as UTF-8")
		}
		i += size
	}
	return nil
}
