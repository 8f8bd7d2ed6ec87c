package memcached

import "lodge/internal/decode"

// pending is a command that waits for its answer.
type pending struct {
	e    *decode.Exchange
	name string
	keys int // that were asked for
	hits int
	many bool // the answer has several lines, up to END

	// quiet reports that the answer may be left out, which means silence.
	quiet   bool
	silence string
	opaque  string // of a meta command, with its letter
	key     string // of a meta command that asks for it

	opcode byte // of a binary request
	number uint32

	answered bool // a part of the answer was seen
	masked   bool // its answer is secret
	body     *decode.Body
	payload  int64 // bytes of the answer's values
	plain    bool  // the body is the value alone
}

// fill puts what was collected of the answer into its exchange.
func (p *pending) fill() {
	if p.body == nil {
		return
	}
	p.body.Fill(&p.e.Response)
	p.e.Response.BodyBytes = p.payload
}

// queue holds the commands that wait, in order.
type queue struct {
	limit     int
	waiting   []*pending
	forgotten int64 // answers to come before those, for commands that were let go
}

func (q *queue) head() *pending {
	if len(q.waiting) == 0 || q.forgotten > 0 {
		return nil
	}
	return q.waiting[0]
}

func (q *queue) pop() *pending {
	if len(q.waiting) == 0 {
		return nil
	}
	p := q.waiting[0]
	q.waiting[0] = nil
	q.waiting = q.waiting[1:]
	return p
}

// push appends a command, and returns the oldest if there are too many.
func (q *queue) push(p *pending) (old *pending) {
	q.waiting = append(q.waiting, p)
	if len(q.waiting) > q.limit {
		return q.pop()
	}
	return nil
}

// block is a value that is read as it comes.
type block struct {
	body   *decode.Body // nil: it is only counted
	left   int64
	end    int  // bytes of the line's end to come
	hidden bool // it is masked
}

// read takes what is there of the value, and reports how much that is.
func (b *block) read(p []byte) int64 {
	n := min(b.left, int64(len(p)))
	b.left -= n
	if b.body != nil && !b.hidden {
		b.body.Write(p[:n])
	}
	return n
}

// hole passes over n bytes that were not captured.
func (b *block) hole(n int64) {
	b.left -= n
	if b.body != nil {
		b.body.Skip(n)
	}
}
