package answer

import (
	"encoding/binary"
	"math"
	"strings"
)

// MongoHello asks {hello: 1, $db: "admin"} in an OP_MSG with request id 1
// (MongoDB manual, "Wire Protocol"); mongoBuildInfo asks for the version.
func MongoHello() []byte     { return mongoCommand("hello") }
func MongoBuildInfo() []byte { return mongoCommand("buildInfo") }

const opMsg, opReply = 2013, 1

func mongoCommand(name string) []byte {
	doc := []byte("\x10" + name + "\x00\x01\x00\x00\x00" + "\x02$db\x00\x06\x00\x00\x00admin\x00" + "\x00")
	doc = append(binary.LittleEndian.AppendUint32(nil, uint32(len(doc)+4)), doc...)
	m := binary.LittleEndian.AppendUint32(nil, uint32(16+4+1+len(doc)))
	m = binary.LittleEndian.AppendUint32(m, 1)
	m = binary.LittleEndian.AppendUint32(m, 0)
	m = binary.LittleEndian.AppendUint32(m, opMsg)
	m = append(m, 0, 0, 0, 0, 0) // flags; section kind 0: one document
	return append(m, doc...)
}

// ReadMongo knows the answer to a command of ours.
func ReadMongo(r Reply) (*Answer, bool) {
	if s := string(r.Sent); s != string(MongoHello()) && s != string(MongoBuildInfo()) {
		return nil, false
	}
	if len(r.Data) < 16 {
		return nil, !r.Final
	}
	size := binary.LittleEndian.Uint32(r.Data)
	op := binary.LittleEndian.Uint32(r.Data[12:])
	if size < 26 || size > 48<<20 || op != opMsg && op != opReply || binary.LittleEndian.Uint32(r.Data[8:]) != 1 {
		return nil, false
	}
	a := &Answer{Protocol: "mongodb", Product: "MongoDB"}
	if len(r.Data) < int(size) && !r.Final && size <= 1<<16 {
		return a, true
	}
	skip := 16 + 4 + 1 // OP_MSG: flags, kind
	if op == opReply {
		skip = 16 + 20
	}
	if len(r.Data) <= skip {
		return a, false
	}
	ok, code := true, ""
	bsonStrings(r.Data[skip:], func(name, value string) {
		switch name {
		case "version":
			a.Version = Plain(value)
		case "errmsg":
			a.Refusal = Plain(value)
		case "codeName":
			code = Plain(value)
		case "ok":
			ok = value != "0"
		}
	})
	if ok {
		a.Refusal = ""
	} else if a.RefusalCode = code; a.Refusal == "" {
		a.Refusal = "no reason given"
	}
	return a, false
}

// bsonStrings calls f with each string and number at the top of a BSON document
// (bsonspec.org, version 1.1), until it ends or is no longer understood.
func bsonStrings(b []byte, f func(name, value string)) {
	if len(b) < 5 {
		return
	}
	n := binary.LittleEndian.Uint32(b)
	if n < 5 {
		return
	}
	b = b[:min(uint64(n), uint64(len(b)))]
	for b = b[4:]; len(b) > 1 && b[0] != 0; {
		kind := b[0]
		name, _, ok := strings.Cut(string(b[1:min(len(b), 1+256)]), "\x00")
		if !ok {
			return
		}
		b = b[1+len(name)+1:]
		length := 0
		switch kind {
		case 0x01: // double
			if len(b) >= 8 {
				f(name, decimal(int(clampFloat(math.Float64frombits(binary.LittleEndian.Uint64(b))))))
			}
			length = 8
		case 0x09, 0x11, 0x12: // date, timestamp, int64
			length = 8
		case 0x10: // int32
			if len(b) >= 4 {
				f(name, decimal(int(int32(binary.LittleEndian.Uint32(b)))))
			}
			length = 4
		case 0x08: // boolean
			length = 1
		case 0x0a: // null
		case 0x07: // object id
			length = 12
		case 0x02, 0x03, 0x04, 0x05: // string, document, array, binary
			if len(b) < 4 {
				return
			}
			n := binary.LittleEndian.Uint32(b)
			if n > 1<<20 {
				return
			}
			switch length = int(n); kind {
			case 0x02:
				if length += 4; len(b) >= length && n > 0 {
					f(name, string(b[4:length-1]))
				}
			case 0x05:
				length += 5
			}
		default:
			return
		}
		if length < 0 || len(b) < length {
			return
		}
		b = b[length:]
	}
}

func clampFloat(x float64) float64 {
	if math.IsNaN(x) {
		return 0
	}
	return max(-1e15, min(1e15, x))
}
