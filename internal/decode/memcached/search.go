package memcached

import (
	"bytes"

	"lodge/internal/decode"
)

// search is what is known while the begin of a message is looked for, after
// bytes that could not be read.
type search struct {
	why    decode.LossReason // empty: it is not looked for
	inLine bool              // what comes next is not the begin of a line
	skip   bool              // what comes next is no begin of a message
	passed int64             // bytes that were passed over
}

// look looks for the begin of a message of a side, and reports whether it found
// one.
func (d *decoder) look(s decode.Side) bool {
	q, f := &d.in[s], &d.search[s]
	for q.Len() > 0 {
		b := q.Bytes()
		if d.form == formUnknown || d.form == formBinary {
			n, v := likeBinary(b, s, f.skip)
			if v == decode.Maybe && d.form == formUnknown {
				return false
			}
			if v != decode.No {
				f.passed += int64(n)
				q.Advance(int64(n))
				f.skip = f.skip && n == 0
				if v == decode.Yes {
					d.form = formBinary
					d.found(s)
				}
				return v == decode.Yes
			}
			if d.form == formBinary {
				f.passed += int64(q.Len())
				q.Advance(int64(q.Len()))
				f.skip = false
				return false
			}
		}
		if f.inLine || f.skip {
			n := bytes.IndexByte(b, '\n') + 1
			f.inLine, f.skip = n == 0, false
			if n == 0 {
				n = len(b)
			}
			f.passed += int64(n)
			q.Advance(int64(n))
			continue
		}
		switch likeText(b, s) {
		case decode.Yes:
			d.form = formText
			d.found(s)
			return true
		case decode.Maybe:
			return false
		}
		f.inLine = true
	}
	return false
}

// found ends a search, and counts what was passed over.
func (d *decoder) found(s decode.Side) {
	f := &d.search[s]
	if f.passed > 0 {
		d.Lost(decode.Loss{Protocol: Name, Side: s, Reason: f.why, Bytes: f.passed})
	}
	*f = search{}
}

// likeBinary looks for a header of the binary protocol, and returns where it may
// begin.
func likeBinary(b []byte, s decode.Side, skip bool) (int, decode.Verdict) {
	i := 0
	if skip {
		i = 1
	}
	for ; i < len(b); i++ {
		n := bytes.IndexByte(b[i:], magic(s))
		if n < 0 {
			break
		}
		i += n
		if len(b)-i < headerLen {
			return i, decode.Maybe
		}
		if plausible(b[i:], s) {
			return i, decode.Yes
		}
	}
	return 0, decode.No
}

// plausible reports whether bytes begin with a header that clients and servers
// send.
func plausible(b []byte, s decode.Side) bool {
	h, ok := parseHeader(b, s)
	if !ok || h.key > maxKey || h.extras > 20 || h.opcode > 0x24 || h.body > maxValue {
		return false
	}
	if s == decode.Client {
		return h.status < 1024 // the number of a vbucket
	}
	return h.status <= 0x86
}

// likeText judges whether bytes begin a line of the text protocol.
func likeText(b []byte, s decode.Side) decode.Verdict {
	known := isAnswer
	if s == decode.Client {
		known = isCommand
	}
	if s == decode.Server && bytes.HasPrefix(b, []byte("key=")) {
		return decode.Yes // of lru_crawler metadump
	}
	i := bytes.IndexAny(b[:min(len(b), 20)], " \r\n")
	switch {
	case i < 0 && len(b) >= 20:
		return decode.No
	case i < 0:
		for _, c := range b {
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' {
				return decode.No
			}
		}
		return decode.Maybe
	case known(string(b[:i])):
		return decode.Yes
	}
	return decode.No
}

// isCommand reports whether a word begins a command.
func isCommand(word string) bool {
	switch word {
	case "set", "add", "replace", "append", "prepend", "cas", "get", "gets", "gat", "gats", "delete", "incr", "decr", "touch",
		"mg", "ms", "md", "ma", "me", "mn", "stats", "flush_all", "version", "verbosity", "quit", "slabs", "lru", "lru_crawler", "watch":
		return true
	}
	return false
}

// isAnswer reports whether a word begins a line of an answer.
func isAnswer(word string) bool {
	switch word {
	case "STORED", "NOT_STORED", "EXISTS", "NOT_FOUND", "DELETED", "TOUCHED", "OK", "VALUE", "END", "STAT", "ITEM", "VERSION",
		"ERROR", "CLIENT_ERROR", "SERVER_ERROR", "RESET", "HD", "VA", "EN", "NF", "NS", "EX", "MN", "ME":
		return true
	}
	return false
}
