package memcached

import (
	"bytes"
	"strconv"
	"strings"

	"lodge/internal/decode"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// readAnswer reads a part of an answer.
func (d *text) readAnswer() progress {
	t := &d.sides[decode.Server]
	if t.inBlock {
		if !d.readBlock(decode.Server) {
			return more
		}
		t.inBlock = false
		p := t.p
		p.e.Response.Bytes += t.size
		p.e.Ended = t.last
		if !p.plain {
			p.body.Write([]byte{'\n'})
		}
		if t.over {
			d.answered(p)
		}
		t.p, t.over = nil, false
		return stepped
	}
	line, step := d.line(decode.Server)
	if step != stepped {
		return step
	}
	word, rest, _ := strings.Cut(string(line[:min(len(line), 2048)]), " ")
	if word == "" {
		return stepped
	}
	if d.watching && len(d.pending.waiting) == 0 {
		d.logged(line)
		return stepped
	}
	p := d.owner(word, rest)
	e := p.e
	if !p.answered {
		p.answered = true
		e.Answered = t.begin
	}
	e.Ended = t.last
	switch {
	case word == "VALUE":
		if d.beginValue(p, line) {
			return stepped
		}
	case word == "VA" && d.beginMeta(p, rest):
		return stepped
	case p.many && continues(word):
		e.Response.Bytes += t.size
		p.hits++
		p.payload += int64(len(line))
		p.body.Write(line)
		p.body.Write([]byte{'\n'})
		return stepped
	}
	e.Response.Bytes += t.size
	d.conclude(p, word, line)
	return stepped
}

// continues reports whether a line is one of several of an answer.
func continues(word string) bool {
	return word == "STAT" || word == "ITEM" || word == "PREFIX" || word == "mg" || strings.HasPrefix(word, "key=")
}

// owner returns the command that a line answers. Quiet commands before it were
// not answered.
func (d *text) owner(word, rest string) *pending {
	for {
		p := d.pending.head()
		if p == nil {
			break
		}
		if !p.quiet || p.answered || p.fits(word, rest) {
			return p
		}
		d.pending.pop()
		d.unanswered(p)
	}
	if d.stray == nil {
		d.stray = &pending{
			e: &decode.Exchange{
				Protocol: Name, Version: formText.String(), Kind: decode.KindRequest,
				Unknown: []string{"its command was not captured"},
			},
			many: true, body: decode.NewBody(d.Limits.Body),
		}
		d.stray.e.Request.Incomplete = true
	}
	return d.stray
}

// fits reports whether a line may be the answer to a quiet meta command.
func (p *pending) fits(word, rest string) bool {
	switch word {
	case "ERROR", "CLIENT_ERROR", "SERVER_ERROR":
		return true
	}
	flags := strings.Fields(rest)
	if word == "VA" && len(flags) > 0 {
		flags = flags[1:]
	}
	for _, f := range flags {
		if f[0] == 'O' && f != p.opaque || f[0] == 'k' && p.key != "" && f != p.key {
			return false
		}
	}
	switch p.name {
	case "mg":
		return word == "HD" || word == "VA"
	case "ms":
		return word == "NS" || word == "EX" || word == "NF"
	case "md":
		return word == "EX"
	case "ma":
		return word == "VA" || word == "NS" || word == "EX"
	}
	return true
}

// beginValue begins to read a value of a retrieval.
func (d *text) beginValue(p *pending, line []byte) bool {
	t := &d.sides[decode.Server]
	words := strings.Fields(string(line[:min(len(line), 2048)]))
	if len(words) < 4 {
		return false
	}
	n, ok := number(words[3], maxValue)
	if !ok {
		return false
	}
	p.hits++
	p.payload += n
	if !p.plain {
		p.body.Write(line)
		p.body.Write([]byte{'\n'})
	} else {
		p.e.Add("value flags", decode.Readable([]byte(words[2]), 32))
		if len(words) > 4 {
			p.e.Add("value cas", decode.Readable([]byte(words[4]), 32))
		}
	}
	t.inBlock, t.p, t.over = true, p, false
	t.block = block{body: p.body, left: n, end: crlf}
	return true
}

// beginMeta begins to read the value of a meta command.
func (d *text) beginMeta(p *pending, rest string) bool {
	t := &d.sides[decode.Server]
	size, flags, _ := strings.Cut(rest, " ")
	n, ok := number(size, maxValue)
	if !ok {
		return false
	}
	p.payload += n
	p.plain = true
	p.e.Status = "VA"
	if flags != "" {
		p.e.Add("answer flags", decode.Readable([]byte(flags), 128))
	}
	t.inBlock, t.p, t.over = true, p, true
	t.block = block{body: p.body, left: n, end: crlf}
	return true
}

// conclude takes the last line of an answer.
func (d *text) conclude(p *pending, word string, line []byte) {
	e := p.e
	e.Status = decode.Readable(line, shownTotal)
	d.welcome = d.welcome || word != "CLIENT_ERROR"
	switch word {
	case "ERROR", "CLIENT_ERROR", "SERVER_ERROR":
		e.Failed = true
	case "END":
		if p.keys > 0 && p.hits > 0 {
			e.Status = "VALUE"
			if p.keys > 1 {
				e.Status = "VALUE " + itoa(int64(p.hits))
			}
		}
	case "HD", "EN", "NF", "NS", "EX":
		if flags := bytes.TrimPrefix(line, []byte(word)); len(flags) > 0 && len(word) == 2 {
			e.Status = word
			e.Add("answer flags", decode.Readable(bytes.TrimSpace(flags), 128))
		}
	case "OK":
		d.watching = d.watching || p.name == "watch"
	}
	if p.keys > 1 {
		e.Add("hits", itoa(int64(p.hits)))
	}
	d.answered(p)
}

// answered emits a command whose answer is complete.
func (d *text) answered(p *pending) {
	p.fill()
	if p != d.stray {
		d.pending.pop()
		d.Emit(p.e)
		return
	}
	d.stray = nil
	switch {
	case d.pending.forgotten > 0:
		d.pending.forgotten--
		d.Lost(decode.Loss{Protocol: Name, Side: decode.Server, Reason: decode.LostState, Bytes: p.e.Response.Bytes})
	default:
		if !d.unsure {
			p.e.Unknown = []string{"the server was not asked for it"}
		}
		d.Emit(p.e)
	}
}

// logged emits a line that a server sends to a client that watches it.
func (d *text) logged(line []byte) {
	t := &d.sides[decode.Server]
	e := &decode.Exchange{
		Protocol: Name, Version: formText.String(), Kind: decode.KindMessage, From: decode.Server,
		Started: t.begin, Ended: t.last, Method: "watch", Target: decode.Readable(line, shownTotal), Group: "watch",
	}
	e.Request.Bytes = t.size
	d.Emit(e)
}
