package tap

import (
	"regexp"

	"lodge/internal/decode"
	"lodge/internal/model"
)

// secretNames are the words with which names of secrets end.
const secretNames = `(?:password|passwd|passphrase|pass|pwd|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|credentials?|auth)`

// masker masks secrets of command lines, by rules: the first group of each is kept, the
// second is the secret, a third is kept. It is made once for an engine.
type masker struct {
	rules []*regexp.Regexp
	known map[string]string // what was masked before
}

const (
	// maxCommand is how much of a command line is shown, in bytes.
	maxCommand = 8 << 10
	// maxKnown bounds what is remembered.
	maxKnown = 4096
)

func newMasker() *masker {
	m := &masker{known: make(map[string]string)}
	for _, rule := range []string{
		// A user's password in a URL.
		`(://[^\s/:@'"]*:)([^\s/@'"]+)(@)`,
		// A header field of curl and others.
		`(?i)((?:authorization|cookie|x-[a-z-]*(?:key|token|auth|secret|session)[a-z-]*|[a-z-]*` + secretNames + `)\s*:\s*)([^'"]+)`,
		// --password VALUE, --db-password=VALUE, -token VALUE.
		`(?i)((?:^|\s)--?[a-z0-9_.-]*` + secretNames + `[a-z0-9_-]*(?:=|\s+))('[^']*'|"[^"]*"|[^\s-]\S*)`,
		// NAME_PASSWORD=VALUE, &token=VALUE.
		`(?i)([a-z0-9_.-]*` + secretNames + `[a-z0-9_]*=)([^\s&'"]+)`,
		// curl -u USER:PASSWORD; redis-cli -a PASSWORD; mysql -pPASSWORD.
		`((?:^|\s)(?:-u|--user|--proxy-user)(?:=|\s*)['"]?[^\s:'"]+:)([^\s'"]+)`,
		`(redis-cli\b.*?\s-a\s+)('[^']*'|\S+)`,
		`((?:mysql|mariadb|mysqldump|mysqladmin)\b.*?\s-p)([^\s'"]+)`,
		// Commands of Redis.
		`(?i)(\s(?:AUTH|requirepass|masterauth)\s+)(\S+(?:\s+\S+)?)`,
	} {
		m.rules = append(m.rules, regexp.MustCompile(rule))
	}
	return m
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
	for _, r := range m.rules {
		masked = r.ReplaceAllString(masked, "${1}"+decode.Masked+"${3}")
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
