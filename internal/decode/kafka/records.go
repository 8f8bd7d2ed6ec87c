package kafka

import (
	"fmt"
	"strings"

	"lodge/internal/decode"
	"lodge/internal/decode/lz4"
	"lodge/internal/decode/secret"
	"lodge/internal/decode/snappy"
	"lodge/internal/decode/zstd"
)

// compressions are the codecs of a batch, by the lowest bits of its attributes.
var compressions = [8]string{1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd", 5: "codec 5", 6: "codec 6", 7: "codec 7"}

// records shows the batches of one partition: of version 2 of the format, or the
// older message sets. The last one may be cut.
func (s *summary) records(b []byte) {
	label := ""
	if e := s.top(); e != nil {
		label = e.label
	}
	for r := decode.NewReader(b); r.Len() > 0; {
		offset := int64(r.Uint64())
		size := int32(r.Uint32())
		whole := size >= 0 && int(size) <= r.Len()
		batch := decode.NewReader(r.Bytes(min(max(int(size), 0), r.Len())))
		if r.Short() || size < 14 {
			return // a cut batch, or none
		}
		switch magic := magicOf(batch); magic {
		case 2:
			s.batch(label, offset, batch, whole)
		case 0, 1:
			if !whole {
				return // a broker may cut the last message
			}
			s.message(label, offset, batch, magic, true)
		default:
			s.note(fmt.Sprintf("the format %d of its records is not decoded", magic))
			return
		}
	}
}

// magicOf returns the version of the format, which all of them have in one place.
func magicOf(r *decode.Reader) int {
	probe := *r
	probe.Bytes(4)
	return int(int8(probe.Uint8()))
}

func (s *summary) note(unknown string) { add(&s.unknown, unknown) }

// batch shows a batch of version 2.
func (s *summary) batch(label string, offset int64, r *decode.Reader, whole bool) {
	r.Bytes(4 + 1 + 4) // leader epoch, magic, checksum
	attributes := r.Uint16()
	r.Uint32() // last offset delta
	r.Uint64()
	r.Uint64() // first and last time
	producer := int64(r.Uint64())
	epoch := int16(r.Uint16())
	sequence := int32(r.Uint32())
	count := int32(r.Uint32())
	if r.Short() {
		return
	}
	var line strings.Builder
	fmt.Fprintf(&line, "%s offset=%d count=%d", label, offset, count)
	if producer >= 0 {
		fmt.Fprintf(&line, " producer_id=%d epoch=%d sequence=%d", producer, epoch, sequence)
	}
	codec := compressions[attributes&7]
	if codec != "" {
		fmt.Fprintf(&line, " compression=%s", codec)
	}
	if attributes&0x10 != 0 {
		line.WriteString(" transactional")
	}
	control := attributes&0x20 != 0
	if control {
		line.WriteString(" control")
	}
	fmt.Fprintf(&line, " bytes=%d", r.Len())
	s.add("batch", line.String())
	if r = s.inflate(r, codec); r == nil {
		return
	}
	for i := int32(0); i < count && r.Len() > 0; i++ {
		record := decode.NewReader(r.Bytes(int(varint(r, 5))))
		if r.Short() {
			if whole {
				s.note("a batch of records is damaged, or longer than the limit")
			}
			return
		}
		record.Uint8() // attributes
		varint(record, 10)
		delta := varint(record, 5)
		key := record.Bytes(int(max(0, varint(record, 5))))
		value := record.Bytes(int(max(0, varint(record, 5))))
		headers := varint(record, 5)
		if record.Short() {
			continue
		}
		if control {
			continue // a mark of a transaction's end
		}
		var fields []decode.Field
		for ; headers > 0 && record.Len() > 0; headers-- {
			name := record.Bytes(int(max(0, varint(record, 5))))
			v := record.Bytes(int(max(0, varint(record, 5))))
			if len(fields) < maxTargets {
				fields = append(fields, decode.Field{Name: string(name), Value: string(v)})
			}
		}
		s.record(label, offset+delta, key, value, fields)
	}
}

// message shows a message of version 0 or 1, or the messages that are compressed
// in it.
func (s *summary) message(label string, offset int64, r *decode.Reader, magic int, outer bool) {
	r.Bytes(4 + 1) // checksum, magic
	attributes := r.Uint8()
	if magic == 1 {
		r.Uint64() // time
	}
	key := r.Bytes(int(max(0, int32(r.Uint32()))))
	value := r.Bytes(int(max(0, int32(r.Uint32()))))
	if r.Short() {
		return
	}
	codec := compressions[attributes&7]
	if codec == "" || !outer {
		s.record(label, offset, key, value, nil)
		return
	}
	s.add("batch", fmt.Sprintf("%s offset=%d compression=%s bytes=%d", label, offset, codec, len(value)))
	inner := s.inflate(decode.NewReader(value), codec)
	for inner != nil && inner.Len() > 0 {
		at := int64(inner.Uint64())
		m := decode.NewReader(inner.Bytes(int(int32(inner.Uint32()))))
		if inner.Short() {
			return
		}
		s.message(label, at, m, magicOf(m), false)
	}
}

// inflate returns the records that were compressed, or nil where they cannot be
// had.
func (s *summary) inflate(r *decode.Reader, codec string) *decode.Reader {
	if codec == "" {
		return r
	}
	s.encoding = codec
	// What is uncompressed of one message is bounded.
	limit := min(max(0, 4*s.session.conn.Limits.Message-s.inflated), s.session.conn.Limits.Message)
	b := r.Rest()
	var out []byte
	var more bool
	var err error
	switch codec {
	case "gzip":
		out, more, err = decode.Gunzip(b, limit)
	case "snappy":
		out, more, err = snappy.DecompressJava(b, limit)
	case "lz4":
		out, more, err = lz4.Decompress(b, limit)
	case "zstd":
		out, more, err = zstd.Decompress(b, limit)
	default:
		s.body.Skip(int64(len(b)))
		s.note("records are compressed with " + codec + ", which is not undone")
		return nil
	}
	s.inflated += len(out)
	if more || err != nil {
		s.note("a batch of records is damaged, or longer than the limit")
	}
	return decode.NewReader(out)
}

// record shows a record: its value goes into the body, each on a line.
func (s *summary) record(label string, offset int64, key, value []byte, headers []decode.Field) {
	if s.body.Len() > 0 {
		s.body.Write([]byte{'\n'})
	}
	s.body.Write(value)
	if s.shown++; s.shown > maxRecords {
		return
	}
	line := fmt.Sprintf("%s offset=%d", label, offset)
	if len(key) > 0 {
		line += " key=" + quoted(s.masked(key))
	}
	line += " value=" + quoted(s.masked(value))
	secret.Fields(s.session.conn, headers)
	for _, h := range headers {
		line += " " + h.Name + "=" + quoted([]byte(h.Value))
	}
	s.add("record", line)
}

// masked returns a key or a value without secrets that have their names in it.
func (s *summary) masked(b []byte) []byte {
	if s.session.conn.Secrets {
		return b
	}
	return secret.Body("", b)
}

// varint reads a signed number, as records have them.
func varint(r *decode.Reader, size int) int64 {
	u := r.Uvarint(size)
	return int64(u>>1) ^ -int64(u&1)
}
