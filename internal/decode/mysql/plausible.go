package mysql

import (
	"bytes"
	"encoding/binary"

	"lodge/internal/decode"
	"lodge/internal/decode/sqltext"
)

// maxSought is the length of the packets that are found in the middle of a
// stream.
const maxSought = 64 << 10

// plausible reports whether a packet with a command begins with b: not only its
// header, but also its fields are such that it is no chance. The answer for the
// first bytes holds whatever follows.
func plausible(b []byte) decode.Verdict {
	n, v := packetHeader(b)
	if v != decode.Yes || len(b) < 5 {
		return v
	}
	if b[3] != 0 {
		return decode.No
	}
	want := 0
	switch b[4] {
	case comQuery, comPrepare:
		return queryBegins(b[5:], n-1)
	case comExecute:
		if n < 10 {
			return decode.No
		}
		if len(b) < 14 {
			return decode.Maybe
		}
		if b[9] <= 0x0f && binary.LittleEndian.Uint32(b[10:]) == 1 {
			return decode.Yes
		}
		return decode.No
	case comPing, comDebug, comStatistics, comProcessInfo, comResetConnection, comQuit:
		want = 1
	case comClose, comReset:
		want = 5
	case comFetch:
		want = 9
	case comSetOption:
		want = 3
	}
	if n != want {
		return decode.No
	}
	if len(b) < 4+n {
		return decode.Maybe
	}
	return decode.Yes
}

// packetHeader reads the length of a packet, which must be one that is sought.
func packetHeader(b []byte) (int, decode.Verdict) {
	if len(b) > 2 && b[2] != 0 {
		return 0, decode.No
	}
	if len(b) < 4 {
		return 0, decode.Maybe
	}
	n := int(b[0]) | int(b[1])<<8
	if n == 0 || n > maxSought {
		return 0, decode.No
	}
	if len(b) < 5 {
		return n, decode.Maybe
	}
	return n, decode.Yes
}

// queryBegins reports whether the text of a statement of n bytes begins with b.
func queryBegins(b []byte, n int) decode.Verdict {
	const enough = 64
	n = min(n, enough)
	if len(b) < n {
		return decode.Maybe
	}
	b = b[:n]
	if len(b) > 1 && b[1] == 1 { // query attributes
		b = b[2:]
		if len(b) > 0 && b[0] < ' ' {
			return decode.No
		}
	}
	if isStatement(string(b)) {
		return decode.Yes
	}
	return decode.No
}

// isStatement reports whether a text begins with a keyword that statements begin
// with.
func isStatement(text string) bool {
	switch sqltext.Kind(sqltext.MySQL, text) {
	case "SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "SET", "SHOW", "BEGIN", "START", "COMMIT", "ROLLBACK",
		"CREATE", "DROP", "ALTER", "TRUNCATE", "USE", "WITH", "EXPLAIN", "DESCRIBE", "DESC", "CALL", "PREPARE",
		"EXECUTE", "DEALLOCATE", "LOCK", "UNLOCK", "GRANT", "REVOKE", "LOAD", "ANALYZE", "OPTIMIZE", "FLUSH", "KILL",
		"SAVEPOINT", "RELEASE", "VALUES", "DO", "HANDLER", "RENAME", "XA", "TABLE":
		return true
	}
	return false
}

// compressedCommand reports whether a packet of the compressed protocol begins
// with b that has a command and is itself not compressed.
func compressedCommand(b []byte) decode.Verdict {
	for i, c := range b[:min(len(b), compressedHeader)] {
		if i >= 3 && c != 0 {
			return decode.No
		}
	}
	if len(b) < compressedHeader+4 {
		return decode.Maybe
	}
	n := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
	inner := int(b[7]) | int(b[8])<<8 | int(b[9])<<16
	if inner+4 != n {
		return decode.No
	}
	return plausible(b[compressedHeader:])
}

// chained reports whether three packets in a row begin with b.
func chained(b []byte) decode.Verdict {
	seq := byte(0)
	for i := range 3 {
		n, v := packetHeader(b)
		if v == decode.No || i > 0 && len(b) > 3 && b[3] != seq {
			return decode.No
		}
		if v == decode.Maybe || i < 2 && len(b) < 4+n {
			return decode.Maybe
		}
		seq = b[3] + 1
		if i < 2 {
			b = b[4+n:]
		}
	}
	return decode.Yes
}

// detect implements [decode.Protocol.Detect].
func detect(p *decode.Prefix) decode.Verdict {
	if p.Midstream {
		return detectMidstream(p)
	}
	b := p.Bytes[decode.Server]
	if len(b) == 0 && len(p.Bytes[decode.Client]) > 0 {
		return decode.No // the server speaks first
	}
	if v := greets(b); v != decode.Maybe || !p.Ended[decode.Server] {
		return v
	}
	return decode.No
}

// greets reports whether a server's first packet begins with b.
func greets(b []byte) decode.Verdict {
	if len(b) > 2 && b[2] != 0 || len(b) > 3 && b[3] != 0 || len(b) > 4 && b[4] != 10 && b[4] != 0xff {
		return decode.No
	}
	if len(b) < 5 {
		return decode.Maybe
	}
	n := int(b[0]) | int(b[1])<<8
	if n > 1024 {
		return decode.No
	}
	if len(b) < 4+n {
		return decode.Maybe
	}
	if b[4] == 0xff {
		if e, ok := readError(b[4 : 4+n]); ok && e.code >= 1000 && e.code < 5000 && isPrintable(e.message) {
			return decode.Yes
		}
		return decode.No
	}
	if g, ok := readGreeting(b[4 : 4+n]); ok && isPrintable(g.version) {
		return decode.Yes
	}
	return decode.No
}

func isPrintable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' {
			return false
		}
	}
	return s != ""
}

// detectMidstream looks for a statement of the client, which may be in a
// compressed packet, for the definition of a column of the server, or for a
// greeting: what was missed may be no more than the packets before it.
func detectMidstream(p *decode.Prefix) decode.Verdict {
	if len(p.Bytes[decode.Client]) == 0 && greets(p.Bytes[decode.Server]) == decode.Yes {
		return decode.Yes
	}
	b := p.Bytes[decode.Client]
	for i := range b {
		if plausible(b[i:]) != decode.Yes {
			continue
		}
		switch b[i+4] {
		case comQuery, comPrepare:
			return decode.Yes
		case comExecute:
			if i == 0 {
				return decode.Yes
			}
		}
	}
	b = p.Bytes[decode.Server]
	for i := 0; i < len(b); {
		at := bytes.Index(b[i:], []byte("\x03def"))
		if at < 0 {
			break
		}
		at += i
		i = at + 1
		if at < 4 || b[at-2] != 0 || b[at-1] < 2 {
			continue
		}
		n := int(b[at-4]) | int(b[at-3])<<8
		if n > len(b)-at || n < 22 {
			continue
		}
		if _, ok := anyColumn(b[at : at+n]); ok {
			return decode.Yes
		}
	}
	if len(p.Bytes[0]) >= decode.PrefixBytes && len(p.Bytes[1]) >= decode.PrefixBytes {
		return decode.No
	}
	return decode.Maybe
}
