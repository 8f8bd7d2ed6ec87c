package amqp

import (
	"strconv"
	"time"

	"lodge/internal/decode"
	"lodge/internal/decode/secret"
)

// complete ends a message if its body is whole. It is called at the end of a
// frame.
func (c *channel) complete(from decode.Side, at time.Time) {
	x := c.content[from]
	if x == nil || !x.sized || x.got < x.size {
		return
	}
	c.content[from] = nil
	x.e.Ended = at
	x.body.Fill(x.to)
	if x.cut {
		x.to.Truncated = true
		x.e.Unknown = append(x.e.Unknown, "a part of its body was not captured")
	} else if !x.to.Truncated {
		c.session.inflate(x.e, x.to)
	}
	c.mask(x)
	c.finished(x)
}

// cutContent ends a message whose content does not come.
func (c *channel) cutContent(from decode.Side) {
	x := c.content[from]
	if x == nil {
		return
	}
	c.content[from] = nil
	x.body.Fill(x.to)
	x.to.Incomplete, x.to.Truncated = true, true
	c.mask(x)
	c.finished(x)
}

// mask masks secrets in the properties and the body of a message.
func (c *channel) mask(x *content) {
	secret.Fields(c.session.conn, x.to.Header)
	secret.Message(c.session.conn, x.to, get(x.to.Header, "content_type"))
}

// finished emits a message, or makes it wait for its acknowledgement.
func (c *channel) finished(x *content) {
	s, e := c.session, x.e
	switch {
	case x.method.name == "basic.publish" && c.confirms && !c.lost:
		c.published++
		e.Kind = decode.KindRequest
		c.wait(&c.publishes, c.published, e)
		return
	case x.method.name == "basic.publish" && c.lost:
		e.Unknown = append(e.Unknown, "its confirm cannot be told from others, because messages before it were not captured")
	case x.method.name == "basic.publish" && !c.known:
		e.Unknown = append(e.Unknown, "the begin of its channel was not seen: it may be confirmed")
	case x.method.name == "basic.deliver" && !x.noAck:
		e.Kind = decode.KindRequest
		c.wait(&c.deliveries, x.tag, e)
		return
	}
	s.conn.Emit(e)
}

func (c *channel) wait(q *decode.Pending[uint64, *decode.Exchange], tag uint64, e *decode.Exchange) {
	c.session.waiting++
	if old, had := q.Put(tag, e); had {
		c.unanswered(old)
	}
	if c.session.waiting > max(1, c.session.conn.Limits.Pending) {
		old, _ := q.TakeOldest()
		c.unanswered(old)
	}
}

// acknowledge is ack, nack or reject: of the server for published messages, of
// the client for delivered ones. Where it is for none that waits, such as for one
// that was got, it is a message of its own.
func (c *channel) acknowledge(f *frame, e *decode.Exchange, args []decode.Field) {
	q := &c.publishes
	if f.from == decode.Client {
		q = &c.deliveries
	}
	tag, _ := strconv.ParseUint(get(args, "delivery_tag"), 10, 64)
	var of []*decode.Exchange
	if get(args, "multiple") == "true" {
		for {
			t, _, ok := q.Oldest()
			if !ok || t > tag && tag != 0 {
				break
			}
			x, _ := q.TakeOldest()
			of = append(of, x)
		}
	} else if x, ok := q.Take(tag); ok {
		of = append(of, x)
	}
	if len(of) == 0 {
		if c.session.blind || f.from == decode.Server {
			e.Unknown = append(e.Unknown, "the message that it acknowledges was not seen")
		}
		c.session.conn.Emit(e)
		return
	}
	for i, x := range of {
		c.session.waiting--
		x.Status, x.Failed = e.Method, f.from == decode.Server && e.Method != "basic.ack"
		x.Answered, x.Ended = f.start, f.end
		if i == 0 {
			x.Response.Bytes = f.bytes
		}
		for _, name := range []string{"multiple", "requeue"} {
			if get(args, name) == "true" {
				x.Add(name, "true")
			}
		}
		c.session.conn.Emit(x)
	}
}

func (c *channel) unanswered(e *decode.Exchange) {
	c.session.waiting--
	e.Response.Incomplete = true
	c.session.conn.Emit(e)
}

// gap is called when frames of a side were missed.
func (c *channel) gap(from decode.Side) {
	c.cutContent(from)
	if from == decode.Client && c.confirms {
		c.lost = true
	}
}

// end emits all that waits.
func (c *channel) end() {
	for side := range c.content {
		c.cutContent(decode.Side(side))
	}
	for side := range c.asks {
		for _, a := range c.asks[side] {
			c.unanswered(a.e)
		}
		c.asks[side] = nil
	}
	for e, ok := c.publishes.TakeOldest(); ok; e, ok = c.publishes.TakeOldest() {
		c.unanswered(e)
	}
	for e, ok := c.deliveries.TakeOldest(); ok; e, ok = c.deliveries.TakeOldest() {
		c.unanswered(e)
	}
}
