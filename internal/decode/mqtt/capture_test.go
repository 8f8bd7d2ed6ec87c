package mqtt

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"lodge/internal/decode"
	"lodge/internal/decode/captest"
)

// captures are of mosquitto 2.0.11 and its clients (testdata/make.sh), and one of
// zeek's (testdata/SOURCES).
var captures = []string{"v31", "v311", "v5", "login", "zeek"}

func TestCaptures(t *testing.T) {
	for _, name := range captures {
		t.Run(name, func(t *testing.T) {
			file := "testdata/" + name + ".pcap"
			captest.Golden(t, file, Protocol())
			captest.Splits(t, file, Protocol())
			for _, f := range captest.Flows(t, file, Protocol()) {
				if f.Protocol != Name || len(f.Losses) > 0 {
					t.Errorf("%s: protocol %q, lost %v", f.Client, f.Protocol, f.Losses)
				}
			}
		})
	}
}

// TestTshark compares the exchanges with what tshark's packets make when they are
// joined by their identifiers. There is no difference, but that tshark does not
// show a reason of 5.0 that is left out, which means 0.
func TestTshark(t *testing.T) {
	for _, name := range captures {
		t.Run(name, func(t *testing.T) {
			file := "testdata/" + name + ".pcap"
			captest.InOrder(t, captest.Exchanges(captest.Flows(t, file, Protocol())), line, joined(captest.PDUs(t, file, Name)))
		})
	}
}

// line is what is compared of an exchange.
func line(e *decode.Exchange) string {
	code := ""
	if strings.HasPrefix(e.Status, "0x") {
		code = fmt.Sprint(e.Code)
	}
	if e.Method == "SUBSCRIBE" || e.Method == "UNSUBSCRIBE" && code != "" {
		code = ""
		for s := range strings.SplitSeq(e.Status, ", ") {
			n, _ := strconv.ParseUint(strings.Fields(s)[0], 0, 8)
			code += fmt.Sprint(n) + " "
		}
	}
	return fmt.Sprintf("%s %s %q %d → %s", e.Method, e.Target, e.Request.Body, e.Stream, strings.TrimSpace(code))
}

// joined returns the lines of tshark's packets.
func joined(pdus []captest.PDU) []string {
	type exchange struct {
		from, text, code string
	}
	var all []*exchange
	waits := map[string]*exchange{}
	version := map[string]string{} // of each stream
	for _, p := range pdus {
		n, _ := strconv.Atoi(p.First("mqtt.msgtype"))
		id := p.First("mqtt.msgid")
		key := func(kind string) string { return p.Stream + " " + kind + " " + id }
		answer := func(kind string, codes ...string) {
			for k, e := range waits {
				if k == key(kind) && e.from != p.From {
					e.code = strings.Join(codes, " ")
				}
			}
		}
		code := p.First("mqtt.reason_code") + p.First("mqtt.puback.reason_code") + p.First("mqtt.pubrec.reason_code") + p.First("mqtt.pubcomp.reason_code") + p.First("mqtt.disconnect.reason_code")
		if n == connect {
			version[p.Stream] = p.First("mqtt.ver")
		}
		if code == "" && version[p.Stream] == "5" {
			code = "0"
		}
		number, _ := strconv.Atoi(id)
		target := strings.Join(p.All("mqtt.topic"), ", ")
		if n == connect {
			target = p.First("mqtt.clientid")
		}
		e := &exchange{p.From, fmt.Sprintf("%s %s %q %d", typeNames[n], target, p.Text("mqtt.msg"), number), ""}
		switch n {
		case connack:
			answer("CONNECT", p.First("mqtt.conack.val")+p.First("mqtt.connack.reason_code"))
			continue
		case puback, pubrec, pubcomp:
			answer("PUBLISH", code)
			continue
		case pubrel:
			continue
		case suback:
			answer("SUBSCRIBE", append(p.All("mqtt.suback.qos"), p.All("mqtt.suback.reason_code")...)...)
			continue
		case unsuback:
			answer("SUBSCRIBE", p.All("mqtt.unsuback.reason_code")...)
			continue
		case pingresp:
			continue
		case disconnect:
			e.code = code
		case subscribe, unsubscribe:
			waits[key("SUBSCRIBE")] = e
		case connect, publish:
			waits[key(typeNames[n])] = e
		}
		all = append(all, e)
	}
	var lines []string
	for _, e := range all {
		lines = append(lines, e.text+" → "+e.code)
	}
	return lines
}
