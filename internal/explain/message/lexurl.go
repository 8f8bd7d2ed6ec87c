package message

import (
	"strings"

	"lodge/internal/target"
)

// pathForms take URLs and paths.
type pathForms struct{ *scanner }

// url takes a URL, and reports whether there is one.
func (f pathForms) url(rest string) bool {
	s := reURL.get().FindString(rest)
	if s == "" {
		return false
	}
	// A bracket belongs to it only around an address, and what ends a sentence
	// or a list does not.
	if i := strings.IndexByte(s, ']'); i >= 0 && !strings.Contains(s[:i], "[") {
		s = s[:i]
	}
	if i := strings.IndexAny(s, ",;`"); i >= 0 {
		s = s[:i]
	}
	s = strings.TrimRight(s, ".,:;]}*!?")
	t, err := target.Parse(s)
	// gRPC: a resolver of its own, and behind it what it resolves.
	if m := reGRPC.get().FindStringSubmatch(s); m != nil && !strings.HasPrefix(m[1], "unix") {
		if _, known := target.SchemePort(m[1]); (!known || m[1] == "dns") && f.takeHost(len(s), strings.Trim(m[2], "[]"), m[3], "") {
			return true
		}
	}
	switch scheme, _, _ := strings.Cut(s, "://"); {
	case strings.EqualFold(scheme, "file"):
		f.take(noise, len(s))
		return true
	case err != nil:
		// Perhaps only the port is a placeholder, or the path is in the way.
		f.take(noise, max(len(s), len(scheme)+3))
		return true
	}
	if t.Unix == "" && strings.HasPrefix(strings.ToLower(t.Host), "%2f") {
		t.Unix = t.Host
	}
	if t.Unix != "" {
		f.take(socket, len(s)).host.unix = t.Unix
		return true
	}
	k := f.take(address, len(s))
	k.url, k.path = true, t.Path
	k.host = host{ip: t.IP, port: t.Port, hasPort: t.HasPort, protocol: t.Protocol}
	if !t.IP.IsValid() {
		k.host.name = strings.ToLower(strings.TrimSuffix(t.Host, "."))
	}
	return true
}

// file takes a path, or else one character.
func (f pathForms) file(rest string) {
	s := rePath.get().FindString(rest)
	if s == "" {
		if strings.HasPrefix(rest, "@") {
			s = strings.TrimRight(strings.FieldsFunc(rest, func(r rune) bool { return isBlank(byte(min(r, 127))) || r == '"' || r == '\'' })[0], ":.,")
		} else {
			f.take(punct, 1)
			return
		}
	}
	s = strings.TrimRight(s, ":.`]}")
	if len(s) < 2 || rePlace.get().MatchString(s) {
		f.take(noise, max(len(s), 1))
		return
	}
	f.take(socket, len(s)).host.unix = s
}
