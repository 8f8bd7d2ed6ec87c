package answer

import (
	"encoding/binary"
	"strconv"
	"strings"
)

// AMQPHello is the protocol header of AMQP 0-9-1 (its specification, section 4.2.2).
const AMQPHello = "AMQP\x00\x00\x09\x01"

func decimal(n int) string { return strconv.Itoa(n) }

// readAMQP knows Connection.Start, and the header with which a server says that
// it speaks another version of AMQP.
func readAMQP(r Reply) (*Answer, bool) {
	if string(r.Sent) == AMQPHello && len(r.Data) == 8 && string(r.Data[:4]) == "AMQP" {
		v := r.Data[4:]
		return &Answer{Protocol: "amqp", Version: decimal(int(v[1])) + "." + decimal(int(v[2])) + "." + decimal(int(v[3]))}, false
	}
	// Frame: method (1), channel 0, size; class 10, method 10, version 0-9.
	const start = "\x00\x0a\x00\x0a\x00\x09"
	if r.Data[0] != 1 || string(r.Sent) != AMQPHello {
		return nil, !r.Final && strings.HasPrefix("AMQP", string(r.Data[:min(4, len(r.Data))])) && len(r.Data) < 8
	}
	if len(r.Data) < 13 {
		return nil, !r.Final
	}
	size := binary.BigEndian.Uint32(r.Data[3:])
	if r.Data[1]|r.Data[2] != 0 || string(r.Data[7:13]) != start || size > 1<<16 {
		return nil, false
	}
	body := r.Data[13:]
	if len(body) < int(size)-6 {
		return &Answer{Protocol: "amqp"}, !r.Final
	}
	a := &Answer{Protocol: "amqp", Auth: "required"}
	table, rest, ok := amqpLong(body[:size-6])
	if !ok {
		return a, false
	}
	for len(table) > 0 {
		var name, value string
		if name, value, table, ok = amqpField(table); !ok {
			break
		}
		switch name {
		case "product":
			a.Product = Plain(value)
		case "version":
			a.Version = Plain(value)
		}
	}
	if mechanisms, _, ok := amqpLong(rest); ok && len(mechanisms) > 0 {
		a.Auth = Plain(strings.ToLower(string(mechanisms)))
	}
	return a, false
}

// amqpLong cuts off a long string or a table: four bytes of length, and it.
func amqpLong(b []byte) (value, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	n := binary.BigEndian.Uint32(b)
	if uint64(n) > uint64(len(b)-4) {
		return nil, nil, false
	}
	return b[4 : 4+n], b[4+n:], true
}

// amqpField cuts one field off a table. Only strings have a value here; nested
// tables are stepped over.
func amqpField(b []byte) (name, value string, rest []byte, ok bool) {
	if len(b) < 1 || len(b) < 2+int(b[0]) {
		return "", "", nil, false
	}
	name, b = string(b[1:1+b[0]]), b[1+b[0]:]
	kind, b := b[0], b[1:]
	fixed := 0
	switch kind {
	case 'S', 'F', 'A', 'x':
		v, rest, ok := amqpLong(b)
		if kind == 'S' {
			value = string(v)
		}
		return name, value, rest, ok
	case 't', 'b', 'B':
		fixed = 1
	case 's', 'u', 'U':
		fixed = 2
	case 'I', 'i', 'f':
		fixed = 4
	case 'D':
		fixed = 5
	case 'l', 'L', 'd', 'T':
		fixed = 8
	case 'V':
	default:
		return "", "", nil, false
	}
	if len(b) < fixed {
		return "", "", nil, false
	}
	return name, "", b[fixed:], true
}

// KafkaHello is ApiVersions, version 0, with correlation id "lodg" (Kafka
// protocol guide, "ApiVersions").
const KafkaHello = "\x00\x00\x00\x13\x00\x12\x00\x00lodg\x00\x09lodge-prb"

