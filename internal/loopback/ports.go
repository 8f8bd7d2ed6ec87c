package loopback

import (
	_ "embed"
	"strings"
)

// Class is what RFC 6335, section 6, says of a port number: by whom and how it
// is assigned. It says nothing of what this machine uses it for; the range from
// which Linux takes the ports of outgoing connections is a setting of its own.
type Class string

// The classes of ports.
const (
	ClassReserved Class = "reserved" // 0: no port; bind takes it as "any"
	ClassSystem   Class = "system"   // 1 to 1023, also "well-known"
	ClassUser     Class = "user"     // 1024 to 49151, also "registered"
	ClassDynamic  Class = "dynamic"  // 49152 to 65535, also "private": never assigned
)

// PortClass returns the class of a port.
func PortClass(port uint16) Class {
	switch {
	case port == 0:
		return ClassReserved
	case port < 1024:
		return ClassSystem
	case port < DynamicFirst:
		return ClassUser
	}
	return ClassDynamic
}

// commonText has "port, tab, use" lines, sorted by port; # starts a comment.
//
//go:embed common.txt
var commonText string

// CommonUse returns what developers commonly use a port for, as a phrase such as
// "PostgreSQL" or "Vite's development server", and whether anything is known.
// It is a list made by hand, not the registry: see Assigned.
func CommonUse(port uint16) (string, bool) {
	line, ok := findPort(commonText, port, "")
	if !ok {
		return "", false
	}
	_, use, _ := strings.Cut(line, "\t")
	return use, true
}

// findPort finds the line of a port in a text of lines that start with a port
// or a range and a tab, sorted. Where several lines have the port (one for each
// protocol) it is the one whose second field contains proto.
func findPort(text string, port uint16, proto string) (string, bool) {
	low, high := 0, len(text) // the line begins in [low, high)
	for low < high {
		start := strings.LastIndexByte(text[low:(low+high)/2], '\n') + 1 + low
		line, _, _ := strings.Cut(text[start:], "\n")
		first, last, _ := portRange(line)
		switch {
		case line == "" || line[0] == '#' || last < port:
			low = start + len(line) + 1
		case first > port:
			high = start
		default:
			return lineOf(text, start, port, proto)
		}
	}
	return "", false
}

// lineOf picks among the lines with the same port around the one at start.
func lineOf(text string, start int, port uint16, proto string) (string, bool) {
	for start > 0 {
		before := strings.LastIndexByte(text[:start-1], '\n') + 1
		if first, last, ok := portRange(text[before:start]); !ok || port < first || port > last {
			break
		}
		start = before
	}
	for line := range strings.Lines(text[start:]) {
		line = strings.TrimSuffix(line, "\n")
		first, last, ok := portRange(line)
		if !ok || port < first || port > last {
			break
		}
		_, rest, _ := strings.Cut(line, "\t")
		protos, _, _ := strings.Cut(rest, "\t")
		if proto == "" || strings.Contains(protos, proto) {
			return line, true
		}
	}
	return "", false
}

// portRange reads "80" or "6000-6063" before a tab.
func portRange(line string) (first, last uint16, ok bool) {
	ports, _, ok := strings.Cut(line, "\t")
	if !ok {
		return 0, 0, false
	}
	from, to, isRange := strings.Cut(ports, "-")
	if !isRange {
		to = from
	}
	first, ok1 := number(from)
	last, ok2 := number(to)
	return first, last, ok1 && ok2
}

// number reads a port in decimal.
func number(s string) (uint16, bool) {
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		if n = n*10 + int(s[i]-'0'); n > 65535 {
			return 0, false
		}
	}
	return uint16(n), s != ""
}
