package nats

import (
	"bytes"

	"lodge/internal/decode"
)

// op is one line of the protocol.
type op struct {
	verb    string // "PUB", also of HPUB
	subject string
	reply   string
	sid     string
	queue   string
	max     string // of UNSUB
	text    []byte // the JSON of INFO and CONNECT, the text of -ERR
	header  int    // size of the header fields
	size    int    // size of header fields and payload
	carries bool   // header fields and a payload follow
}

// maxSize is the largest payload that is believed; servers have a limit of 64 MB.
const maxSize = 1 << 30

// parse returns what a line with its line end says, and whether it is one that a
// side may send.
func parse(line []byte, s decode.Side) (op, bool) {
	line, ok := bytes.CutSuffix(line, []byte("\n"))
	if !ok {
		return op{}, false
	}
	line = bytes.TrimSuffix(line, []byte("\r"))
	verb, rest := line, []byte(nil)
	if i := bytes.IndexAny(line, " \t"); i >= 0 {
		verb, rest = line[:i], bytes.Trim(line[i:], " \t")
	}
	if len(verb) < 3 || len(verb) > 7 {
		return op{}, false
	}
	name := string(bytes.ToUpper(verb))
	if s == decode.Client {
		return parseClient(name, rest)
	}
	return parseServer(name, rest)
}

func parseClient(verb string, rest []byte) (o op, ok bool) {
	o.verb = verb
	switch verb {
	case "PING", "PONG":
		return o, len(rest) == 0
	case "CONNECT":
		o.text = rest
		return o, len(rest) > 0 && rest[0] == '{'
	case "PUB", "HPUB":
		o.verb, o.carries = "PUB", true
		args := bytes.Fields(rest)
		sizes := 1
		if verb == "HPUB" {
			sizes = 2
		}
		switch len(args) - sizes {
		case 2:
			o.reply = string(args[1])
		case 1:
		default:
			return o, false
		}
		o.subject = string(args[0])
		return o, o.sizes(args[len(args)-sizes:])
	case "SUB":
		args := bytes.Fields(rest)
		switch len(args) {
		case 3:
			o.queue = string(args[1])
		case 2:
		default:
			return o, false
		}
		o.subject, o.sid = string(args[0]), string(args[len(args)-1])
		return o, true
	case "UNSUB":
		args := bytes.Fields(rest)
		switch len(args) {
		case 2:
			o.max = string(args[1])
		case 1:
		default:
			return o, false
		}
		o.sid = string(args[0])
		return o, o.max == "" || number(args[1])
	}
	return o, false
}

func parseServer(verb string, rest []byte) (o op, ok bool) {
	o.verb = verb
	switch verb {
	case "PING", "PONG", "+OK":
		return o, len(rest) == 0
	case "INFO":
		o.text = rest
		return o, len(rest) > 0 && rest[0] == '{'
	case "-ERR":
		o.text = rest
		return o, true
	case "MSG", "HMSG":
		o.verb, o.carries = "MSG", true
		args := bytes.Fields(rest)
		sizes := 1
		if verb == "HMSG" {
			sizes = 2
		}
		switch len(args) - sizes {
		case 3:
			o.reply = string(args[2])
		case 2:
		default:
			return o, false
		}
		o.subject, o.sid = string(args[0]), string(args[1])
		return o, o.sizes(args[len(args)-sizes:])
	}
	return o, false
}

// sizes reads the sizes at a line's end: that of the whole, and before it that
// of the header fields, if there are any.
func (o *op) sizes(args [][]byte) bool {
	for i, a := range args {
		if !number(a) {
			return false
		}
		n := 0
		for _, c := range a {
			n = n*10 + int(c-'0')
		}
		if i < len(args)-1 {
			o.header = n
		} else {
			o.size = n
		}
	}
	return o.size <= maxSize && o.header <= o.size
}

// number reports whether b is a number of at most 10 digits.
func number(b []byte) bool {
	if len(b) == 0 || len(b) > 10 {
		return false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
