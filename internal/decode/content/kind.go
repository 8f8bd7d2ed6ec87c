package content

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// mediaType returns the media type of a Content-Type field in lower case, and
// its parameters.
func mediaType(contentType string) (t, parameters string) {
	t, parameters, _ = strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(t)), parameters
}

// MediaType returns the media type of a Content-Type field in lower case,
// without its parameters.
func MediaType(contentType string) string {
	t, _ := mediaType(contentType)
	return t
}

// IsText reports whether a body can be shown as text: by its bytes, which must be
// UTF-8 without control characters. A media type that is an image, sound, video or
// font is never text, but SVG is. The body may be cut off in a character.
func IsText(contentType string, body []byte) bool {
	t, _ := mediaType(contentType)
	major, minor, _ := strings.Cut(t, "/")
	switch major {
	case "audio", "video", "font":
		return false
	case "image":
		if !strings.HasSuffix(minor, "xml") {
			return false
		}
	}
	return isText(body)
}

func isText(b []byte) bool {
	for len(b) > 0 {
		if b[0] < utf8.RuneSelf {
			if b[0] < ' ' && b[0] != '\n' && b[0] != '\r' && b[0] != '\t' && b[0] != '\f' && b[0] != 0x1b || b[0] == 0x7f {
				return false
			}
			b = b[1:]
			continue
		}
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n <= 1 {
			return !utf8.FullRune(b)
		}
		b = b[n:]
	}
	return true
}

// Part is one part of a multipart body (RFC 2046 section 5.1, RFC 7578).
type Part struct {
	// Name and Filename are those of its Content-Disposition, Type its
	// Content-Type.
	Name, Filename, Type string
	// Begin and End are where it is in the body: what is after its header, without
	// the line break before the next boundary.
	Begin, End int
}

// maxParts is how many parts of a body are listed.
const maxParts = 64

// Parts returns the parts of a multipart body, at most the first 64. Where the
// body is cut off, the last part ends there.
func Parts(contentType string, body []byte) []Part {
	t, parameters := mediaType(contentType)
	boundary := parameter(parameters, "boundary")
	if !strings.HasPrefix(t, "multipart/") || boundary == "" || len(boundary) > 200 {
		return nil
	}
	delimiter := []byte("--" + boundary)
	var parts []Part
	at := nextDelimiter(body, 0, delimiter)
	for at >= 0 && len(parts) < maxParts {
		begin := at + len(delimiter)
		if bytes.HasPrefix(body[begin:], []byte("--")) {
			break
		}
		line := bytes.IndexByte(body[begin:], '\n')
		if line < 0 {
			break
		}
		p := Part{Begin: begin + line + 1}
		p.header(body)
		at = nextDelimiter(body, p.Begin, delimiter)
		p.End = len(body)
		if at >= 0 {
			p.End = max(at-1, p.Begin)
			if p.End > p.Begin && body[p.End-1] == '\r' {
				p.End--
			}
		}
		parts = append(parts, p)
	}
	return parts
}

// nextDelimiter returns the index of the next delimiter at the begin of a line,
// or -1.
func nextDelimiter(b []byte, from int, delimiter []byte) int {
	for from <= len(b) {
		i := bytes.Index(b[from:], delimiter)
		if i < 0 {
			return -1
		}
		if i += from; i == 0 || b[i-1] == '\n' {
			return i
		}
		from = i + len(delimiter)
	}
	return -1
}

// header reads the header of a part, and moves its begin past it.
func (p *Part) header(body []byte) {
	for {
		n := bytes.IndexByte(body[p.Begin:], '\n')
		if n < 0 {
			p.Begin = len(body)
			return
		}
		line := strings.TrimRight(string(body[p.Begin:p.Begin+n]), "\r")
		p.Begin += n + 1
		if line == "" {
			return
		}
		name, value, _ := strings.Cut(line, ":")
		switch {
		case strings.EqualFold(name, "content-disposition"):
			_, parameters, _ := strings.Cut(value, ";")
			p.Name, p.Filename = parameter(parameters, "name"), parameter(parameters, "filename")
		case strings.EqualFold(name, "content-type"):
			p.Type = strings.TrimSpace(value)
		}
	}
}

// parameter returns the value of a parameter, without its quotes, or "".
func parameter(parameters, name string) string {
	for rest := parameters; rest != ""; {
		var one string
		one, rest = cutParameter(rest)
		k, v, _ := strings.Cut(one, "=")
		if strings.EqualFold(strings.TrimSpace(k), name) {
			return unquote(strings.TrimSpace(v))
		}
	}
	return ""
}

// cutParameter cuts at the first semicolon that is not in quotes.
func cutParameter(s string) (one, rest string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == '\\' && quoted:
			i++
		case s[i] == ';' && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(s[1 : len(s)-1])
}
