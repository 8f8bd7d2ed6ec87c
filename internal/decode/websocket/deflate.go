package websocket

import (
	"errors"
	"strings"

	"lodge/internal/decode"
	"lodge/internal/decode/content"
)

// extensions is what was negotiated.
type extensions struct {
	deflate   bool    // permessage-deflate
	noContext [2]bool // by side: each message is compressed on its own
	other     string  // an extension that is not known
}

// parseExtensions reads the Sec-WebSocket-Extensions field of a response.
func parseExtensions(field string) (x extensions) {
	for one := range strings.SplitSeq(field, ",") {
		name, parameters, _ := strings.Cut(one, ";")
		switch name = strings.ToLower(strings.TrimSpace(name)); name {
		case "":
		case "permessage-deflate":
			x.deflate = true
			for p := range strings.SplitSeq(parameters, ";") {
				key, _, _ := strings.Cut(p, "=")
				switch strings.ToLower(strings.TrimSpace(key)) {
				case "server_no_context_takeover":
					x.noContext[decode.Server] = true
				case "client_no_context_takeover":
					x.noContext[decode.Client] = true
				}
			}
		default:
			x.other = name
		}
	}
	return x
}

// whyReserved returns what a reserved bit means that permessage-deflate does not
// use.
func (x *extensions) whyReserved() string {
	if x.other != "" {
		return "it has the form of the extension " + x.other + ", which is not known"
	}
	return "it has a reserved bit of an extension that was not negotiated"
}

// whyOpcode returns what an opcode means that the protocol does not have.
func (x *extensions) whyOpcode() string {
	if x.other != "" {
		return "its opcode is one of the extension " + x.other + ", which is not known"
	}
	return "its opcode is reserved"
}

// deflate undoes the compression of one direction.
type deflate struct {
	inflate content.Inflater
	keep    bool
	lost    string // why messages cannot be decompressed any more
}

func (z *deflate) init(x *extensions, s decode.Side, blind bool) {
	z.keep = !x.noContext[s]
	if blind {
		z.lost = "what it was compressed with was negotiated and sent before the recording began"
	}
}

// mostTimes is how many times as long as it is held a message may be after
// decompression; what is longer is a bomb.
const mostTimes = 32

// parts decompresses a message that is too long to be held.
func (z *deflate) parts(limits decode.Limits) *content.LongPiece {
	return z.inflate.LongPiece(z.keep, limits.Body, mostTimes*limits.Message)
}

// undo decompresses a message, and returns why it could not.
func (z *deflate) undo(m *decode.Message, from *message, limits decode.Limits) string {
	if z.lost != "" {
		return "it is compressed: " + z.lost
	}
	cut := from.hole || m.Incomplete
	var (
		out []byte
		n   int64
		err error
	)
	if from.parts != nil {
		out, n, err = from.parts.Close()
	} else {
		out, n, err = z.inflate.Piece(m.Body, z.keep && !cut, limits.Body, mostTimes*limits.Message)
	}
	if cut {
		// Its begin can be read, and no message after it that refers to its end.
		if m.Body, m.Truncated = out, true; z.keep {
			z.lost = "it refers to a message of which not all was kept"
		}
		return ""
	}
	if err != nil {
		if z.keep {
			z.lost = "it refers to a message that could not be decompressed"
		}
		if len(out) == 0 {
			return "it could not be decompressed: " + err.Error()
		}
	}
	if m.Body, m.Truncated = out, int64(len(out)) < n; err == nil {
		return ""
	}
	m.Truncated = true
	if errors.Is(err, content.ErrTooMuch) {
		return ""
	}
	return "its compression is damaged: " + err.Error()
}
