package http1

import (
	"bytes"
	"strings"

	"lodge/internal/decode"
)

// state is what a side's next bytes are.
type state uint8

const (
	atStart     state = iota // of a message
	inLongHead               // the rest of a head that is longer than Limits.Message
	inBody                   // of a known length
	inChunkSize              // the line before a chunk
	inChunk                  // the data of a chunk
	inChunkEnd               // the line end after it
	inTrailer                // the fields after the last chunk
	untilClose               // a body that the end of the connection ends
	searching                // for the begin of a message
)

// reader reads what one side sends.
type reader struct {
	d     *decoder
	of    decode.Side
	in    input
	state state
	ended bool
	how   decode.End
	hold  bool // the client asked for another protocol: what follows waits for the response
	final bool // all that came was read, or counted as lost

	x       *exchange
	m       *decode.Message // of x, that is read
	head    head
	status  statusLine // of the response that is read
	body    body
	skipped int64             // bytes that are not counted as lost yet
	why     decode.LossReason // of what is skipped
}

// step reads what comes next, and reports whether more can be read.
func (r *reader) step() bool {
	if r.in.Len() == 0 {
		return false
	}
	switch r.state {
	case atStart:
		if r.hold {
			r.limitHeld()
			return false
		}
		if r.of == decode.Client {
			return r.request()
		}
		return r.response()
	case inLongHead:
		return r.longHead()
	case inChunkSize:
		return r.body.chunkSize()
	case inChunkEnd:
		return r.body.chunkEnd()
	case inTrailer:
		return r.body.trailerLine()
	case searching:
		return r.find()
	default:
		return r.body.data()
	}
}

// take consumes n bytes of what was sent, which belong to the message.
func (r *reader) take(n int) {
	if n > 0 {
		if at := r.in.AtByte(n - 1); at.After(r.x.e.Ended) {
			r.x.e.Ended = at
		}
		r.m.Bytes += int64(n)
		r.in.consume(n)
	}
}

// note adds what could not be had of the message, or is contradictory.
func (r *reader) note(what string) {
	switch {
	case what == "":
	case r.of == decode.Client:
		r.x.note("request: " + what)
	default:
		r.x.note("response: " + what)
	}
}

// longHead reads lines of a head that is too long, for what frames the message.
func (r *reader) longHead() bool {
	const maxLine = 1024
	b := r.in.Bytes()
	i := bytes.IndexByte(b[:min(len(b), maxLine)], '\n')
	if i < 0 {
		if len(b) < maxLine {
			return false
		}
		r.in.inLine = true
		r.skipped += maxLine
		r.take(maxLine)
		return true
	}
	line := strings.TrimSuffix(string(b[:i]), "\r")
	r.skipped += int64(i + 1)
	r.take(i + 1)
	if r.in.inLine {
		r.in.inLine = false
		return true
	}
	if line != "" {
		if name, value, ok := strings.Cut(line, ":"); ok {
			r.head.learn(strings.Trim(name, " \t"), strings.Trim(value, " \t"))
		}
		return true
	}
	r.note("its header is longer than what is held")
	r.d.lose(r.of, decode.LostTooLong, r.skipped)
	r.skipped = 0
	r.headRead()
	return true
}

// headRead goes on after a head, which is in r.head.
func (r *reader) headRead() {
	if r.of == decode.Client {
		r.requestHead()
	} else {
		r.responseHead()
	}
}

// end ends the message that is read.
func (r *reader) end(complete bool) {
	x := r.x
	r.m.Incomplete = !complete
	r.body.end()
	if x.upper != nil && complete {
		x.upper.End(r.of)
	}
	r.state, r.x, r.m = atStart, nil, nil
	if r.of == decode.Client {
		x.kept += int64(len(x.e.Request.Body))
		r.d.kept += int64(len(x.e.Request.Body))
		x.requestDone = true
		r.hold = x.switches && !x.responseDone
	} else {
		x.responseDone = true
		if x.switches {
			r.d.sides[decode.Client].hold = false // it goes on in HTTP
		}
	}
	r.d.done(x)
}

// limitHeld forgets what was sent for another protocol, when it is more than what
// is held.
func (r *reader) limitHeld() {
	if r.in.Len() > r.d.c.Limits.Message {
		r.d.lose(r.of, decode.LostTooLong, int64(r.in.Len()))
		r.in.Reset()
		r.d.c.Midstream = true
	}
}

// cutOff ends the message that is read, if there is one, as incomplete.
func (r *reader) cutOff(why string) {
	if r.x == nil {
		return
	}
	r.note(why)
	if r.skipped > 0 {
		r.d.lose(r.of, r.why, r.skipped)
		r.skipped = 0
	}
	r.end(false)
}

// finish ends what a side sent, after its end.
func (r *reader) finish() {
	r.decided()
	switch {
	case r.d.gone:
		return
	case r.state == searching:
		r.skipped += int64(r.in.Len())
	case r.x != nil:
		r.why = decode.LostTooLong
		if r.state == untilClose && r.how == decode.Closed {
			r.end(true)
			break
		}
		if n := r.in.Len(); n > 0 { // of a chunk's size, or of a line
			r.take(n)
		}
		if r.how == decode.Closed && r.state == inBody {
			r.cutOff("the connection was closed before its end")
		} else {
			r.cutOff("")
		}
	case r.in.blank() && !r.partial():
		r.why = decode.LostMalformed
		if r.how != decode.Closed {
			r.why = decode.LostGap
		}
		r.skipped += int64(r.in.Len())
	}
	r.in.Reset()
	r.d.lose(r.of, r.why, r.skipped)
	r.skipped, r.final = 0, true
}

// search begins to look for the next message, at the begin of the buffer.
func (r *reader) search(why decode.LossReason) {
	if r.state == searching {
		r.d.lose(r.of, r.why, r.skipped)
		r.skipped = 0
	}
	r.state, r.why, r.in.scanned, r.in.judged = searching, why, 0, false
}

// maxFound is how long a first line may be that is searched for.
const maxFound = 8 << 10

// find looks for a line that begins a message, and drops what is before it.
func (r *reader) find() bool {
	b := r.in.Bytes()
	i := bytes.IndexByte(b[r.in.scanned:], '\n')
	if i < 0 {
		r.in.scanned = len(b)
		if len(b) > 2*maxFound {
			r.drop(len(b) - maxFound)
			r.in.scanned = maxFound
		}
		return false
	}
	i += r.in.scanned
	from := max(0, i-maxFound)
	line := b[from:i]
	at := -1
	if r.of == decode.Client {
		at = findRequest(line)
	} else {
		at = findResponse(line)
	}
	if at < 0 {
		r.drop(i + 1)
		return true
	}
	r.drop(from + at)
	r.state = atStart
	r.d.lose(r.of, r.why, r.skipped)
	r.skipped = 0
	return true
}

func (r *reader) drop(n int) {
	r.skipped += int64(n)
	r.in.consume(n)
}
