// Package kafka decodes the protocol of Apache Kafka:
// https://kafka.apache.org/protocol.html, with the messages as
// https://github.com/apache/kafka/tree/trunk/clients/src/main/resources/common/message
// has them, and batches of records as in
// https://kafka.apache.org/documentation/#recordbatch.
//
// A request and the response of its correlation id are one exchange. Of all
// requests the kind, the version and the client are known; bodies are decoded for
// those that clients and tools for administrators send most. Records that are compressed
// are shown, whatever the codec.
package kafka

import (
	"encoding/binary"

	"lodge/internal/decode"
)

// Name is the protocol's name.
const Name = "kafka"

// Protocol returns the protocol.
func Protocol() *decode.Protocol {
	return &decode.Protocol{
		Name:   Name,
		Detect: detect,
		New:    func(c *decode.Conn) decode.Decoder { return newDecoder(c) },
	}
}

func detect(p *decode.Prefix) decode.Verdict {
	b := p.Bytes[decode.Client]
	if len(b) == 0 {
		if p.Midstream {
			return decode.Maybe
		}
		return decode.No // the client speaks first
	}
	v := plausibleRequest(b)
	if v == decode.No && p.Midstream {
		return decode.Maybe // it may begin within a request
	}
	return v
}

// maxMessage bounds the size that is believed of a message.
const (
	maxMessage  = 1 << 30
	maxSearched = 128 << 20
)

// plausibleRequest judges whether a request begins b, by its size and its header.
// It is strict: other protocols begin with such a size too.
func plausibleRequest(b []byte) decode.Verdict {
	if len(b) < 4 {
		if b[0] > 7 {
			return decode.No
		}
		return decode.Maybe
	}
	size := binary.BigEndian.Uint32(b)
	if size < 10 || size > maxSearched {
		return decode.No
	}
	if len(b) < 6 {
		return decode.Maybe
	}
	key := int16(binary.BigEndian.Uint16(b[4:]))
	a := find(key)
	if a == nil {
		return decode.No
	}
	if len(b) < 14 {
		return decode.Maybe
	}
	version := int16(binary.BigEndian.Uint16(b[6:]))
	if version < 0 || version > a.max+3 {
		return decode.No
	}
	if letters(b[8:12]) { // PostgreSQL's start has "user" here
		return decode.No
	}
	n := int(int16(binary.BigEndian.Uint16(b[12:])))
	switch {
	case n > 255 || n < -1 || n > int(size)-10:
		return decode.No
	case n <= 0:
		// Without a name, only the requests that begin a connection are believed.
		switch key {
		case keyMetadata, keyAPIVersions, keySaslHandshake, keySaslAuthenticate:
			return decode.Yes
		}
		return decode.No
	}
	for _, c := range b[14:min(len(b), 14+n)] {
		if c < ' ' || c == 0x7f {
			return decode.No
		}
	}
	if len(b) < 14+n {
		return decode.Maybe
	}
	return decode.Yes
}

// letters reports whether b has nothing but small letters.
func letters(b []byte) bool {
	for _, c := range b {
		if c < 'a' || c > 'z' {
			return false
		}
	}
	return true
}
