package content

import (
	"fmt"
	"strings"

	"lodge/internal/decode"
)

// maxCodings is how many content codings of one message are undone.
const maxCodings = 3

// Fill makes the body of a message what is shown: content codings that its
// Content-Encoding names are undone, up to Limits.Body bytes, and secrets are
// masked. The body is in the message as it was sent, or the first part of it. It
// returns what could not be had, for the exchange's Unknown.
//
// Codings are those of [Decompress]. With another one the body stays as it was sent,
// and Encoding says so.
func Fill(c *decode.Conn, m *decode.Message) (unknown []string) {
	return fill(c, m, Field(m.Header, "content-encoding"))
}

// FillCoded is [Fill] for a message whose codings are known otherwise, such as
// by its Transfer-Encoding. They are in the order in which they were applied.
func FillCoded(c *decode.Conn, m *decode.Message, codings string) (unknown []string) {
	return fill(c, m, codings)
}

func fill(c *decode.Conn, m *decode.Message, codings string) (unknown []string) {
	list := Codings(codings)
	if len(list) > 0 && m.BodyBytes > 0 {
		problem, coded := undo(m, list, c.Limits.Body)
		if problem != "" {
			unknown = append(unknown, problem)
		}
		if coded {
			return unknown
		}
	}
	Mask(c, m, Field(m.Header, "content-type"))
	return unknown
}

// Field returns the values of all header fields of a name, joined with commas,
// or "".
func Field(header []decode.Field, name string) string {
	all, n := "", 0
	for i := range header {
		if f := &header[i]; len(f.Name) == len(name) && strings.EqualFold(f.Name, name) {
			if n++; n == 1 {
				all = f.Value
			} else {
				all += ", " + f.Value
			}
		}
	}
	return all
}

// Codings returns the codings of a Content-Encoding or Transfer-Encoding field in
// lower case, without "identity" and "chunked", in the order in which they were
// applied.
func Codings(field string) []string {
	if field == "" {
		return nil
	}
	var list []string
	for one := range strings.SplitSeq(field, ",") {
		one = strings.ToLower(strings.TrimSpace(one))
		if name, _, ok := strings.Cut(one, ";"); ok {
			one = strings.TrimSpace(name)
		}
		if one != "" && one != "identity" && one != "chunked" {
			list = append(list, one)
		}
	}
	return list
}

// undo undoes codings, the last one first. It returns what could not be had, and
// whether the body still has a coding.
func undo(m *decode.Message, codings []string, limit int) (problem string, coded bool) {
	var undone []string
	for i := len(codings) - 1; i >= 0; i-- {
		coding := codings[i]
		name, ok := known(coding)
		if !ok || len(undone) == maxCodings {
			m.Encoding = strings.Join(codings[:i+1], ", ")
			return fmt.Sprintf("body is %s-compressed", coding), true
		}
		out, more, err := Decompress(name, m.Body, limit)
		cut := m.Truncated || m.Incomplete
		if err != nil && !cut && len(out) == 0 && len(m.Body) > 0 {
			m.Encoding = strings.Join(codings[:i+1], ", ")
			return fmt.Sprintf("body is not %s, as its header says: %v", coding, err), true
		}
		if err != nil && !cut {
			problem = fmt.Sprintf("body is damaged: its %s ends after %d bytes: %v", coding, len(out), err)
			m.Truncated = true
		}
		m.Body = out
		m.Truncated = m.Truncated || more
		undone = append([]string{coding}, undone...)
	}
	m.Encoding = strings.Join(undone, ", ")
	return problem, false
}

// known returns the name of a coding that can be undone.
func known(coding string) (name string, ok bool) {
	switch coding {
	case "gzip", "x-gzip":
		return "gzip", true
	case "deflate", "br", "zstd":
		return coding, true
	}
	return "", false
}
