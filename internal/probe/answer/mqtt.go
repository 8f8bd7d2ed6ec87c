package answer

// MQTTHello is CONNECT of MQTT 3.1.1 with a clean session, a keep-alive of ten
// seconds and no client's name (OASIS MQTT Version 3.1.1, section 3.1), and
// DISCONNECT behind it, so that nothing of it stays.
const MQTTHello = "\x10\x0c\x00\x04MQTT\x04\x02\x00\x0a\x00\x00\xe0\x00"

// readMQTT reads CONNACK (section 3.2): its flags and a code, which says why a
// client is not let in.
func readMQTT(r Reply) (*Answer, bool) {
	if string(r.Sent) != MQTTHello {
		return nil, false
	}
	const head = "\x20\x02"
	if n := min(len(r.Data), len(head)); string(r.Data[:n]) != head[:n] {
		return nil, false
	}
	if len(r.Data) < 4 {
		return nil, true
	}
	a := &Answer{Protocol: "mqtt"}
	switch r.Data[3] {
	case 0:
		a.Auth = "none"
	case 1:
		a.Refusal = "unacceptable protocol version"
	case 2:
		a.Refusal = "identifier rejected"
	case 3:
		a.Refusal = "server unavailable"
	case 4:
		a.Auth, a.Refusal = "required", "bad user name or password"
	case 5:
		a.Auth, a.Refusal = "required", "not authorized"
	default:
		return nil, false
	}
	return a, false
}
