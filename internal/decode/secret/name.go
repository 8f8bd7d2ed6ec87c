package secret

import (
	"net/url"
	"strings"
)

// Place is where a name stands: some names are those of secrets in some places only.
type Place uint8

// The places.
const (
	// Field is a member of JSON, an element, an attribute, a column, a field of a
	// document or a message.
	Field Place = 1 << iota
	// Parameter is one of a URL's query or of a form.
	Parameter
	// Header is a field of a header.
	Header

	anywhere = Field | Parameter | Header
)

// Name reports whether the value of a field of this name is a secret.
func Name(name string) bool { return Is(Field, name) }

// Is reports whether what has this name is a secret: password, access_token,
// clientSecret, user[password], wsse:Password. Case, "_", "-", blanks, digits at the end
// and a plural do not matter.
func Is(in Place, name string) bool {
	secret, _ := is(in, name)
	return secret
}

// entry is a name of a secret, without "_", "-" and capitals.
type entry struct {
	text string
	in   Place
	// whole: a longer name that ends so is none, and neither is a plural.
	whole bool
}

// table has the names of secrets by their last letter.
var table = ['z' - 'a' + 1][]entry{
	'd' - 'a': {
		{"password", anywhere, false}, {"passwd", anywhere, false}, {"pwd", anywhere, false}, {"sessionid", anywhere, false},
		{"sessid", anywhere, false}, {"sid", anywhere, true},
	},
	'e' - 'a': {
		{"passphrase", anywhere, false}, {"passcode", anywhere, false}, {"signature", anywhere, false}, {"cookie", anywhere, false},
		{"authcode", anywhere, false}, {"devicecode", anywhere, false}, {"samlresponse", anywhere, true},
		{"authorizationcode", anywhere, false}, {"code", Parameter, true},
	},
	'f' - 'a': {{"csrf", anywhere, true}, {"xsrf", anywhere, true}},
	'g' - 'a': {{"sig", anywhere, true}},
	'h' - 'a': {{"auth", anywhere, true}, {"xauth", Header, false}},
	'l' - 'a': {{"credential", anywhere, false}},
	'n' - 'a': {
		{"token", anywhere, false}, {"authorization", anywhere, false}, {"session", anywhere, true}, {"session", Header, false},
		{"pin", anywhere, true}, {"authentication", anywhere, true}, {"authentication", Header, false}, {"assertion", anywhere, false},
	},
	'p' - 'a': {{"otp", anywhere, true}, {"totp", anywhere, true}, {"otp", Header, false}, {"dpop", Header, true}},
	'r' - 'a': {{"bearer", anywhere, true}, {"codeverifier", anywhere, false}},
	's' - 'a': {{"pass", anywhere, true}, {"dbpass", anywhere, false}, {"userpass", anywhere, false}, {"authpass", anywhere, false}},
	't' - 'a': {{"secret", anywhere, false}, {"jwt", anywhere, false}, {"ticket", Parameter, true}},
	'y' - 'a': {
		{"apikey", anywhere, false}, {"accesskey", anywhere, false}, {"secretkey", anywhere, false}, {"privatekey", anywhere, false},
		{"authkey", anywhere, false}, {"subscriptionkey", anywhere, false}, {"sharedkey", anywhere, false}, {"signingkey", anywhere, false},
		{"encryptionkey", anywhere, false}, {"masterkey", anywhere, false}, {"sessionkey", anywhere, false}, {"functionskey", Header, false},
		{"accountkey", anywhere, false}, {"key", Parameter, true},
	},
}

// open are names that end like those of secrets.
var open = [...]string{"pagetoken", "nexttoken", "continuationtoken", "synctoken", "cursortoken", "resumetoken", "recoverytoken", "showcredential", "allowcredential"}

// harmless is what may stand behind "password" in the name of what is none.
var harmless = [...]string{
	"policy", "hint", "at", "on", "expires", "expired", "expiry", "changed", "required", "length", "strength", "type", "enabled", "attempts",
	"count", "url", "encryption", "lifetime", "requirements", "time",
}

// maxName is how much of a name is looked at, from its end.
const maxName = 128

// is is [Is], and reports whether the name is a plural.
func is(in Place, name string) (secret, plural bool) {
	var buf [maxName]byte
	s := plain(buf[:0], name)
	if n := len(s); n > 3 && s[n-1] == 's' && s[n-2] != 's' {
		s, plural = s[:n-1], true
	}
	if len(s) == 0 || s[len(s)-1] < 'a' || s[len(s)-1] > 'z' {
		return false, false
	}
	for _, e := range table[s[len(s)-1]-'a'] {
		rest := len(s) - len(e.text)
		if e.in&in == 0 || rest < 0 || string(s[rest:]) != e.text {
			continue
		}
		if !e.whole {
			return !isOpen(s), plural
		}
		if rest == 0 && !plural {
			return true, false
		}
	}
	return hasPassword(s), plural
}

