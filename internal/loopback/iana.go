package loopback

import (
	_ "embed"
	"strings"
	"unicode"
)

//go:generate go run lodge/tools/iana -o iana.txt

// ianaText is written by tools/iana, and says where it is from and of when. It
// is searched as it is: nothing is built from it, so it costs nothing at start.
//
//go:embed iana.txt
var ianaText string

// Assignment is what IANA has registered for a port.
type Assignment struct {
	// Name is the service name of RFC 6335, such as "postgresql".
	Name string
	// Aliases are other names registered for the same port.
	Aliases []string
	// Description is the registry's, in English; it may be empty.
	Description string
}

// Assigned returns the service that IANA has registered for a port of TCP or
// UDP (RFC 6335), and whether there is one. It does not say that this service
// is what listens there.
func Assigned(proto Protocol, port uint16) (Assignment, bool) {
	line, ok := findPort(ianaText, port, letter(proto))
	if !ok || letter(proto) == "" {
		return Assignment{}, false
	}
	f := strings.SplitN(line, "\t", 4)
	names := strings.Split(f[2], ",")
	a := Assignment{Name: names[0], Description: f[3]}
	if len(names) > 1 {
		a.Aliases = names[1:]
	}
	return a, true
}

// PortOf returns the port of a service name or alias, in any case ("postgresql",
// "HTTPS"), and whether there is one. Where a name has several ports it is the
// lowest, and TCP's before UDP's.
func PortOf(name string) (uint16, bool) {
	// A name has a letter (RFC 6335, section 5.1): a port or an address is none.
	if !strings.ContainsFunc(name, unicode.IsLetter) || strings.ContainsAny(name, ",:\t\n") {
		return 0, false
	}
	var udp uint16
	for line := range strings.Lines(ianaText) {
		f := strings.SplitN(line, "\t", 4)
		if len(f) != 4 || len(f[2]) < len(name) {
			continue
		}
		for one := range strings.SplitSeq(f[2], ",") {
			if !strings.EqualFold(one, name) {
				continue
			}
			port, _, _ := portRange(line)
			if strings.Contains(f[1], "t") {
				return port, true
			}
			if udp == 0 {
				udp = port
			}
		}
	}
	return udp, udp != 0
}

func letter(p Protocol) string {
	switch p {
	case TCP:
		return "t"
	case UDP:
		return "u"
	}
	return ""
}
