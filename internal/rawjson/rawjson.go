// Package rawjson is encoding/json for strings that need not be UTF-8: paths,
// arguments and environments of Linux are bytes, and encoding/json replaces
// what is not UTF-8 by U+FFFD. Between lodge's own processes, and in its files,
// each such byte travels escaped, and what is read is what was written.
//
// What is printed for other programs does not go through here: there the
// escape would be read as text.
package rawjson

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"strings"
	"unicode/utf8"
)

// escape introduces a byte that is not UTF-8, as two hexadecimal digits, or
// with literal the escape itself. It is a noncharacter, which text that is
// interchanged does not have (Unicode, 23.7).
const (
	escape  = "\U0010FFFF"
	literal = "--"
)

// Marshal is json.Marshal.
func Marshal(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	// encoding/json writes a byte that is not UTF-8 as this escape, and U+FFFD
	// itself as it is.
	if err != nil || !bytes.Contains(b, []byte(`\ufffd`)) && !bytes.Contains(b, []byte(escape)) {
		return b, err
	}
	return json.Marshal(Escape(v))
}

// Unmarshal is json.Unmarshal. v must not hold strings from elsewhere.
func Unmarshal(b []byte, v any) error {
	if err := json.Unmarshal(b, v); err != nil {
		return err
	}
	if bytes.Contains(b, []byte(escape)) {
		Restore(v)
	}
	return nil
}

// Write writes v as one line.
func Write(w io.Writer, v any) error {
	b, err := Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// Escape returns a copy of v that encoding/json can write without loss.
func Escape(v any) any {
	if v == nil {
		return nil
	}
	return escaped(reflect.ValueOf(v)).Interface()
}

// Restore undoes [Escape] in the value that v points to.
func Restore(v any) {
	if p := reflect.ValueOf(v); p.Kind() == reflect.Pointer && !p.IsNil() {
		restore(p.Elem())
	}
}

func escapeString(s string) string {
	if utf8.ValidString(s) && !strings.Contains(s, escape) {
		return s
	}
	const hex = "0123456789abcdef"
	var out strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			out.WriteString(escape)
			out.WriteByte(hex[s[i]>>4])
			out.WriteByte(hex[s[i]&15])
		case s[i:i+n] == escape:
			out.WriteString(escape + literal)
		default:
			out.WriteString(s[i : i+n])
		}
		i += n
	}
	return out.String()
}

func restoreString(s string) string {
	before, rest, found := strings.Cut(s, escape)
	if !found {
		return s
	}
	out := []byte(before)
	for found {
		switch b, ok := hexByte(rest); {
		case ok:
			out, rest = append(out, b), rest[2:]
		case strings.HasPrefix(rest, literal):
			out, rest = append(out, escape...), rest[len(literal):]
		default: // not written by Escape: it stays
			out = append(out, escape...)
		}
		before, rest, found = strings.Cut(rest, escape)
		out = append(out, before...)
	}
	return string(out)
}

func hexByte(s string) (byte, bool) {
	if len(s) < 2 {
		return 0, false
	}
	hi, lo := strings.IndexByte("0123456789abcdef", s[0]), strings.IndexByte("0123456789abcdef", s[1])
	return byte(hi<<4 | lo&15), hi >= 0 && lo >= 0
}

func escaped(v reflect.Value) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	out.Set(v)
	switch v.Kind() {
	case reflect.String:
		out.SetString(escapeString(v.String()))
	case reflect.Pointer:
		if !v.IsNil() {
			out.Set(reflect.New(v.Type().Elem()))
			out.Elem().Set(escaped(v.Elem()))
		}
	case reflect.Interface:
		if !v.IsNil() {
			out.Set(escaped(v.Elem()))
		}
	case reflect.Slice:
		if !v.IsNil() && holdsText(v.Type().Elem()) {
			out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
			for i := range v.Len() {
				out.Index(i).Set(escaped(v.Index(i)))
			}
		}
	case reflect.Array:
		for i := range v.Len() {
			out.Index(i).Set(escaped(v.Index(i)))
		}
	case reflect.Map:
		if !v.IsNil() {
			out.Set(reflect.MakeMapWithSize(v.Type(), v.Len()))
			for k, e := range v.Seq2() {
				out.SetMapIndex(escaped(k), escaped(e))
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				out.Field(i).Set(escaped(v.Field(i)))
			}
		}
	}
	return out
}

// restore changes v, which is settable, in its place.
func restore(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(restoreString(v.String()))
	case reflect.Pointer:
		if !v.IsNil() {
			restore(v.Elem())
		}
	case reflect.Interface:
		if !v.IsNil() {
			e := reflect.New(v.Elem().Type()).Elem()
			e.Set(v.Elem())
			restore(e)
			v.Set(e)
		}
	case reflect.Slice:
		if !holdsText(v.Type().Elem()) {
			return
		}
		for i := range v.Len() {
			restore(v.Index(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			restore(v.Index(i))
		}
	case reflect.Map:
		if v.IsNil() {
			return
		}
		out := reflect.MakeMapWithSize(v.Type(), v.Len())
		for k, e := range v.Seq2() {
			key, elem := reflect.New(k.Type()).Elem(), reflect.New(e.Type()).Elem()
			key.Set(k)
			elem.Set(e)
			restore(key)
			restore(elem)
			out.SetMapIndex(key, elem)
		}
		v.Set(out)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				restore(v.Field(i))
			}
		}
	}
}

// holdsText reports whether a value of the type can hold a string: bytes and
// numbers need no walk.
func holdsText(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Pointer, reflect.Interface, reflect.Slice, reflect.Array, reflect.Map, reflect.Struct:
		return true
	}
	return false
}
