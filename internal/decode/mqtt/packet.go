package mqtt

import (
	"encoding/binary"
	"unicode/utf8"

	"lodge/internal/decode"
)

// The types of packets.
const (
	connect = iota + 1
	connack
	publish
	puback
	pubrec
	pubrel
	pubcomp
	subscribe
	suback
	unsubscribe
	unsuback
	pingreq
	pingresp
	disconnect
	auth
)

var typeNames = [...]string{
	connect: "CONNECT", connack: "CONNACK", publish: "PUBLISH", puback: "PUBACK", pubrec: "PUBREC",
	pubrel: "PUBREL", pubcomp: "PUBCOMP", subscribe: "SUBSCRIBE", suback: "SUBACK", unsubscribe: "UNSUBSCRIBE",
	unsuback: "UNSUBACK", pingreq: "PINGREQ", pingresp: "PINGRESP", disconnect: "DISCONNECT", auth: "AUTH",
}

// fixedHeader returns the number of bytes that follow the fixed header, and its
// size: 0 where it is not whole.
func fixedHeader(b []byte) (remaining, size int, ok bool) {
	for i := 1; i < len(b); i++ {
		remaining |= int(b[i]&0x7f) << (7 * (i - 1))
		if b[i] < 0x80 {
			return remaining, i + 1, true
		}
		if i == 4 {
			return 0, 0, false
		}
	}
	return 0, 0, true
}

// sends reports whether a side may send a packet that begins with a byte.
func sends(s decode.Side, first byte) bool {
	flags := first & 0x0f
	switch first >> 4 {
	case connect, pingreq:
		return s == decode.Client && flags == 0
	case connack, suback, unsuback, pingresp:
		return s == decode.Server && flags == 0
	case subscribe, unsubscribe:
		return s == decode.Client && flags&^8 == 2 // DUP is of version 3.1
	case publish:
		return flags&6 != 6
	case pubrel:
		return flags&^8 == 2
	case puback, pubrec, pubcomp, disconnect, auth:
		return flags == 0
	}
	return false
}

// publishHeader returns the size of the variable header of a PUBLISH of which b
// is what follows the fixed header: 0 where more is needed, -1 where it is longer
// than the packet.
func publishHeader(b []byte, qos byte, version byte, remaining int) int {
	if len(b) < 2 {
		if remaining < 2 {
			return -1
		}
		return 0
	}
	n := 2 + int(binary.BigEndian.Uint16(b))
	if qos > 0 {
		n += 2
	}
	if version >= 5 && n < remaining {
		props := 0
		for i := 0; ; i++ {
			switch {
			case n >= remaining || i == 4:
				return -1
			case n >= len(b):
				return 0
			}
			props |= int(b[n]&0x7f) << (7 * i)
			n++
			if b[n-1] < 0x80 {
				break
			}
		}
		n += props
	} else if version >= 5 {
		return -1
	}
	if n > remaining {
		return -1
	}
	return n
}

// searched bounds what is believed of packets where the begin of one is looked
// for.
const (
	searchedPacket = 16 << 10
	searchedText   = 256
)

// plausible judges whether a whole packet that a side may send begins b, and
// returns its size.
func plausible(b []byte, s decode.Side) (size int, v decode.Verdict) {
	if len(b) == 0 {
		return 0, decode.Maybe
	}
	if !sends(s, b[0]) {
		return 0, decode.No
	}
	remaining, n, ok := fixedHeader(b)
	switch {
	case !ok || remaining > searchedPacket:
		return 0, decode.No
	case n == 0:
		return 0, decode.Maybe
	}
	least, most := 2, searchedText
	switch b[0] >> 4 {
	case pingreq, pingresp:
		least, most = 0, 0
	case disconnect, auth:
		least = 0
	case publish:
		least, most = 3, searchedPacket
	case subscribe, unsubscribe:
		least = 5
	case connect:
		least = 12
	case suback:
		least = 3
	}
	if remaining < least || remaining > most {
		return 0, decode.No
	}
	size = n + remaining
	body := b[n:min(len(b), size)]
	if b[0]>>4 == publish && len(body) >= 2 && !plausibleTopic(body, b[0]>>1&3) {
		return 0, decode.No
	}
	if len(b) < size {
		return 0, decode.Maybe
	}
	switch b[0] >> 4 {
	case subscribe, unsubscribe:
		if _, _, ok := parseFilters(body, 0, b[0]>>4); !ok {
			return 0, decode.No
		}
	case connect:
		if string(body[2:6]) != "MQTT" && string(body[2:6]) != "MQIs" {
			return 0, decode.No
		}
	case connack:
		if body[0] > 1 {
			return 0, decode.No
		}
	}
	return size, decode.Yes
}

// plausibleTopic reports whether a PUBLISH begins with a topic that is text, as
// far as it is there, and with a packet identifier where it must have one.
func plausibleTopic(body []byte, qos byte) bool {
	n := int(binary.BigEndian.Uint16(body))
	if n == 0 || n > searchedText {
		return false
	}
	for _, c := range body[2:min(len(body), 2+n)] {
		if c < ' ' || c == '#' || c == '+' || c == 0x7f {
			return false
		}
	}
	if len(body) < 2+n+2 {
		return true
	}
	return utf8.Valid(body[2:2+n]) && (qos == 0 || body[2+n] != 0 || body[3+n] != 0)
}
