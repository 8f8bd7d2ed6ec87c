package tap

import (
	"regexp"
	"strings"

	"lodge/internal/decode"
	"lodge/internal/decode/secret"
	"lodge/internal/model"
)

// masker masks secrets of command lines, by rules. It is made once for an engine.
type masker struct {
	rules   []rule
	address *regexp.Regexp
	known   map[string]string // what was masked before
}

// rule finds something of a command line that may be a secret: the first group of the
// expression is kept, the second is the secret, a third is kept. Where the expression has
// a group "name", what is there must be the name of a secret.
type rule struct {
	*regexp.Regexp
	name  int
	place secret.Place
}

const (
	// maxCommand is how much of a command line is shown, in bytes.
	maxCommand = 8 << 10
	// maxKnown bounds what is remembered.
	maxKnown = 4096
)

func newMasker() *masker {
	m := &masker{known: make(map[string]string), address: regexp.MustCompile(`https?://[^\s'"]+`)}
	for _, r := range []struct {
		place secret.Place
		text  string
	}{
		// A user's password in a URL.
		{0, `(://[^\s/:@'"]*:)([^\s/@'"]+)(@)`},
		// A header field of curl and others.
		{secret.Header, `((?P<name>[A-Za-z][A-Za-z0-9_-]*)\s*:\s*)([^'"\\][^'"]*)`},
		// --password VALUE, --db-password=VALUE, -token VALUE.
		{secret.Field, `((?:^|\s)--?(?P<name>[A-Za-z0-9_.-]+)(?:=|\s+))('[^']*'|"[^"]*"|[^\s-]\S*)`},
		// &code=VALUE, NAME_PASSWORD=VALUE.
		{secret.Parameter, `([?&](?P<name>[^\s=&?]+)=)([^\s&'"]+)`},
		{secret.Field, `((?P<name>[A-Za-z0-9_.-]+)=)([^\s&'"]+)`},
		// curl -u USER:PASSWORD, -b NAME=VALUE; redis-cli -a PASSWORD; mysql -pPASSWORD.
		{0, `((?:^|\s)(?:-u|-U|--user|--proxy-user)(?:=|\s*)['"]?[^\s:'"]+:)([^\s'"]+)`},
		{0, `((?:^|\s)-b\s*[^\s=;'"]+=)([^\s'"]+)`},
		{0, `((?:^|\s)-b\s*'[^\s=;']+=)([^']+)`},
		// Options with one letter that other programs use for something else.
		{0, `((?:^|/)(?:sshpass|mongo|mongosh|mongodump|mongorestore|mongoexport|mongoimport|rabbitmqadmin|sqlplus|docker login)\s(?:.*?\s)??(?:-p|--password)\s*)('[^']*'|[^\s'"]+)`},
		{0, `((?:^|/)(?:mosquitto_pub|mosquitto_sub|mosquitto_rr|sqlcmd|isql)\s(?:.*?\s)??-P\s*)('[^']*'|[^\s'"]+)`},
		{0, `((?:^|/)(?:ldapsearch|ldapmodify|ldapadd|ldapwhoami)\s(?:.*?\s)??-w\s*)('[^']*'|[^\s'"]+)`},
		{0, `((?:^|/)(?:ab|http|https|siege)\s(?:.*?\s)??(?:-A|-P|-a|--auth)[=\s]\s*[^\s:'"]+:)([^\s'"]+)`},
		{0, `(redis-cli\b.*?\s-a\s+)('[^']*'|\S+)`},
		{0, `((?:mysql|mariadb|mysqldump|mysqladmin)\b.*?\s-p)([^\s'"]+)`},
		// Commands of Redis.
		{0, `(?i)(\s(?:AUTH|requirepass|masterauth)\s+)(\S+(?:\s+\S+)?)`},
	} {
		re := regexp.MustCompile(r.text)
		m.rules = append(m.rules, rule{re, re.SubexpIndex("name"), r.place})
	}
	return m
}

// mask masks what the rule finds.
func (r *rule) mask(s string) string {
	var out []byte
	done := 0
	for from := 0; from < len(s); {
		at := r.FindStringSubmatchIndex(s[from:])
		if at == nil {
			break
		}
		group, after := 2, from+at[3]
		if r.name > 0 {
			group = 3
			if !secret.Is(r.place, s[from+at[2*r.name]:from+at[2*r.name+1]]) {
				from = after // the value may have a name too
				continue
			}
		}
		out = append(append(out, s[done:from+at[2*group]]...), decode.Masked...)
		done = from + at[2*group+1]
		from = done
	}
	if done == 0 {
		return s
	}
	return string(append(out, s[done:]...))
}

// command returns a command line without its secrets.
func (m *masker) command(s string) string {
	if s == "" {
		return ""
	}
	if masked, ok := m.known[s]; ok {
		return masked
	}
	masked := s
	if len(masked) > maxCommand {
		masked = masked[:maxCommand] + " …"
	}
	// What curl -d and the like send, before the rules, which know no quotes in quotes.
	if strings.IndexByte(masked, '{') >= 0 {
		masked = string(secret.JSON([]byte(masked)))
	}
	if strings.IndexByte(masked, '<') >= 0 {
		masked = string(secret.Markup([]byte(masked)))
	}
	masked = m.address.ReplaceAllStringFunc(masked, secret.Target)
	for i := range m.rules {
		masked = m.rules[i].mask(masked)
	}
	if len(m.known) >= maxKnown {
		clear(m.known)
	}
	m.known[s] = masked
	return masked
}

// processes returns processes with their command lines masked.
func (m *masker) processes(list []model.Process) []model.Process {
	for i := range list {
		if masked := m.command(list[i].Command); masked != list[i].Command {
			out := append([]model.Process(nil), list...)
			for j := i; j < len(out); j++ {
				out[j].Command = m.command(out[j].Command)
			}
			return out
		}
	}
	return list
}
