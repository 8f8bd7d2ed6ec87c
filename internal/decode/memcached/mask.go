package memcached

import (
	"bytes"
	"strings"

	"lodge/internal/decode"
	"lodge/internal/decode/secret"
)

// Emit emits an exchange without its secrets: the values of keys that have the name of
// one, and what has such a name within a value.
func (d *session) Emit(e *decode.Exchange) {
	if !d.Secrets {
		key := secret.May(e.Target) && secret.Name(e.Target)
		for _, m := range [...]*decode.Message{&e.Request, &e.Response} {
			switch {
			case len(m.Body) == 0:
			case strings.Contains(e.Target, " ") && bytes.HasPrefix(m.Body, []byte(valueLine)): // of several keys
				secret.Replace(m, d.Limits.Body, maskValues(m.Body))
			case key:
				secret.Replace(m, d.Limits.Body, []byte(decode.Masked))
			default:
				secret.Message(d.Conn, m, "")
			}
		}
	}
	d.Conn.Emit(e)
}

const valueLine = "VALUE "

// maskValues masks values of several keys, each behind its line "VALUE key flags bytes".
func maskValues(b []byte) (out []byte) {
	for len(b) > 0 {
		line, rest, _ := bytes.Cut(b, []byte{'\n'})
		words := strings.Fields(string(line))
		if len(words) < 4 || words[0]+" " != valueLine {
			break
		}
		size, ok := number(words[3], maxValue)
		if !ok {
			break
		}
		value := rest[:min(int64(len(rest)), size)]
		b = rest[len(value):]
		out = append(append(out, line...), '\n')
		if secret.Name(words[1]) {
			out = append(out, decode.Masked...)
		} else {
			out = append(out, secret.Body("", value)...)
		}
		if len(b) > 0 && b[0] == '\n' {
			out, b = append(out, '\n'), b[1:]
		}
	}
	return append(out, secret.Body("", b)...)
}