// readKafka knows the answer: size, correlation id, error, and an array of
// (key, lowest, highest version).
func readKafka(r Reply) (*Answer, bool) {
	if string(r.Sent) != KafkaHello {
		return nil, false
	}
	if len(r.Data) < 14 {
		return nil, !r.Final && r.Data[0] == 0
	}
	size := binary.BigEndian.Uint32(r.Data)
	count := binary.BigEndian.Uint32(r.Data[10:])
	if string(r.Data[4:8]) != "lodg" || size < 10 || size > 1<<16 || count > 1024 || uint64(size) < 10+6*uint64(count) {
		return nil, false
	}
	a := &Answer{Protocol: "kafka", Product: "Kafka"}
	if code := binary.BigEndian.Uint16(r.Data[8:]); code != 0 {
		a.RefusalCode, a.Refusal = decimal(int(code)), "error code "+decimal(int(code))
	}
	return a, false
}

// DNSHello is a query for version.bind, TXT in class CHAOS, without recursion:
// a server answers or refuses it by itself and asks no other server (RFC 4892).
const DNSHello = "lo\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07version\x04bind\x00\x00\x10\x00\x03"

// DNSOverTCP is the same with the length in front (RFC 1035, section 4.2.2).
const DNSOverTCP = "\x00\x1e" + DNSHello

// readDNSOverTCP knows the answer to dnsOverTCP.
func readDNSOverTCP(r Reply) (*Answer, bool) {
	if string(r.Sent) != DNSOverTCP {
		return nil, false
	}
	if len(r.Data) < 14 {
		return nil, !r.Final && (len(r.Data) < 5 || string(r.Data[2:4]) == DNSHello[:2])
	}
	n := int(binary.BigEndian.Uint16(r.Data))
	if len(r.Data)-2 < n {
		return nil, !r.Final && string(r.Data[2:4]) == DNSHello[:2]
	}
	return readDNS(r.Data[2 : 2+n]), false
}

// readDNS knows an answer to dnsHello (RFC 1035, section 4.1), whatever it says.
func readDNS(m []byte) *Answer {
	const query = 12 + 14 + 4
	if len(m) < 12 || string(m[:2]) != DNSHello[:2] || m[2]&0x80 == 0 || m[2]&0x78 != 0 {
		return nil
	}
	a := &Answer{Protocol: "dns"}
	if code := m[3] & 15; code != 0 {
		a.RefusalCode = decimal(int(code))
		names := []string{"", "format error", "server failure", "no such name", "not implemented", "refused"}
		if a.Refusal = "error " + a.RefusalCode; int(code) < len(names) {
			a.Refusal = names[code]
		}
		return a
	}
	// One answer that points back to the question's name: the TXT itself.
	if binary.BigEndian.Uint16(m[6:]) == 0 || len(m) < query+12+1 || m[12] != 7 {
		return a
	}
	rest := m[query:]
	if rest[0]&0xc0 == 0xc0 {
		rest = rest[2:]
	} else if len(rest) > 14 && string(rest[:14]) == DNSHello[12:26] {
		rest = rest[14:]
	} else {
		return a
	}
	if len(rest) < 11 || string(rest[:4]) != "\x00\x10\x00\x03" {
		return a
	}
	if length := int(rest[10]); len(rest) >= 11+length {
		text := Plain(string(rest[11 : 11+length]))
		a.Product, a.Version, _ = strings.Cut(text, "-") // "dnsmasq-2.89"
		if a.Version == "" {
			a.Product, a.Version = "", text // BIND gives its number alone
		}
	}
	return a
}

// ReadDatagram reads the answer to dnsHello.
func ReadDatagram(b []byte) *Answer {
	if string(b) == DNSHello {
		return &Answer{Protocol: "echo", FirstBytes: QuoteBytes(b, 64)}
	}
	a := readDNS(b)
	if a == nil {
		return Unknown(b)
	}
	a.FirstBytes = QuoteBytes(b, 64)
	return a
}
