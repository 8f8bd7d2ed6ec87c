package amqp

import (
	"slices"
	"strconv"
	"strings"

	"lodge/internal/decode"
	"lodge/internal/decode/secret"
)

// channel is the state of one channel.
type channel struct {
	session *session
	number  uint16
	known   bool // its begin was seen
	asks    [2][]*ask
	content [2]*content

	confirms   bool // confirm.select was answered
	lost       bool // the number of a published message is not known any more
	published  uint64
	publishes  decode.Pending[uint64, *decode.Exchange] // that wait for a confirm
	deliveries decode.Pending[uint64, *decode.Exchange] // that wait for an acknowledgement
}

// ask is a method that waits for another one.
type ask struct {
	method *method
	e      *decode.Exchange
}

// content is a message whose header or body is to come.
type content struct {
	method *method
	e      *decode.Exchange
	to     *decode.Message
	tag    uint64
	noAck  bool
	sized  bool   // its header has come
	size   uint64 // of its body
	got    uint64
	body   *decode.Body
	cut    bool // a part was not captured
}

func (c *channel) method(f *frame, m *method, args []decode.Field) {
	c.cutContent(f.from)
	if len(m.answers) > 0 {
		c.answer(f, m, args)
		return
	}
	e := c.session.exchange(f, m.name)
	e.Details = details(args)
	secret.Fields(c.session.conn, e.Details)
	e.Target = target(m, args)
	e.Group = group(e.Target)
	switch m.name {
	case "channel.open":
		c.known = true
	case "basic.publish", "basic.deliver", "basic.return":
		c.begin(f, m, e, args)
		return
	case "basic.ack", "basic.nack", "basic.reject":
		c.acknowledge(f, e, args)
		return
	case "channel.close", "connection.close":
		status(e, args)
		c.fail(f, args)
	case "basic.cancel":
		c.session.consumers.Take(consumer{c.number, get(args, "consumer_tag")})
	case "basic.consume":
		if get(args, "no_wait") == "true" {
			c.consumes(get(args, "consumer_tag"), args)
		}
	case "confirm.select":
		c.confirms = c.confirms || get(args, "no_wait") == "true"
	}
	if !m.asks || get(args, "no_wait") == "true" {
		c.session.conn.Emit(e)
		return
	}
	e.Kind = decode.KindRequest
	q := &c.asks[f.from]
	if len(*q) > 0 && c.full() {
		c.unanswered((*q)[0].e)
		*q = (*q)[1:]
	}
	*q = append(*q, &ask{m, e})
	c.session.waiting++
}

// full reports whether more exchanges wait than may.
func (c *channel) full() bool { return c.session.waiting >= max(1, c.session.conn.Limits.Pending) }

// details returns the arguments that say something: not those that are empty,
// false or zero.
func details(args []decode.Field) []decode.Field {
	return slices.DeleteFunc(slices.Clone(args), func(f decode.Field) bool {
		return f.Value == "" || f.Value == "false" || f.Value == "0" && f.Name != "message_count" && f.Name != "consumer_count"
	})
}

// target returns what a method is about.
func target(m *method, args []decode.Field) string {
	switch m.name {
	case "basic.publish", "basic.deliver", "basic.return":
		if exchange := get(args, "exchange"); exchange != "" {
			return exchange + "/" + get(args, "routing_key")
		}
		return get(args, "routing_key")
	case "exchange.bind", "exchange.unbind":
		return get(args, "destination")
	case "basic.cancel":
		return get(args, "consumer_tag")
	}
	if queue := get(args, "queue"); queue != "" {
		return queue
	}
	return get(args, "exchange")
}

// group returns a name that the server made without what makes it unique.
func group(target string) string {
	for _, prefix := range []string{"amq.gen-", "amq.rabbitmq.reply-to."} {
		if strings.HasPrefix(target, prefix) {
			return prefix + "*"
		}
	}
	return ""
}

