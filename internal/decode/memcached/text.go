package memcached

import (
	"bytes"
	"strconv"
	"time"

	"lodge/internal/decode"
)

// text is a connection with the text protocol.
type text struct {
	*session
	in       *[2]decode.Buffer
	sides    [2]textSide
	stray    *pending // an answer to a command that is not known
	watching bool
	welcome  bool // the server has carried out a command
}

// textSide is what is known of the message that a side is in.
type textSide struct {
	scanned int // of the line, known not to have its end
	inBlock bool
	block   block
	p       *pending  // the command that the block belongs to
	size    int64     // of the message so far
	begin   time.Time // when its first byte came
	last    time.Time // when the last byte that was read came
	noreply bool
	over    bool // the answer ends with the block
}

// line takes the next line of a side, and returns it without its end.
func (d *text) line(s decode.Side) (line []byte, p progress) {
	q, t := &d.in[s], &d.sides[s]
	b := q.Bytes()
	i := bytes.IndexByte(b[t.scanned:], '\n')
	if i < 0 {
		t.scanned = len(b)
		if len(b) > d.Limits.Message {
			t.scanned = 0
			return nil, tooLong
		}
		return nil, more
	}
	i += t.scanned
	t.scanned = 0
	line = bytes.TrimSuffix(b[:i], []byte{'\r'})
	t.begin, t.size, t.last = q.At(), int64(i)+1, q.AtByte(i)
	q.Advance(int64(i) + 1)
	return line, stepped
}

// readBlock reads a part of a value, and reports whether it is complete.
func (d *text) readBlock(s decode.Side) bool {
	q, t := &d.in[s], &d.sides[s]
	if t.block.left > 0 {
		n := t.block.read(q.Bytes())
		t.take(q, n)
	}
	if t.block.left > 0 || q.Len() == 0 && t.block.end > 0 {
		return false
	}
	n := min(t.block.end, q.Len())
	t.block.end -= n
	t.take(q, int64(n))
	return t.block.end == 0
}

func (t *textSide) take(q *decode.Buffer, n int64) {
	if n == 0 {
		return
	}
	t.last = q.AtByte(int(n) - 1)
	t.size += n
	q.Advance(n)
}

// crlf is the end of a line, which follows a value too.
const crlf = 2

// maxKey is the length of the longest key that servers take.
const maxKey = 250

// readCommand reads a part of a command.
func (d *text) readCommand() progress {
	t := &d.sides[decode.Client]
	if t.inBlock {
		if !d.readBlock(decode.Client) {
			return more
		}
		d.stored(false)
		return stepped
	}
	line, p := d.line(decode.Client)
	if p != stepped {
		return p
	}
	c := parseCommand(line)
	e := &decode.Exchange{
		Protocol: Name, Version: formText.String(), Kind: decode.KindRequest, From: decode.Client,
		Started: t.begin, Ended: t.last, Method: c.method(), Target: c.target(), Group: c.group(), Details: c.details(),
	}
	e.Request.Bytes = t.size
	t.p = &pending{
		e: e, name: c.name, keys: len(c.keys), many: c.many, quiet: c.quiet, silence: c.silence, opaque: c.opaque, key: c.askedKey,
		body: decode.NewBody(d.Limits.Body), plain: len(c.keys) == 1,
	}
	t.noreply = c.noreply
	if c.stores {
		t.inBlock = true
		t.block = block{body: decode.NewBody(d.Limits.Body), left: c.size, end: crlf}
		return stepped
	}
	d.sent()
	return stepped
}

// stored takes a command whose value has been read, or cut.
func (d *text) stored(cut bool) {
	t := &d.sides[decode.Client]
	t.inBlock = false
	e := t.p.e
	t.block.body.Fill(&e.Request)
	e.Request.Bytes, e.Request.Incomplete = t.size, cut
	e.Ended = t.last
	if !d.welcome && !d.Secrets && t.p.name == "set" && mayBePassword(e.Request.Body) {
		// A server that wants a password takes it so. Which server does is not
		// known here.
		masked := decode.NewBody(d.Limits.Body)
		masked.Write([]byte(decode.Masked))
		e.Request.Body = masked.Bytes()
		e.Add("masked", "the first value of a connection may be a user name and a password")
	}
	d.sent()
}

// mayBePassword reports whether a value looks as a name and a password do.
func mayBePassword(b []byte) bool {
	if len(b) > 512 {
		return false
	}
	for _, c := range b {
		if c < ' ' || c == 0x7f {
			return false
		}
	}
	return len(bytes.Split(b, []byte{' '})) == 2
}

// sent takes a command that is complete.
func (d *text) sent() {
	t := &d.sides[decode.Client]
	p := t.p
	t.p = nil
	if t.noreply {
		d.message(p.e)
		return
	}
	d.wait(p, true)
}

// leave gives up the message that a side is in.
func (d *text) leave(s decode.Side, why string) {
	t := &d.sides[s]
	switch {
	case t.inBlock && s == decode.Client:
		d.stored(true)
	case s == decode.Server && d.stray != nil:
		p := d.stray
		d.stray = nil
		d.incomplete(p, why)
	case s == decode.Server:
		if p := d.pending.head(); p != nil && p.answered {
			d.pending.pop()
			p.e.Response.Bytes += t.size
			p.e.Ended = t.last
			d.incomplete(p, why)
		}
	}
	*t = textSide{}
}

// number reads a decimal number of at most limit.
func number(s string, limit int64) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n >= 0 && n <= limit
}
