package content

import (
	"bytes"

	"lodge/internal/decode"
)

// Mask makes the body of a message what is shown: passwords and tokens are masked
// in forms, in JSON and in the parts of a multipart form. contentType may be
// empty: JSON is recognised by its first byte then. The bytes of the body are not
// changed; there is a new body, where it is another one.
func Mask(c *decode.Conn, m *decode.Message, contentType string) {
	if c.Secrets || len(m.Body) == 0 {
		return
	}
	m.Body = mask(contentType, m.Body)
	if len(m.Body) > c.Limits.Body { // the mask is longer than the secret
		m.Body, m.Truncated = m.Body[:c.Limits.Body], true
	}
}

func mask(contentType string, body []byte) []byte {
	switch t, _ := mediaType(contentType); {
	case t == "application/x-www-form-urlencoded":
		if bytes.IndexByte(body, '=') < 0 {
			return body
		}
		return []byte(maskPairs(string(body)))
	case t == "multipart/form-data":
		return maskParts(contentType, body)
	case isJSON(t, body) || t == "text/event-stream":
		return maskJSON(body)
	}
	return body
}

// maskJSON masks strings that are values of secret names. The JSON may be cut
// off, be one of several values, or not be JSON at all: it is only searched for
// a string, a colon and a string.
func maskJSON(b []byte) []byte {
	var out []byte
	done := 0 // b[:done] is in out
	for i := 0; i < len(b); {
		q := bytes.IndexByte(b[i:], '"')
		if q < 0 {
			break
		}
		name := i + q + 1
		end := stringEnd(b, name)
		i = end + 1
		if end >= len(b) {
			break
		}
		colon := skipSpace(b, i)
		if colon >= len(b) || b[colon] != ':' {
			continue
		}
		i = skipSpace(b, colon+1)
		if i >= len(b) || b[i] != '"' {
			continue
		}
		value := i + 1
		valueEnd := stringEnd(b, value)
		i = valueEnd + 1
		if valueEnd > value && isSecretName(string(b[name:end])) {
			out = append(out, b[done:value]...)
			out = append(out, decode.Masked...)
			done = valueEnd
		}
	}
	if done == 0 {
		return b
	}
	return append(out, b[done:]...)
}

// stringEnd returns the index of the quote that ends a string, or len(b).
func stringEnd(b []byte, i int) int {
	for i < len(b) && b[i] != '"' {
		if b[i] == '\\' {
			i++
		}
		i++
	}
	return min(i, len(b))
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

func maskParts(contentType string, body []byte) []byte {
	var out []byte
	done := 0
	for _, p := range Parts(contentType, body) {
		if p.End > p.Begin && p.Filename == "" && isSecretName(p.Name) {
			out = append(out, body[done:p.Begin]...)
			out = append(out, decode.Masked...)
			done = p.End
		}
	}
	if done == 0 {
		return body
	}
	return append(out, body[done:]...)
}
