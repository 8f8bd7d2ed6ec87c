package redis

import (
	"bytes"
	"strconv"
	"strings"

	"lodge/internal/decode"
)

// changesSubscriptions reports whether a kind of push confirms a command.
func changesSubscriptions(kind string) bool {
	switch kind {
	case "subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe":
		return true
	}
	return false
}

// isConfirmation reports whether a value confirms one subscription of a command.
func isConfirmation(a *answer, head *pending) bool {
	kind := string(a.words[0])
	return head != nil && (a.typ == '*' || a.typ == '>') && a.n == 3 && changesSubscriptions(kind) && strings.ToUpper(kind) == head.name
}

// confirm takes one of the answers to a command that changes subscriptions.
func (d *answers) confirm(a *answer, p *pending) {
	if p.left < 0 {
		p.left = max(d.subscribed.of(p.name), 1)
	}
	d.subscribed.count(a)
	e := p.e
	if !p.confirmed {
		p.confirmed = true
		e.Answered = d.parser.begin
	}
	e.Ended = d.parser.last
	e.Status = strings.ToLower(p.name) + " " + string(a.words[2])
	if d.version != "" {
		e.Version = d.version
	}
	e.Response.Bytes += d.parser.size
	e.Response.BodyBytes += a.payload
	if room := d.Limits.Body - len(e.Response.Body); len(a.body.Bytes()) < room {
		if len(e.Response.Body) > 0 {
			e.Response.Body = append(e.Response.Body, '\n')
		}
		e.Response.Body = append(e.Response.Body, a.body.Bytes()...)
	} else {
		e.Response.Truncated = true
	}
	if p.left--; p.left <= 0 {
		d.pending.pop()
		d.Emit(e)
	}
}

// subscriptions is how many a client has.
type subscriptions struct{ channels, patterns, shards int64 }

func (n *subscriptions) any() bool { return n.channels+n.patterns+n.shards > 0 }

// of returns how many a command without arguments ends.
func (n *subscriptions) of(name string) int64 {
	switch name {
	case "UNSUBSCRIBE":
		return n.channels
	case "PUNSUBSCRIBE":
		return n.patterns
	}
	return n.shards
}

// count follows the number of subscriptions: that of channels and patterns is
// told as their sum.
func (n *subscriptions) count(a *answer) {
	sum, err := strconv.ParseInt(string(a.words[2]), 10, 64)
	if err != nil {
		return
	}
	switch string(a.words[0]) {
	case "subscribe", "unsubscribe":
		n.channels = max(sum-n.patterns, 0)
	case "psubscribe", "punsubscribe":
		n.patterns = max(sum-n.channels, 0)
	default:
		n.shards = sum
	}
}

// pushed emits what a server sent without being asked.
func (d *answers) pushed(a *answer) {
	kind := decode.Readable(a.words[0], 32)
	e := d.fromServer(kind, a)
	switch {
	case kind == "pmessage" && a.raw > 0:
		e.Target = decode.Readable(a.words[1], shownBytes) + " " + decode.Readable(a.words[2], shownBytes)
	case a.raw > 0:
		e.Target = decode.Readable(a.words[1], shownBytes)
	case changesSubscriptions(kind) && a.n == 3:
		d.subscribed.count(a)
		e.Target = decode.Readable(a.words[1], shownBytes)
	default:
		e.Target = decode.Readable(a.body.Bytes(), shownTotal)
	}
	e.Group = kind
	if a.raw > 0 {
		e.Group += " " + decode.KeyTemplate(e.Target)
	}
	d.Emit(e)
}

// fromServer returns a message from the server.
func (d *answers) fromServer(method string, a *answer) *decode.Exchange {
	e := &decode.Exchange{
		Protocol: Name, Version: d.version, Kind: decode.KindMessage, From: decode.Server,
		Started: d.parser.begin, Ended: d.parser.last, Method: method,
	}
	a.fill(&e.Request, d.parser.size)
	e.Request.Incomplete = d.parser.inner
	return e
}

// isMonitorLine reports whether a line is one of MONITOR's: a time, a database
// and an address, and a command.
func isMonitorLine(line []byte) bool {
	i := bytes.IndexByte(line, ' ')
	if i < 3 || !bytes.HasPrefix(line[i:], []byte(" [")) || bytes.IndexByte(line, ']') < 0 {
		return false
	}
	_, err := strconv.ParseFloat(string(line[:i]), 64)
	return err == nil
}

// monitored emits a command of another client that MONITOR shows.
func (d *answers) monitored(a *answer) {
	line := a.text
	if b := a.body.Bytes(); len(b) > len(line) {
		line = b
	}
	if int64(len(line)) < a.payload {
		line = append(line[:len(line):len(line)], '"')
	}
	i, j := bytes.IndexByte(line, '['), bytes.IndexByte(line, ']')
	r := newReader(d.Options, nil, true)
	r.words(split(line[j+1:]))
	e := d.fromServer("monitor", a)
	// The body would show passwords that the target does not.
	e.Request.Body, e.Request.Truncated = nil, true
	e.Target = strings.TrimSpace(decode.Readable(line[i:j+1], shownBytes) + " " + r.cmd.method() + " " + r.cmd.target())
	e.Group = "monitor " + r.cmd.group()
	d.Emit(e)
}
