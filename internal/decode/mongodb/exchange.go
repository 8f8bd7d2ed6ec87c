package mongodb

import (
	"strconv"
	"strings"

	"lodge/internal/decode"
)

// request takes a message of the client.
func (d *decoder) request(m *message) {
	e := &decode.Exchange{
		Protocol: Name, Kind: decode.KindRequest, From: decode.Client, Started: m.begin, Ended: m.last, Stream: uint64(m.h.id),
	}
	m.fill(&e.Request)
	p := &pending{e: e}
	answered := d.describe(e, p, m)
	if m.unknown != "" {
		e.Unknown = append(e.Unknown, m.unknown)
	}
	if !answered {
		e.Kind = decode.KindMessage
		d.c.Emit(e)
		d.silent.Put(m.h.id, p)
		for d.silent.Len() > max(d.c.Limits.Statements, 1) {
			d.silent.TakeOldest()
		}
		return
	}
	if old, had := d.pending.Put(m.h.id, p); had {
		d.unanswered(old, "its number was used again")
	}
	for d.pending.Len() > max(d.c.Limits.Pending, 1) {
		old, _ := d.pending.TakeOldest()
		d.unanswered(old, "more requests were waiting than are remembered")
	}
}

func (d *decoder) unanswered(p *pending, why string) {
	p.e.Response.Incomplete = true
	p.e.Unknown = append(p.e.Unknown, why)
	d.c.Emit(p.e)
}

// describe names what is asked, and reports whether it is answered.
func (d *decoder) describe(e *decode.Exchange, p *pending, m *message) (answered bool) {
	c := m.content
	if m.closed() {
		e.Method, e.Group = "OP_COMPRESSED", "OP_COMPRESSED"
		return true
	}
	switch c.op {
	case opMsg:
		d.command(e, p, c.view, c.view.facts["$db"])
		return c.flags()&flagMoreToCome == 0
	case opQuery:
		if db, ok := strings.CutSuffix(c.text, ".$cmd"); ok {
			d.command(e, p, c.view, db)
			return true
		}
		e.Method = "query"
		p.command = e.Method
	case opGetMore:
		e.Method = "getMore"
		p.command = e.Method
		d.cursor(e, c.number(2), c.text)
		return true
	case opKillCursors:
		e.Method, e.Target = "killCursors", strconv.FormatInt(c.number(2), 10)
		e.Group = e.Method
		return false
	case opInsert:
		e.Method = "insert"
		e.Add("documents", strconv.FormatInt(c.view.count, 10))
	case opUpdate:
		e.Method = "update"
	case opDelete:
		e.Method = "delete"
	}
	describeFilter(e, c.view, readable(c.text))
	return c.op == opQuery
}

func readable(s string) string { return decode.Readable([]byte(s), 256) }

// describeFilter names the collection and the filter.
func describeFilter(e *decode.Exchange, v *view, collection string) {
	e.Target, e.Group = collection, e.Method+" "+collection
	if collection == "" {
		e.Group = e.Method
	}
	if text := string(v.filter.text); text != "" && text != "{}" {
		e.Target = strings.TrimSpace(e.Target + " " + text)
		e.Group += " " + string(v.filter.shape)
	}
}

// command names a command.
func (d *decoder) command(e *decode.Exchange, p *pending, v *view, db string) {
	p.command = v.command
	e.Method = v.command
	switch strings.ToLower(v.command) {
	case "hello", "ismaster", "saslstart", "saslcontinue", "authenticate", "logout":
		e.Kind = decode.KindSession
	}
	collection := v.facts[v.command]
	if v.command == "getMore" {
		id, _ := strconv.ParseInt(collection, 10, 64)
		d.cursor(e, id, readable(join(db, v.facts["collection"])))
		return
	}
	if _, err := strconv.ParseFloat(collection, 64); err == nil {
		collection = "" // commands that are about no collection have a number
	}
	switch v.command {
	case "saslStart":
		collection = v.facts["mechanism"]
		e.Target, e.Group = readable(collection), e.Method
	case "renameCollection":
		describeFilter(e, v, readable(collection))
	default:
		describeFilter(e, v, readable(join(db, collection)))
	}
	for _, name := range [...]string{"documents", "updates", "deletes", "cursors"} {
		if n, ok := v.counts[name]; ok {
			e.Add(name, strconv.FormatInt(n, 10))
		}
	}
	if n := v.facts["txnNumber"]; n != "" {
		e.Add("txnNumber", n)
	}
}

