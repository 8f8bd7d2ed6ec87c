package http2

import (
	"fmt"
	"slices"
	"strconv"

	"lodge/internal/decode"
	"lodge/internal/decode/content"
)

// What header blocks are called in [decode.Exchange.Unknown], besides trailers.
const (
	requestHeader  = "request header"
	responseHeader = "response header"
	interimHeader  = "informational header"
)

// pseudo are the pseudo-header fields that a header block may have (RFC 9113 section
// 8.3, RFC 8441 section 4). A trailer has none.
var pseudo = map[string][]string{
	requestHeader:  {":method", ":scheme", ":path", ":authority", ":protocol"},
	responseHeader: {":status"},
	interimHeader:  {":status"},
}

// maxPseudo is how many bytes of a pseudo-header field's name are shown.
const maxPseudo = 64

// oddPseudo returns what is wrong with a pseudo-header field of a block, which is shown
// in no other place.
func oddPseudo(block string, h *header, i int) string {
	name := h.fields[i].name
	if !slices.Contains(pseudo[block], name) {
		return "it has the pseudo-header field " + strconv.Quote(name[:min(len(name), maxPseudo)]) + ", which must not be there"
	}
	for k := range i {
		if f := &h.fields[k]; !f.noName && f.name == name {
			return "it has " + name + " more than once (request smuggling?): the first one is used"
		}
	}
	return ""
}

// oddLength returns how the Content-Length of a message differs from its body's (RFC
// 9113 section 8.1.1), "" where it does not, or this is not known.
func (st *stream) oddLength(s decode.Side, m *decode.Message) string {
	h := &st.halves[s]
	if !h.header || !h.ended || h.cut || st.emitted || !st.halves[decode.Client].header {
		return ""
	}
	if s == decode.Server && (st.e.Method == "HEAD" || st.e.Code == 204 || st.e.Code == 304) {
		return ""
	}
	n, err := strconv.ParseInt(content.Field(m.Header, "content-length"), 10, 64)
	if err != nil || n == m.BodyBytes {
		return ""
	}
	return fmt.Sprintf("%s: its content-length is %d, and its body has %d bytes (request smuggling?)", word(s), n, m.BodyBytes)
}
