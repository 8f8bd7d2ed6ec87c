package redis

import (
	"bytes"
	"strconv"
	"time"

	"lodge/internal/decode"
)

// rdb is a server's data on its way to a replica.
type rdb struct {
	known bool   // its header was read
	left  int64  // bytes to come, where their number is told
	mark  []byte // or what it ends with
	size  int64
	wire  int64
	begin time.Time
	last  time.Time
}

// markLength is the length of the random text after the data.
const markLength = 40

// replica reads what a server sends to a replica of its.
type replica struct {
	*session
	in     *decode.Buffer
	rdb    *rdb    // the data, nil before and after it
	stream *reader // the commands
}

// newReplica begins with the answer to SYNC or PSYNC. It returns nil where the
// server has refused.
func newReplica(s *session, in *decode.Buffer, p *pending, text []byte) *replica {
	r := &replica{session: s, in: in, stream: newReader(s.Options, in, false)}
	switch {
	case p.name == "SYNC" || bytes.HasPrefix(text, []byte("FULLRESYNC")):
		r.rdb = &rdb{}
	case !bytes.HasPrefix(text, []byte("CONTINUE")):
		return nil
	}
	return r
}

// read reads a part of what the server sends.
func (d *replica) read() progress {
	if d.rdb != nil {
		return d.readRDB()
	}
	return d.readStream()
}

// readRDB reads a part of the data.
func (d *replica) readRDB() progress {
	q, r := d.in, d.rdb
	b := q.Bytes()
	switch {
	case !r.known && b[0] == '\n':
		q.Advance(1)
		return stepped
	case !r.known:
		return d.header(b)
	case r.mark == nil:
		r.take(q, min(r.left, int64(len(b))))
		if r.left == 0 {
			d.end(false)
		}
		return stepped
	}
	i := bytes.Index(b, r.mark)
	if i < 0 {
		n := len(b) - markLength + 1
		if n <= 0 {
			return more
		}
		r.take(q, int64(n))
		return more
	}
	r.take(q, int64(i))
	r.wire += markLength
	r.last = q.AtByte(markLength - 1)
	q.Advance(markLength)
	d.end(false)
	return stepped
}

func (r *rdb) take(q *decode.Buffer, n int64) {
	if n <= 0 {
		return
	}
	r.left -= n
	r.size += n
	r.wire += n
	r.last = q.AtByte(int(n) - 1)
	q.Advance(n)
}

// header reads how the data ends.
func (d *replica) header(b []byte) progress {
	i := bytes.IndexByte(b[:min(len(b), maxHeader)], '\n')
	if i < 0 && len(b) < maxHeader {
		return more
	}
	line := bytes.TrimSuffix(b[:max(i, 0)], []byte{'\r'})
	r := d.rdb
	r.begin = d.in.At()
	if mark, ok := bytes.CutPrefix(line, []byte("$EOF:")); ok && len(mark) == markLength {
		r.mark = append([]byte(nil), mark...)
	} else if text, ok := bytes.CutPrefix(line, []byte("$")); ok {
		n, err := strconv.ParseInt(string(text), 10, 64)
		ok = err == nil && n > 0
		r.left = n
		if !ok {
			r.left = 0
		}
	}
	if r.mark == nil && r.left == 0 {
		d.rdb = nil
		return malformed
	}
	r.known, r.wire = true, int64(i)+1
	d.in.Advance(int64(i) + 1)
	return stepped
}

// gap skips n missing bytes if they are all within the data.
func (r *rdb) gap(n int64) bool {
	if !r.known || r.mark != nil || n < 0 || n >= r.left {
		return false
	}
	r.left -= n
	r.size += n
	return true
}

// end emits the data as one message. Commands follow it.
func (d *replica) end(cut bool) {
	if r := d.rdb; r.known {
		e := &decode.Exchange{
			Protocol: Name, Version: d.version, Kind: decode.KindMessage, From: decode.Server,
			Started: r.begin, Ended: r.last, Method: "RDB",
		}
		e.Request = decode.Message{BodyBytes: r.size, Bytes: r.wire, Truncated: true, Incomplete: cut}
		d.Emit(e)
	}
	d.rdb = nil
}

// readStream reads a part of a command for the replica.
func (d *replica) readStream() progress {
	if !d.stream.inner && d.in.Bytes()[0] == '\n' {
		d.in.Advance(1)
		return stepped
	}
	p := d.stream.next()
	if p == complete {
		d.replicated(false)
	}
	return p
}

func (d *replica) replicated(cut bool) {
	e := d.exchange(d.stream, decode.Server, cut)
	e.Add("replication", "true")
	d.message(e)
}
