package memcached

import (
	"bytes"
	"strings"

	"lodge/internal/decode"
)

// Detect recognises the protocol: by a header of its binary form, or by a
// command line and, where others may send it too, the answer.
func Detect(p *decode.Prefix) decode.Verdict {
	client, server := p.Bytes[decode.Client], p.Bytes[decode.Server]
	if p.Midstream {
		return detectMidstream(client, server)
	}
	if len(client) == 0 {
		return decode.No // servers of memcached wait for a command
	}
	v := detectClient(client)
	if v == decode.No || len(server) == 0 {
		return v
	}
	w := detectServer(server)
	if w == decode.No {
		return decode.No
	}
	if likely(client) {
		return max(v, w)
	}
	return v
}

// DetectDatagram recognises the protocol over UDP by its first datagram.
func DetectDatagram(p *decode.Prefix) decode.Verdict {
	if b := p.Bytes[decode.Client]; isFrame(b) && detectClient(b[frameLen:]) != decode.No {
		return decode.Yes
	}
	if b := p.Bytes[decode.Server]; isFrame(b) && detectServer(b[frameLen:]) == decode.Yes {
		return decode.Yes
	}
	return decode.No
}

// likely reports whether a line needs only its answer to be recognised.
func likely(client []byte) bool { return client[0] != magic(decode.Client) }

// detectClient judges what a client sent.
func detectClient(b []byte) decode.Verdict {
	if b[0] == magic(decode.Client) {
		if len(b) < headerLen {
			return decode.Maybe
		}
		if plausible(b, decode.Client) {
			return decode.Yes
		}
		return decode.No
	}
	if v := likeText(b, decode.Client); v != decode.Yes {
		return v
	}
	line, _, whole := bytes.Cut(b[:min(len(b), 2048)], []byte{'\n'})
	for _, c := range line {
		if c < ' ' && c != '\r' {
			return decode.No
		}
	}
	if !whole {
		return decode.Maybe
	}
	c := parseCommand(bytes.TrimSuffix(line, []byte{'\r'}))
	switch {
	case c.stores && strings.TrimRight(string(line), "\r") != string(line):
		return decode.Yes // no other protocol has such a line
	case c.name == "mg" && len(c.keys) == 1 && len(c.words) > 2 && len(c.words[2]) == 1:
		return decode.Yes
	}
	return decode.Maybe
}

// detectServer judges what a server sent.
func detectServer(b []byte) decode.Verdict {
	if b[0] == magic(decode.Server) {
		if len(b) < headerLen {
			return decode.Maybe
		}
		if plausible(b, decode.Server) {
			return decode.Yes
		}
		return decode.No
	}
	if '0' <= b[0] && b[0] <= '9' {
		line, _, whole := bytes.Cut(b[:min(len(b), 32)], []byte{'\n'})
		if len(bytes.Trim(line, "0123456789 \r")) > 0 {
			return decode.No
		}
		if whole {
			return decode.Yes
		}
		return decode.Maybe
	}
	return likeText(b, decode.Server)
}

// detectMidstream judges bytes that begin anywhere.
func detectMidstream(client, server []byte) decode.Verdict {
	for s, b := range [2][]byte{client, server} {
		side := decode.Side(s)
		if _, v := likeBinary(b, side, false); v == decode.Yes && strong(b, side) {
			return decode.Yes
		}
	}
	c, s := within(client, decode.Client), within(server, decode.Server)
	switch {
	case c && s:
		return decode.Yes
	case len(client) >= decode.PrefixBytes && !c || len(server) >= decode.PrefixBytes && !s:
		return decode.No
	}
	return decode.Maybe
}

// strong reports whether bytes begin with a header: within other bytes one may
// be found by chance.
func strong(b []byte, s decode.Side) bool {
	return len(b) >= headerLen && plausible(b, s)
}

// within reports whether a line of the text protocol begins in bytes.
func within(b []byte, s decode.Side) bool {
	for len(b) > 0 {
		if likeText(b, s) == decode.Yes {
			return true
		}
		_, b, _ = bytes.Cut(b, []byte{'\n'})
	}
	return false
}