func isOpen(s []byte) bool {
	for _, o := range open {
		if len(s) >= len(o) && string(s[len(s)-len(o):]) == o {
			return true
		}
	}
	return false
}

// hasPassword reports whether a name is that of a password with more behind it, such as
// password_hash.
func hasPassword(s []byte) bool {
	i := strings.Index(string(s), "password")
	if i < 0 {
		return false
	}
	rest := string(s[i+len("password"):])
	for _, h := range harmless {
		if strings.HasSuffix(rest, h) {
			return false
		}
	}
	return true
}

// plain appends a name in the form of those in the table: its last part, in small
// letters.
func plain(dst []byte, name string) []byte {
	if len(name) > maxName {
		name = name[len(name)-maxName:]
	}
	if strings.IndexByte(name, '%') >= 0 {
		if s, err := url.QueryUnescape(name); err == nil {
			name = s
		}
	}
	name = strings.TrimPrefix(name, "amp;") // of a URL within HTML
	name = strings.TrimSuffix(strings.TrimSuffix(name, "[]"), "]")
	if i := strings.LastIndexAny(name, "[.:/"); i >= 0 {
		name = name[i+1:]
	}
	for i := range len(name) {
		switch c := name[i]; {
		case c == '_' || c == '-' || c == ' ' || c == '"' || c == '\'' || c == '`' || c == '$' || c == '@':
		case 'A' <= c && c <= 'Z':
			dst = append(dst, c|0x20)
		default:
			dst = append(dst, c)
		}
	}
	for n := len(dst); n > 0 && '0' <= dst[n-1] && dst[n-1] <= '9'; n-- {
		dst = dst[:n-1]
	}
	return dst
}

// stems are what is in every name of the table, by their first letter.
var stems = ['z' - 'a' + 1][]string{
	0:         {"auth", "assert"},
	'b' - 'a': {"bearer"},
	'c' - 'a': {"cred", "cook", "csrf", "code"},
	'd' - 'a': {"dpop"},
	'j' - 'a': {"jwt"},
	'k' - 'a': {"key"},
	'o' - 'a': {"otp"},
	'p' - 'a': {"pass", "pwd", "pin"},
	's' - 'a': {"secret", "sess", "sid", "sig", "saml"},
	't' - 'a': {"token", "ticket"},
	'x' - 'a': {"xsrf"},
}

// seconds has a bit for each second letter of the stems that begin with a letter, by the
// last five bits of the letter.
var seconds = ['z' - 'a' + 1]uint32{
	0:         1<<('u'&31) | 1<<('s'&31),
	'b' - 'a': 1 << ('e' & 31),
	'c' - 'a': 1<<('r'&31) | 1<<('o'&31) | 1<<('s'&31),
	'd' - 'a': 1 << ('p' & 31),
	'j' - 'a': 1 << ('w' & 31),
	'k' - 'a': 1 << ('e' & 31),
	'o' - 'a': 1 << ('t' & 31),
	'p' - 'a': 1<<('a'&31) | 1<<('w'&31) | 1<<('i'&31),
	's' - 'a': 1<<('e'&31) | 1<<('i'&31) | 1<<('a'&31),
	't' - 'a': 1<<('o'&31) | 1<<('i'&31),
	'x' - 'a': 1 << ('s' & 31),
}

// May reports whether a text may have a secret that has a name, or an address with one:
// false means that there is none. An escape of JSON may hide a name. It is much faster
// than masking.
func May[T string | []byte](s T) bool {
	for i := 0; i+1 < len(s); i++ {
		c := s[i] | 0x20
		switch {
		case c >= 'a' && c <= 'z':
			if seconds[c-'a']>>(s[i+1]&31)&1 == 0 {
				continue
			}
			for _, stem := range stems[c-'a'] {
				if hasPrefixFold(s, i, stem) {
					return true
				}
			}
		case c == ':' && i+2 < len(s) && s[i+1] == '/' && s[i+2] == '/', s[i] == '\\' && i+1 < len(s) && s[i+1] == 'u':
			return true
		}
	}
	return false
}

// hasPrefixFold reports whether s continues at i with a prefix in small letters.
func hasPrefixFold[T string | []byte](s T, i int, prefix string) bool {
	if len(s)-i < len(prefix) {
		return false
	}
	for j := 1; j < len(prefix); j++ {
		c := s[i+j]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != prefix[j] {
			return false
		}
	}
	return true
}