func join(db, collection string) string {
	if db == "" || collection == "" {
		return db + collection
	}
	return db + "." + collection
}

// cursor names a request for more documents by what the cursor was opened for.
func (d *decoder) cursor(e *decode.Exchange, id int64, collection string) {
	e.Target, e.Group = collection, e.Method+" "+collection
	e.Add("cursor", strconv.FormatInt(id, 10))
	c, ok := d.cursors.Get(id)
	if !ok {
		e.Unknown = append(e.Unknown, "its cursor was opened on another connection, or before the recording began")
		return
	}
	e.Target, e.Group = c.target, e.Method+" "+c.group
	e.Add("of", c.method+" "+c.target)
}

// answer takes a message of the server.
func (d *decoder) answer(m *message) {
	p, ok := d.pending.Take(m.h.answerTo)
	if !ok {
		if p, ok = d.streams.Take(m.h.answerTo); ok {
			d.more(p, m)
			return
		}
		if p, ok = d.silent.Take(m.h.answerTo); ok {
			e := d.another(p, m)
			e.Add("answer", "1")
			e.Unknown = append(e.Unknown, "the request asked for no answer, and got this one")
			d.c.Emit(e)
			return
		}
		d.orphan(m)
		return
	}
	e := p.e
	e.Answered, e.Ended = m.begin, m.last
	result(e, m)
	if m.unknown != "" {
		e.Unknown = append(e.Unknown, "of its answer: "+m.unknown)
	}
	m.fill(&e.Response)
	d.remember(p, m)
	d.c.Emit(e)
}

// remember keeps what later messages refer to.
func (d *decoder) remember(p *pending, m *message) {
	c := m.content
	if c.op == opMsg && c.flags()&flagMoreToCome != 0 {
		d.streams.Put(m.h.id, p)
		for d.streams.Len() > max(d.c.Limits.Statements, 1) {
			d.streams.TakeOldest()
		}
	}
	id, _ := strconv.ParseInt(c.view.facts["cursor.id"], 10, 64)
	if c.op == opReply && id == 0 {
		id = c.number(1)
	}
	if id == 0 {
		return
	}
	e := p.e
	if e.Detail("cursor") == "" {
		e.Add("cursor", strconv.FormatInt(id, 10))
	}
	if _, known := d.cursors.Get(id); !known && p.command != "getMore" {
		d.cursors.Put(id, cursor{method: e.Method, target: e.Target, group: e.Group})
		for d.cursors.Len() > max(d.c.Limits.Statements, 1) {
			d.cursors.TakeOldest()
		}
	}
}

// more emits an answer that came without being asked, after another one.
func (d *decoder) more(p *pending, m *message) {
	p.more++
	e := d.another(p, m)
	e.Add("answer", strconv.FormatInt(p.more+1, 10))
	if c := m.content; c.op == opMsg && c.flags()&flagMoreToCome != 0 {
		d.streams.Put(m.h.id, p)
	}
	d.c.Emit(e)
}

// another returns an answer as a message, to a request that was emitted before.
func (d *decoder) another(p *pending, m *message) *decode.Exchange {
	e := &decode.Exchange{
		Protocol: Name, Kind: decode.KindMessage, From: decode.Server, Started: m.begin, Ended: m.last, Stream: uint64(m.h.answerTo),
		Method: p.e.Method, Target: p.e.Target, Group: p.e.Group,
	}
	result(e, m)
	if m.unknown != "" {
		e.Unknown = append(e.Unknown, m.unknown)
	}
	m.fill(&e.Request)
	return e
}

// orphan emits an answer to a request that was not seen.
func (d *decoder) orphan(m *message) {
	e := &decode.Exchange{
		Protocol: Name, Kind: decode.KindRequest, Answered: m.begin, Ended: m.last, Stream: uint64(m.h.answerTo),
		Unknown: []string{"its request was not captured"},
	}
	e.Request.Incomplete = true
	result(e, m)
	if m.unknown != "" {
		e.Unknown = append(e.Unknown, "of its answer: "+m.unknown)
	}
	m.fill(&e.Response)
	d.remember(&pending{e: e, command: "getMore"}, m)
	d.c.Emit(e)
}
