package mongodb

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"time"

	"lodge/internal/decode"
	"lodge/internal/decode/snappy"
	"lodge/internal/decode/zstd"
)

// header is the begin of each message.
type header struct {
	size     int64
	id       uint32
	answerTo uint32
	op       opcode
}

// headerLen is the length of a header, and maxSize that of the longest message
// that is believed: servers take 48,000,000 bytes.
const (
	headerLen = 16
	maxSize   = 64 << 20
)

// parseHeader reads a header, and reports whether it may be one.
func parseHeader(b []byte) (h header, ok bool) {
	le := binary.LittleEndian
	h = header{size: int64(int32(le.Uint32(b))), id: le.Uint32(b[4:]), answerTo: le.Uint32(b[8:]), op: opcode(int32(le.Uint32(b[12:])))}
	return h, h.size >= headerLen && h.size <= maxSize && h.op.known()
}

// message is what is known of the message that a side is in.
type message struct {
	h       header
	left    int64 // of its bytes are to come
	begin   time.Time
	last    time.Time
	content *content
	answers *pending // of an answer: what it is for

	sum     uint32 // CRC-32C of what was read
	trailer []byte // the checksum

	packed  []byte // what is compressed
	how     byte   // the compressor
	opened  bool   // the header of what is compressed was read
	wrapped header
	unknown string // why it could not be read
	long    bool   // it is longer than is held
	cut     bool   // not all of it was captured
}

// compressed has the length of what precedes the data in OP_COMPRESSED.
const compressed = 9

// closed reports that it is not known what the message says, because of how it
// is compressed.
func (m *message) closed() bool {
	return m.h.op == opCompressed && (!m.opened || m.unknown != "" && len(m.content.numbers) == 0)
}

// read takes bytes of the message.
func (m *message) read(o decode.Options, b []byte) {
	if m.h.op == opCompressed {
		m.pack(o, b)
		return
	}
	if m.h.op == opMsg {
		m.check(b)
	}
	m.content.write(b)
}

// check follows the checksum of a message that may have one.
func (m *message) check(b []byte) {
	if m.h.size-m.left >= headerLen+4 && m.content.trailer() == 0 {
		return
	}
	n := int64(len(b))
	over := max(n-max(m.left-4, 0), 0) // bytes of the checksum itself
	m.sum = crc32.Update(m.sum, crc32.MakeTable(crc32.Castagnoli), b[:n-over])
	m.trailer = append(m.trailer, b[n-over:]...)
}

// pack takes bytes of a message that is compressed.
func (m *message) pack(o decode.Options, b []byte) {
	if !m.opened {
		n := min(compressed-len(m.packed), len(b))
		m.packed = append(m.packed, b[:n]...)
		if b = b[n:]; len(m.packed) < compressed {
			return
		}
		le := binary.LittleEndian
		m.opened = true
		m.wrapped = header{size: int64(int32(le.Uint32(m.packed[4:]))), op: opcode(int32(le.Uint32(m.packed)))}
		m.how, m.packed = m.packed[8], nil
		switch {
		case m.wrapped.op.fields() == "" || m.wrapped.size < 0 || m.wrapped.size > maxSize:
			m.unknown = "the header of the compressed message could not be read"
		case m.how > 3:
			m.unknown = "it is compressed with " + compressor(m.how)
		default:
			m.content = newContent(m.wrapped.op, m.view(), m.wrapped.size)
		}
	}
	switch {
	case m.unknown != "" || len(b) == 0:
	case m.how == 0:
		m.content.write(b)
	case len(m.packed)+len(b) > o.Limits.Message:
		m.unknown, m.long = "it is compressed and longer than is held", true
		m.packed = nil
	default:
		m.packed = append(m.packed, b...)
	}
}

// compressor returns the name of a compressor.
func compressor(how byte) string {
	switch how {
	case 0:
		return "noop"
	case 1:
		return "snappy"
	case 2:
		return "zlib"
	case 3:
		return "zstd"
	}
	return "an unknown compressor"
}

// encoding returns the compression of the message, or "".
func (m *message) encoding() string {
	if m.h.op != opCompressed || !m.opened || m.how == 0 {
		return ""
	}
	return compressor(m.how)
}

// inflateFactor bounds what is read of a compressed message, as a multiple of
// what a decoder holds of one.
const inflateFactor = 64

// finish takes the end of the message.
func (m *message) finish(o decode.Options) {
	if m.h.op == opCompressed && m.how != 0 && m.unknown == "" && m.opened {
		m.inflate(int64(o.Limits.Message) * inflateFactor)
	}
	c := m.content
	if c.walker != nil && !c.bad {
		c.docs += c.walker.pos + int64(len(c.walker.rest))
	}
	switch {
	case m.unknown != "" || m.cut:
	case c.bad || c.left > 0 || c.walker != nil || c.inSeq:
		m.unknown = "its documents could not be read"
	case len(m.trailer) == 4 && c.trailer() == 4 && binary.LittleEndian.Uint32(m.trailer) != m.sum:
		m.unknown = "its checksum is wrong"
	}
}

// inflate reads what is compressed, up to a limit.
func (m *message) inflate(limit int64) {
	limit = min(limit, m.wrapped.size)
	var out []byte
	var more bool
	var err error
	switch m.how {
	case 1:
		out, more, err = snappy.Decompress(m.packed, int(limit))
	case 2:
		more, err = m.inflateZlib(limit)
	case 3:
		out, more, err = zstd.Decompress(m.packed, int(limit))
	}
	m.packed = nil
	m.content.write(out)
	switch {
	case more:
		m.unknown = "more of it is compressed than is read"
	case err != nil && !m.cut:
		m.unknown = "it could not be decompressed"
	}
}

// inflateZlib reads what is compressed with zlib, and reports whether there is more than
// the limit.
func (m *message) inflateZlib(limit int64) (more bool, err error) {
	z, err := zlib.NewReader(bytes.NewReader(m.packed))
	buf := make([]byte, 4096)
	for err == nil && limit >= 0 {
		var n int
		n, err = z.Read(buf)
		m.content.write(buf[:min(int64(n), limit)])
		limit -= int64(n)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return limit < 0, err
}

// view returns what the documents of the message go to. It is made with the
// message, before what is compressed is known.
func (m *message) view() *view { return m.content.view }

// fill puts the documents of the message into an exchange's.
func (m *message) fill(to *decode.Message) {
	m.view().body.Fill(to)
	to.BodyBytes = m.content.docs
	to.Encoding = m.encoding()
	to.Bytes = m.h.size - m.left
	to.Incomplete = m.cut
}
