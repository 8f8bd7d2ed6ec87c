package secret

import (
	"strings"
	"unicode/utf8"

	"lodge/internal/decode"
)

// Message masks the body of a message of a protocol, as [Body] does. contentType is that
// of the body, with its parameters, or "" where the protocol does not say.
func Message(c *decode.Conn, m *decode.Message, contentType string) {
	if c.Secrets || len(m.Body) == 0 {
		return
	}
	t, _, _ := strings.Cut(contentType, ";")
	Replace(m, c.Limits.Body, Body(strings.ToLower(strings.TrimSpace(t)), m.Body))
}

// Replace makes b the body of a message, of which limit bytes are kept: a mask may be
// longer than a secret.
func Replace(m *decode.Message, limit int, b []byte) {
	m.Body = b
	if len(b) <= limit {
		return
	}
	n := limit
	for n > 0 && n > limit-utf8.UTFMax && !utf8.RuneStart(b[n]) {
		n-- // not within a character
	}
	m.Body, m.Truncated = b[:n], true
}

// Fields masks the values of fields with names of secrets, such as the header of a
// message.
func Fields(c *decode.Conn, fields []decode.Field) {
	if c.Secrets {
		return
	}
	for i := range fields {
		fields[i].Value = HeaderValue(fields[i].Name, fields[i].Value)
	}
}