// answer joins a method to the one that it answers.
func (c *channel) answer(f *frame, m *method, args []decode.Field) {
	q := &c.asks[f.from.Other()]
	i := slices.IndexFunc(*q, func(a *ask) bool {
		return a.method.class == m.class && slices.Contains(m.answers, a.method.id)
	})
	if i < 0 {
		e := c.session.exchange(f, m.name)
		e.Details = details(args)
		if c.session.blind {
			e.Unknown = append(e.Unknown, "what it answers was not seen")
		}
		if m.content {
			c.begin(f, m, e, args)
			return
		}
		c.session.conn.Emit(e)
		return
	}
	for _, a := range (*q)[:i] { // answers come in the order of what they answer
		c.unanswered(a.e)
	}
	a := (*q)[i]
	*q = (*q)[i+1:]
	c.session.waiting--
	e := a.e
	e.Answered, e.Ended = f.start, f.end
	e.Response.Bytes = f.bytes
	asked := e.Details
	for _, d := range details(args) {
		if !slices.Contains(asked, d) {
			e.Details = append(e.Details, d)
		}
	}
	if e.Status == "" {
		e.Status = m.name
	}
	switch m.name {
	case "basic.consume-ok":
		c.consumes(get(args, "consumer_tag"), asked)
	case "confirm.select-ok":
		c.confirms = true
	case "channel.close-ok":
		c.session.conn.Emit(e)
		c.end()
		c.session.channels.Take(c.number)
		return
	}
	if m.content {
		c.begin(f, m, e, args)
		return
	}
	c.session.conn.Emit(e)
}

// consumes remembers whether a consumer acknowledges its messages.
func (c *channel) consumes(tag string, args []decode.Field) {
	all := &c.session.consumers
	if all.Len() >= max(1, c.session.conn.Limits.Statements) {
		all.TakeOldest()
		c.session.blind = true
	}
	all.Put(consumer{c.number, tag}, get(args, "no_ack") == "true")
}

// fail gives the code of a close to the method that it names as its reason.
func (c *channel) fail(f *frame, args []decode.Field) {
	q := &c.asks[f.from.Other()]
	if len(*q) == 0 {
		return
	}
	a := (*q)[0]
	if strconv.Itoa(int(a.method.class)) != get(args, "class_id") || strconv.Itoa(int(a.method.id)) != get(args, "method_id") {
		return
	}
	*q = (*q)[1:]
	c.session.waiting--
	status(a.e, args)
	a.e.Answered, a.e.Ended = f.start, f.end
	c.session.conn.Emit(a.e)
}

// begin waits for the content of a method.
func (c *channel) begin(f *frame, m *method, e *decode.Exchange, args []decode.Field) {
	x := &content{method: m, e: e, to: &e.Request, body: decode.NewBody(c.session.conn.Limits.Body)}
	if m.name == "basic.get-ok" && e.Method == "basic.get" {
		x.to = &e.Response
	}
	switch m.name {
	case "basic.return":
		status(e, args)
	case "basic.deliver":
		x.tag, _ = strconv.ParseUint(get(args, "delivery_tag"), 10, 64)
		noAck, known := c.session.consumers.Get(consumer{c.number, get(args, "consumer_tag")})
		x.noAck = noAck || !known
		if !known {
			e.Unknown = append(e.Unknown, "its consumer was not seen: it may be acknowledged")
		}
	}
	c.content[f.from] = x
}

// header is a header frame; it reports whether it is what the protocol allows.
func (c *channel) header(f *frame) bool {
	x := c.content[f.from]
	if x == nil || x.sized {
		// Its method was missed.
		return c.session.blind
	}
	r := decode.NewReader(f.payload)
	x.sized = true
	x.size, x.to.Header = contentHeader(r)
	x.to.Bytes += f.bytes
	if r.Short() {
		x.to.Header = nil
		x.e.Unknown = append(x.e.Unknown, "its properties are damaged")
	}
	c.complete(f.from, f.end)
	return true
}

// body is a part of a body frame, of n bytes on the wire, of which some may be
// missing.
func (c *channel) body(f *frame, part []byte, missing, n int64) {
	x := c.content[f.from]
	if x == nil || !x.sized {
		f.stray += n // the begin of its message was missed
		return
	}
	x.to.Bytes += n
	x.body.Write(part)
	x.body.Skip(missing)
	x.cut = x.cut || missing > 0
	x.got += uint64(len(part)) + uint64(missing)
}
