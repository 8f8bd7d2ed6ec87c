package mongodb

import (
	"bytes"
	"encoding/binary"

	"lodge/internal/decode"
)

// Detect recognises the protocol by the header of a message and what follows it.
func Detect(p *decode.Prefix) decode.Verdict {
	client, server := p.Bytes[decode.Client], p.Bytes[decode.Server]
	if !p.Midstream {
		if len(client) == 0 {
			return decode.No // servers wait for a request
		}
		return like(client, decode.Client)
	}
	for s, b := range [2][]byte{client, server} {
		if _, v := find(b, decode.Side(s), 0); v == decode.Yes {
			return decode.Yes
		}
	}
	if len(client) >= decode.PrefixBytes && len(server) >= decode.PrefixBytes {
		return decode.No
	}
	return decode.Maybe
}

// enough is how many bytes show that a message begins.
const enough = headerLen + 4 + 1 + 4 + 1

// replyLen is the length of what OP_REPLY has between its header and the
// documents.
const replyLen = 20

// like judges whether bytes begin a message of a side.
func like(b []byte, s decode.Side) decode.Verdict {
	le := binary.LittleEndian
	if len(b) >= 4 {
		if n := int64(int32(le.Uint32(b))); n < enough || n > maxSize {
			return decode.No
		}
	}
	if len(b) >= 12 && (le.Uint32(b[8:]) == 0) != (s == decode.Client) {
		return decode.No
	}
	if len(b) < headerLen {
		return decode.Maybe
	}
	h, ok := parseHeader(b)
	switch {
	case !ok || h.op == opReply && s == decode.Client || s == decode.Server && h.op != opReply && h.op != opMsg && h.op != opCompressed:
		return decode.No
	case len(b) < enough || h.op == opReply && len(b) < headerLen+replyLen+4:
		return decode.Maybe
	case likeContent(h, b[headerLen:]):
		return decode.Yes
	}
	return decode.No
}

// likeContent judges what follows a header, of which at least enough bytes are
// there.
func likeContent(h header, b []byte) bool {
	le := binary.LittleEndian
	switch h.op {
	case opMsg:
		if le.Uint32(b)&0xfffc != 0 || b[4] > 1 {
			return false
		}
		size := int64(int32(le.Uint32(b[5:])))
		if b[4] == 1 {
			return size > 5 && size <= h.size-headerLen-5 && isName(b[9])
		}
		return likeDocument(b[5:], h.size-headerLen-5)
	case opCompressed:
		return opcode(int32(le.Uint32(b))).fields() != "" && int32(le.Uint32(b[4:])) > 0 && b[8] <= 3
	case opReply:
		n := le.Uint32(b[replyLen-4:])
		return le.Uint32(b) < 16 && (n == 0 || likeDocument(b[replyLen:], h.size-headerLen-replyLen))
	case opKillCursors:
		return le.Uint32(b) == 0 && h.size == headerLen+8+8*int64(le.Uint32(b[4:]))
	}
	// A name of a collection: "db.collection".
	name, _, _ := bytes.Cut(b[4:min(len(b), 4+128)], []byte{0})
	for _, c := range name {
		if !isName(c) {
			return false
		}
	}
	return len(name) > 0
}

// likeDocument judges the length and the first type of a document.
func likeDocument(b []byte, limit int64) bool {
	n := int64(int32(binary.LittleEndian.Uint32(b)))
	return n >= 5 && n <= limit && (len(b) < 5 || b[4] == 0 && n == 5 || fixed(b[4]) >= 0)
}

func isName(c byte) bool { return c > ' ' && c != 0x7f }

// find looks for the begin of a message, from an index on, and returns where it
// may be.
func find(b []byte, s decode.Side, from int) (int, decode.Verdict) {
	for i := from; i < len(b); i++ {
		if v := like(b[i:], s); v != decode.No {
			return i, v
		}
	}
	return len(b), decode.No
}
