package http1

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"lodge/internal/decode"
	"lodge/internal/decode/content"
	"lodge/internal/decode/sse"
)

// body reads the body of the message that a reader reads.
type body struct {
	r       *reader
	kept    *decode.Body // nil: the message has none, or a layer has it
	n       int64        // bytes of the body that the layer has
	left    int64        // bytes of the body, or of the chunk, that are to come
	stream  *sse.Stream
	trailer int64 // bytes of the trailer
}

// begin begins a body.
func (b *body) begin(f framing) {
	r := b.r
	if f.kind == framedNone {
		r.end(true)
		return
	}
	if b.n = 0; r.x.upper == nil {
		b.kept = decode.NewBody(r.d.c.Limits.Body)
	}
	switch f.kind {
	case framedByLength:
		r.state, b.left = inBody, f.length
	case framedByChunks:
		r.state = inChunkSize
	default:
		r.state = untilClose
	}
	if r.x.upper == nil && r.of == decode.Server && r.status.code == 200 && sse.Is(r.head.contentType) {
		r.d.announce(r.x)
		b.stream = sse.New(r.d.c, &r.x.e, r.head.codings())
	}
}

// data reads a part of the body.
func (b *body) data() bool {
	r := b.r
	if v := b.unsent(); v != decode.No {
		return v == decode.Yes
	}
	r.x.expects = r.x.expects && r.of == decode.Server
	p := r.in.Bytes()
	if r.state != untilClose {
		p = p[:min(int64(len(p)), b.left)]
		b.left -= int64(len(p))
	}
	b.give(r.in.AtByte(len(p)-1), p)
	if b.stream != nil {
		b.stream.Data(r.in.AtByte(len(p)-1), p)
	}
	r.take(len(p))
	b.dataRead()
	return true
}

// give hands on a part of the body.
func (b *body) give(at time.Time, p []byte) {
	if b.kept != nil {
		b.kept.Write(p)
		return
	}
	b.n += int64(len(p))
	x := b.r.x
	if x.upper == nil {
		return // the exchange was emitted before its end
	}
	x.upper.Data(b.r.of, at, p)
	if limit := int64(b.r.d.c.Limits.Body); b.r.of == decode.Client { // the layer may hold it
		n := min(limit, b.n) - min(limit, b.n-int64(len(p)))
		x.kept += n
		b.r.d.kept += n
	}
}

// dataRead goes on when no more of the body, or of the chunk, is to come.
func (b *body) dataRead() {
	switch r := b.r; {
	case b.left > 0 || r.state == untilClose:
	case r.state == inBody:
		r.end(true)
	default:
		r.state = inChunkEnd
	}
}

// skip takes a gap of n bytes, -1 where it is not known how many, and reports
// whether what comes after it can be read.
func (b *body) skip(n int64) bool {
	r := b.r
	switch r.state {
	case untilClose:
	case inBody, inChunk:
		if n < 0 || n > b.left {
			return false
		}
		b.left -= n
	default:
		return false
	}
	if n < 0 {
		r.note("a part of its body was not captured")
	} else {
		r.note(strconv.FormatInt(n, 10) + " bytes of its body were not captured")
		r.m.Bytes += n
	}
	if b.kept != nil {
		b.kept.Skip(max(n, 1))
	} else if up := r.x.upper; up != nil {
		b.n += max(n, 1)
		up.Gap(r.of, r.x.e.Ended, n)
	}
	if b.stream != nil {
		b.stream.Gap()
	}
	b.dataRead()
	return true
}

// broken ends a message whose chunks are not what they should be: where it ends
// is not known.
func (b *body) broken(why string) bool {
	b.r.cutOff(why)
	b.r.search(decode.LostMalformed)
	return true
}

const maxChunkLine = 16 << 10

// chunkSize reads the line before a chunk: its size, and extensions, which have
// no meaning that all agree on (RFC 9112 section 7.1).
func (b *body) chunkSize() bool {
	if v := b.unsent(); v != decode.No {
		return v == decode.Yes
	}
	line, n := b.r.in.line(maxChunkLine)
	switch {
	case n == 0:
		return false
	case n < 0:
		return b.broken("the line before a chunk is too long")
	}
	digits, _, _ := bytes.Cut(line, []byte{';'})
	digits = bytes.TrimRight(digits, " \t")
	size, err := strconv.ParseInt(string(digits), 16, 64)
	if err != nil || digits[0] == '+' || digits[0] == '-' {
		return b.broken("the size of a chunk is not one")
	}
	b.r.take(n)
	b.r.x.expects = b.r.x.expects && b.r.of == decode.Server
	if b.left, b.r.state = size, inChunk; size == 0 {
		b.r.state, b.trailer = inTrailer, 0
	}
	return true
}

// chunkEnd reads the line end after a chunk.
func (b *body) chunkEnd() bool {
	switch p := b.r.in.Bytes(); {
	case p[0] == '\n':
		b.r.take(1)
	case p[0] == '\r' && len(p) == 1:
		return false
	case p[0] == '\r' && p[1] == '\n':
		b.r.take(2)
	default:
		return b.broken("a chunk is longer than its size")
	}
	b.r.state = inChunkSize
	return true
}

// trailerLine reads a line after the last chunk.
func (b *body) trailerLine() bool {
	r := b.r
	line, n := r.in.line(maxChunkLine)
	switch {
	case n == 0:
		return false
	case n < 0:
		return b.broken("a line of its trailer is too long")
	}
	limit := int64(r.d.c.Limits.Message)
	if b.trailer += int64(n); len(line) > 0 && b.trailer <= limit {
		b.trailerField(string(line))
	}
	r.take(n)
	if len(line) == 0 {
		if b.trailer > limit {
			r.note("its trailer is longer than what is held")
		}
		r.end(true)
	}
	return true
}

// trailerField adds a line of the trailer, which may continue the one before it.
func (b *body) trailerField(line string) {
	m, c := b.r.m, b.r.d.c
	var h head // a trailer frames nothing
	if last := len(m.Trailer) - 1; last >= 0 && (line[0] == ' ' || line[0] == '\t') {
		b.r.note("a field of its trailer has more than one line (obs-fold)")
		f := &m.Trailer[last]
		if f.Value != decode.Masked && len(f.Value) < maxChunkLine {
			f.Value = content.Header(c, f.Name, f.Value+" "+strings.Trim(line, " \t"))
		}
		return
	}
	m.Trailer = append(m.Trailer, h.fields(c, line)...)
	if h.odd != "" {
		b.r.note("trailer: " + h.odd)
	}
}

// end puts the body into its message.
func (b *body) end() {
	r := b.r
	if b.stream != nil {
		b.stream.Close()
		r.note(b.stream.Unknown())
	}
	if b.kept != nil {
		b.kept.Fill(r.m)
		for _, problem := range content.FillCoded(r.d.c, r.m, r.head.codings()) {
			r.note(problem)
		}
	}
	if b.n > 0 {
		r.m.BodyBytes = b.n
	}
	b.kept, b.stream, b.left, b.n = nil, nil, 0, 0
}
