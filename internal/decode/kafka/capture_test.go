package kafka

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lodge/internal/decode"
	"lodge/internal/decode/captest"
)

// captures are of kfake, with franz-go 1.22 in its newest versions (franz) and in
// those of Kafka 0.11 (old), with kcat 1.7.1, and with what tools for administrators
// send, in the newest versions and those of Kafka 2.0 (testdata/make.sh).
var captures = []string{"franz", "old", "kcat", "sasl", "admin"}

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
				for _, e := range f.Exchanges {
					for _, u := range e.Unknown {
						if strings.Contains(u, "not what") {
							t.Errorf("%s: %s %s: %s", f.Client, e.Method, e.Version, u)
						}
					}
				}
			}
		})
	}
}

// newest has the versions that tshark 4.0.17 decodes the bodies up to. In newer
// ones only headers are compared: lodge is right there, since it reads them to the
// last byte, and what it reads was compared with franz-go's kmsg.
var newest = map[string]int{
	"Produce": 8, "Fetch": 11, "ListOffsets": 5, "Metadata": 9, "OffsetCommit": 8, "OffsetFetch": 7, "FindCoordinator": 3,
	"JoinGroup": 7, "SyncGroup": 5, "Heartbeat": 4, "CreateTopics": 5, "InitProducerId": 4, "SaslHandshake": 1, "SaslAuthenticate": 2, "ApiVersions": 3,
}

// TestTshark compares the exchanges with tshark's messages when they are joined by
// their correlation ids.
func TestTshark(t *testing.T) {
	for _, name := range captures {
		t.Run(name, func(t *testing.T) {
			file := "testdata/" + name + ".pcap"
			captest.InOrder(t, captest.Exchanges(captest.Flows(t, file, Protocol())), line, joined(captest.PDUs(t, file, Name)))
		})
	}
}

// line is what is compared of an exchange: the header, and of bodies what the
// request is about and the first error.
func line(e *decode.Exchange) string {
	body := ""
	if v, _ := strconv.Atoi(e.Version); v <= newest[e.Method] && newest[e.Method] > 0 {
		target := e.Target
		if e.Method == "InitProducerId" {
			target = "" // tshark says it in another field
		}
		body = fmt.Sprintf("%s %d", target, e.Code)
	}
	return fmt.Sprintf("%s %s %d %s %v: %s", e.Method, e.Version, e.Stream, e.Detail("client_id"), e.Status != "", body)
}

func joined(pdus []captest.PDU) []string {
	type exchange struct {
		header, target string
		answered       bool
		code           int
		shown          bool
	}
	var all []*exchange
	waits := map[string]*exchange{}
	for _, p := range pdus {
		key := p.Stream + " " + p.First("kafka.correlation_id")
		if p.First("kafka.request_key") == "" {
			e := waits[key]
			if e == nil {
				continue
			}
			delete(waits, key)
			e.answered = true
			for _, c := range p.All("kafka.error") {
				if e.code == 0 {
					e.code, _ = strconv.Atoi(c)
				}
			}
			continue
		}
		n, _ := strconv.Atoi(p.First("kafka.request_key"))
		version, _ := strconv.Atoi(p.First("kafka.request.version"))
		e := &exchange{header: fmt.Sprintf("%s %d %s %s", apiName(int16(n)), version, p.First("kafka.correlation_id"), p.First("kafka.client_id"))}
		e.shown = version <= newest[apiName(int16(n))] && newest[apiName(int16(n))] > 0
		about := append(p.All("kafka.consumer_group"), append(p.All("kafka.coordinator_key"), p.All("kafka.sasl_mechanism")...)...)
		if len(about) == 0 {
			about = p.All("kafka.topic_name")
		}
		e.target = strings.Join(slices.Compact(about), ", ")
		waits[key] = e
		all = append(all, e)
	}
	var lines []string
	for _, e := range all {
		body := ""
		if e.shown {
			body = fmt.Sprintf("%s %d", e.target, e.code)
		}
		lines = append(lines, fmt.Sprintf("%s %v: %s", e.header, e.answered, body))
	}
	return lines
}
