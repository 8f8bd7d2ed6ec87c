package mqtt

import (
	"fmt"
	"strconv"

	"lodge/internal/decode"
	"lodge/internal/decode/secret"
)

func text(r *decode.Reader) string { return string(r.Bytes(int(r.Uint16()))) }

// Types of properties.
const (
	oneByte = iota + 1
	twoBytes
	fourBytes
	variable
	str
	binary16
	pair
)

type property struct {
	name string
	typ  int
}

// propertyOf has the properties of version 5.0 (section 2.2.2.2) by identifier.
var propertyOf = [...]property{
	0x01: {"payload_format_indicator", oneByte},
	0x02: {"message_expiry_interval", fourBytes},
	0x03: {"content_type", str},
	0x08: {"response_topic", str},
	0x09: {"correlation_data", binary16},
	0x0b: {"subscription_identifier", variable},
	0x11: {"session_expiry_interval", fourBytes},
	0x12: {"assigned_client_identifier", str},
	0x13: {"server_keep_alive", twoBytes},
	0x15: {"authentication_method", str},
	0x16: {"authentication_data", binary16},
	0x17: {"request_problem_information", oneByte},
	0x18: {"will_delay_interval", fourBytes},
	0x19: {"request_response_information", oneByte},
	0x1a: {"response_information", str},
	0x1c: {"server_reference", str},
	0x1f: {"reason_string", str},
	0x21: {"receive_maximum", twoBytes},
	0x22: {"topic_alias_maximum", twoBytes},
	0x23: {"topic_alias", twoBytes},
	0x24: {"maximum_qos", oneByte},
	0x25: {"retain_available", oneByte},
	0x26: {"user_property", pair},
	0x27: {"maximum_packet_size", fourBytes},
	0x28: {"wildcard_subscription_available", oneByte},
	0x29: {"subscription_identifiers_available", oneByte},
	0x2a: {"shared_subscription_available", oneByte},
}

// properties reads properties with their length.
func properties(c *decode.Conn, r *decode.Reader) []decode.Field {
	p := decode.NewReader(r.Bytes(int(r.Uvarint(4))))
	var fields []decode.Field
	for p.Len() > 0 && !p.Short() {
		id := p.Uvarint(4)
		var k property
		if id < uint64(len(propertyOf)) {
			k = propertyOf[id]
		}
		var value string
		switch k.typ {
		case oneByte:
			value = strconv.Itoa(int(p.Uint8()))
		case twoBytes:
			value = strconv.Itoa(int(p.Uint16()))
		case fourBytes:
			value = strconv.FormatUint(uint64(p.Uint32()), 10)
		case variable:
			value = strconv.FormatUint(p.Uvarint(4), 10)
		case str:
			value = text(p)
		case binary16:
			value = fmt.Sprintf("%x", text(p))
		case pair:
			name := text(p)
			value = text(p)
			if secret.Name(name) {
				value = c.Secret(value)
			}
			value = name + "=" + value
		default: // nothing says how long it is
			p.Fail()
		}
		if p.Short() {
			break
		}
		if k.name == "authentication_data" {
			value = c.Secret(value)
		}
		fields = append(fields, decode.Field{Name: k.name, Value: value})
	}
	if p.Short() {
		r.Fail()
	}
	return fields
}

func property1(fields []decode.Field, name string) string {
	for _, f := range fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// reasonOf has the reason codes of version 5.0 (section 2.4).
var reasonOf = [...]string{
	0x00: "Success",
	0x01: "Granted QoS 1",
	0x02: "Granted QoS 2",
	0x04: "Disconnect with Will Message",
	0x10: "No matching subscribers",
	0x11: "No subscription existed",
	0x18: "Continue authentication",
	0x19: "Re-authenticate",
	0x80: "Unspecified error",
	0x81: "Malformed Packet",
	0x82: "Protocol Error",
	0x83: "Implementation specific error",
	0x84: "Unsupported Protocol Version",
	0x85: "Client Identifier not valid",
	0x86: "Bad User Name or Password",
	0x87: "Not authorized",
	0x88: "Server unavailable",
	0x89: "Server busy",
	0x8a: "Banned",
	0x8b: "Server shutting down",
	0x8c: "Bad authentication method",
	0x8d: "Keep Alive timeout",
	0x8e: "Session taken over",
	0x8f: "Topic Filter invalid",
	0x90: "Topic Name invalid",
	0x91: "Packet Identifier in use",
	0x92: "Packet Identifier not found",
	0x93: "Receive Maximum exceeded",
	0x94: "Topic Alias invalid",
	0x95: "Packet too large",
	0x96: "Message rate too high",
	0x97: "Quota exceeded",
	0x98: "Administrative action",
	0x99: "Payload format invalid",
	0x9a: "Retain not supported",
	0x9b: "QoS not supported",
	0x9c: "Use another server",
	0x9d: "Server moved",
	0x9e: "Shared Subscriptions not supported",
	0x9f: "Connection rate exceeded",
	0xa0: "Maximum connect time",
	0xa1: "Subscription Identifiers not supported",
	0xa2: "Wildcard Subscriptions not supported",
}

// returnCodeOf has the return codes of CONNACK before version 5.0.
var returnCodeOf = [...]string{
	"Connection Accepted",
	"Connection Refused, unacceptable protocol version",
	"Connection Refused, identifier rejected",
	"Connection Refused, Server unavailable",
	"Connection Refused, bad user name or password",
	"Connection Refused, not authorized",
}

// reason returns a reason code with its name in a packet of a type.
func reason(code byte, version byte, typ byte) string {
	name := ""
	switch {
	case code == 0 && typ == suback:
		name = "Granted QoS 0"
	case code == 0 && typ == disconnect:
		name = "Normal disconnection"
	case version < 5 && typ == suback && code == 0x80:
		name = "Failure"
	case version < 5 && typ == connack:
		if int(code) < len(returnCodeOf) {
			name = returnCodeOf[code]
		}
	case int(code) < len(reasonOf):
		name = reasonOf[code]
	}
	if name == "" {
		return fmt.Sprintf("0x%02x", code)
	}
	return fmt.Sprintf("0x%02x %s", code, name)
}

type filter struct {
	topic   string
	options byte
}

// parseFilters reads what follows the fixed header of SUBSCRIBE or UNSUBSCRIBE.
// Where the version is not known, 0, it is the one that the bytes are of.
func parseFilters(body []byte, version byte, typ byte) (f []filter, r *decode.Reader, ok bool) {
	if version == 0 {
		if f, r, ok = parseFilters(body, 4, typ); ok {
			return f, r, ok
		}
		version = 5
	}
	r = decode.NewReader(body)
	if r.Uint16() == 0 {
		return nil, r, false
	}
	if version >= 5 {
		r.Bytes(int(r.Uvarint(4)))
	}
	for r.Len() > 0 {
		var x filter
		if x.topic = text(r); x.topic == "" {
			return nil, r, false
		}
		if typ == subscribe {
			x.options = r.Uint8()
			if x.options > 3 && version < 5 || x.options&3 == 3 {
				return nil, r, false
			}
		}
		f = append(f, x)
	}
	return f, r, !r.Short() && len(f) > 0
}
