package query

import (
	"net/netip"
	"strings"
	"time"
)

// Type is what the values of a field are, and by that how they are written.
type Type uint8

// The types. Row's methods return the values of a row: the method is named
// with each type.
const (
	// Text is any text; = takes the whole of it, ~ a part, in any case. Row.Text.
	Text Type = iota + 1
	// Choice is one of Field.Words. Row.Text.
	Choice
	// Number is a whole number, with k, M, G or T for thousands. Row.Number.
	Number
	// Size is a number of bytes, with B, k, M, G, T (of 1000) or Ki, Mi, Gi,
	// Ti (of 1024). Row.Number, in bytes.
	Size
	// Duration is a time span such as 200ms or 1h30m. Row.Number, in
	// nanoseconds.
	Duration
	// Time is a moment: RFC 3339, a date, a time of the day, or how long ago it
	// was. Row.Number, in nanoseconds of Unix time.
	Time
	// Bool is yes or no. Row.Number, which is 1 or 0.
	Bool
	// Port is a port's number, a service's name where Schema.Service knows it, or
	// a class: system, user or dynamic (RFC 6335, section 6). Row.Number.
	Port
	// Address is an IP address or a prefix. Row.Address.
	Address
	// Endpoint is a port at one of several addresses. Row.Endpoint.
	Endpoint
	// Pair is NAME, or OWNER/NAME such as a project and its service. Row.Pair.
	Pair
)

// ordered reports whether the values are more or less.
func (t Type) ordered() bool {
	switch t {
	case Number, Size, Duration, Time, Port:
		return true
	}
	return false
}

// textual reports whether a value can contain another.
func (t Type) textual() bool { return t == Text || t == Pair }

// Field is one thing that a filter can ask for.
type Field struct {
	// ID is what Row is asked by.
	ID int
	// Name is the field's key, and Aliases are other names for it. A field
	// without a name has no key: only plain words mean it.
	Name    string
	Aliases []string
	Type    Type
	// Help says in a few words what it is.
	Help string
	// Group is the kind of the field: terms of one kind widen each other where
	// they stand side by side. "" is a kind of its own.
	Group string
	// Covers is a kind of terms that say nothing more beside a term of this
	// field with an owner (Pair).
	Covers string
	// Words are the values of a Choice, and Also maps other spellings to them.
	Words []string
	Also  map[string]string
	// Spaced says that a number may follow the key after a blank: port 3000.
	Spaced bool
	// Single says that each row has exactly one value, of Words.
	Single bool
	// Read, if not nil, reads a value instead of the type.
	Read func(text string) ([]Value, error)
}

func (f *Field) group() string {
	if f.Group != "" {
		return f.Group
	}
	return f.Name
}

// Schema is what one command's filters can ask for.
type Schema struct {
	Fields []Field
	// Word returns what a plain word means, as terms that stand side by side.
	// quoted says that it was written in quotes. nil: plain words are errors.
	Word func(word string, quoted bool) ([]*Term, error)
	// Service returns the port that goes with a service's name; nil knows none.
	Service func(name string) (uint16, bool)
	// Nearest returns the one of list that was probably meant by word, or "";
	// nil suggests nothing.
	Nearest func(word string, list []string) string
	// Now is the present time, by which relative times are read, in its zone.
	Now time.Time
}

// Field returns the field with a key, or nil.
func (s *Schema) Field(key string) *Field {
	for i := range s.Fields {
		f := &s.Fields[i]
		if f.Name == "" {
			continue
		}
		if f.Name == key {
			return f
		}
		for _, a := range f.Aliases {
			if a == key {
				return f
			}
		}
	}
	return nil
}

// ByID returns the field with an ID, or nil.
func (s *Schema) ByID(id int) *Field {
	for i := range s.Fields {
		if s.Fields[i].ID == id {
			return &s.Fields[i]
		}
	}
	return nil
}

// Keys returns the names of the fields that have one.
func (s *Schema) Keys() []string {
	var out []string
	for i := range s.Fields {
		if s.Fields[i].Name != "" {
			out = append(out, s.Fields[i].Name)
		}
	}
	return out
}

// Value is what a field is compared with.
type Value struct {
	// Text is a text; of a Pair the owner, or "" for any.
	Text string
	// Name is the name of a Pair.
	Name string
	// Low and High are the range of a number, both included.
	Low, High int64
	// Prefixes are the addresses of an Address, of which there is at least one,
	// or of an Endpoint, where none is any address.
	Prefixes []netip.Prefix
}

// Fold returns the value of which Contains reports whether it is a part of a
// text, in any case.
func Fold(text string) Value { return Value{Text: strings.ToLower(text)} }

// Row is what a Matcher tests. Each method returns the nth value of a field,
// counted from 0, and false where there are no more.
type Row interface {
	Text(field, n int) (string, bool)
	Number(field, n int) (int64, bool)
	Address(field, n int) (netip.Addr, bool)
	// Endpoint returns an address and a port. any says that the end stands for
	// all addresses, as one that listens on 0.0.0.0 or :: does.
	Endpoint(field, n int) (at netip.AddrPort, any, ok bool)
	Pair(field, n int) (owner, name string, ok bool)
}
