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

// synchronised takes the answer to PSYNC.
func (d *decoder) synchronised(a *answer) {
	switch {
	case bytes.HasPrefix(a.text, []byte("FULLRESYNC")):
		d.replica, d.mode, d.rdb = true, sendingRDB, &rdb{}
	case bytes.HasPrefix(a.text, []byte("CONTINUE")):
		d.replicate()
	}
}

// replicate begins to read commands from the server.
func (d *decoder) replicate() {
	d.replica, d.mode = true, replicating
	d.stream = newReader(d.c.Options, &d.in[decode.Server], false)
}

// becomeReplica notes that the client is a replica, in a connection that was
// joined midstream.
func (d *decoder) becomeReplica() {
	if !d.replica && d.unsure && d.mode == answering && !d.parser.inner {
		d.answer = nil
		d.replicate()
	}
}

// readRDB reads a part of the data.
func (d *decoder) readRDB() bool {
	q, r := &d.in[decode.Server], d.rdb
	b := q.Bytes()
	switch {
	case !r.known && b[0] == '\n':
		q.Advance(1)
		return true
	case !r.known:
		return d.rdbHeader(b)
	case r.mark == nil:
		r.take(q, min(r.left, int64(len(b))))
		if r.left == 0 {
			d.endRDB(false)
		}
		return true
	}
	i := bytes.Index(b, r.mark)
	if i < 0 {
		n := len(b) - markLength + 1
		if n <= 0 {
			return false
		}
		r.take(q, int64(n))
		return false
	}
	r.take(q, int64(i))
	r.wire += markLength
	r.last = q.AtByte(markLength - 1)
	q.Advance(markLength)
	d.endRDB(false)
	return true
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

func (d *decoder) rdbHeader(b []byte) bool {
	i := bytes.IndexByte(b[:min(len(b), maxHeader)], '\n')
	if i < 0 && len(b) < maxHeader {
		return false
	}
	line := bytes.TrimSuffix(b[:max(i, 0)], []byte{'\r'})
	r := d.rdb
	r.begin = d.in[decode.Server].At()
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
		d.replicate()
		d.broken(decode.Server)
		return true
	}
	r.known, r.wire = true, int64(i)+1
	d.in[decode.Server].Advance(int64(i) + 1)
	return true
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

// endRDB emits the data as one message, and goes on with the commands after it.
func (d *decoder) endRDB(cut bool) {
	if r := d.rdb; r.known {
		e := &decode.Exchange{
			Protocol: Name, Version: d.version, Kind: decode.KindMessage, From: decode.Server,
			Started: r.begin, Ended: r.last, Method: "RDB",
		}
		e.Request = decode.Message{BodyBytes: r.size, Bytes: r.wire, Truncated: true, Incomplete: cut}
		d.c.Emit(e)
	}
	d.replicate()
}

// readStream reads a part of a command for the replica.
func (d *decoder) readStream() bool {
	q := &d.in[decode.Server]
	if !d.stream.inner && q.Bytes()[0] == '\n' {
		q.Advance(1)
		return true
	}
	switch d.stream.next() {
	case more:
		return false
	case complete:
		d.replicated(false)
	case malformed:
		d.broken(decode.Server)
	}
	return true
}

func (d *decoder) replicated(cut bool) {
	e := d.exchange(d.stream, decode.Server, cut)
	e.Add("replication", "true")
	d.message(e)
}
