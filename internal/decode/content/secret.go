package content

import (
	"lodge/internal/decode"
	"lodge/internal/decode/secret"
)

// Header returns the value of a header field as it is shown: see [secret.HeaderValue].
func Header(c *decode.Conn, name, value string) string {
	if c.Secrets {
		return value
	}
	return secret.HeaderValue(name, value)
}

// Target returns a request's target, or another address, as it is shown: see
// [secret.Target].
func Target(c *decode.Conn, target string) string {
	if c.Secrets {
		return target
	}
	return secret.Target(target)
}

// Mask makes the body of a message what is shown: passwords and tokens are masked in
// forms, JSON, XML, HTML and text, and in the parts of a multipart form. contentType may
// be empty: what it is, is recognised by its first byte then. The bytes of the body are
// not changed; there is a new body, where it is another one.
func Mask(c *decode.Conn, m *decode.Message, contentType string) {
	if c.Secrets || len(m.Body) == 0 {
		return
	}
	secret.Replace(m, c.Limits.Body, mask(contentType, m.Body))
}

func mask(contentType string, body []byte) []byte {
	t, _ := mediaType(contentType)
	if t == "multipart/form-data" || t == "multipart/mixed" || t == "multipart/related" {
		return maskParts(contentType, body)
	}
	return secret.Body(t, body)
}

func maskParts(contentType string, body []byte) []byte {
	if !secret.May(body) {
		return body
	}
	var out []byte
	done := 0
	for _, p := range Parts(contentType, body) {
		part := body[p.Begin:p.End]
		masked := part
		if p.Filename == "" && secret.Is(secret.Parameter, p.Name) {
			masked = []byte(decode.Masked)
		} else if t, _ := mediaType(p.Type); t != "" || p.Filename == "" {
			masked = secret.Body(t, part)
		}
		if len(part) > 0 && string(masked) != string(part) {
			out = append(append(out, body[done:p.Begin]...), masked...)
			done = p.End
		}
	}
	if done == 0 {
		return body
	}
	return append(out, body[done:]...)
}
