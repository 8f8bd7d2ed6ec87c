package dns

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lodge/internal/decode"
	"lodge/internal/decode/captest"
)

// captures are of dnsmasq 2.90, BIND 9.18 and dig 9.18 (testdata/make.sh), and of others
// (testdata/SOURCES).
var captures = []string{"udp", "tcp", "bind", "zeek-keepalive", "tcpdump-8053"}

func TestCaptures(t *testing.T) {
	for _, name := range captures {
		t.Run(name, func(t *testing.T) {
			file := "testdata/" + name + ".pcap"
			captest.Golden(t, file, Protocol(), DatagramProtocol())
			captest.Splits(t, file, Protocol(), DatagramProtocol())
			for _, f := range captest.Flows(t, file, Protocol(), DatagramProtocol()) {
				if f.Protocol != Name || len(f.Losses) > 0 {
					t.Errorf("%s: protocol %q, lost %v", f.Client, f.Protocol, f.Losses)
				}
			}
		})
	}
}

// TestTshark compares the exchanges with tshark's messages when they are joined
// by their numbers. There is no difference.
func TestTshark(t *testing.T) {
	for _, name := range captures {
		t.Run(name, func(t *testing.T) {
			file := "testdata/" + name + ".pcap"
			flows := captest.Flows(t, file, Protocol(), DatagramProtocol())
			captest.InOrder(t, captest.Exchanges(flows), line, joined(captest.PDUs(t, file, Name, "-d", "tcp.port==8053,dns")))
		})
	}
}

// line is what is compared of an exchange: the question, the code, how many
// records the sections have, and the addresses in them.
func line(e *decode.Exchange) string {
	code, opt := "", 0
	if e.Status != "" {
		code = fmt.Sprint(e.Code)
	}
	var addresses []string
	count := map[string]int{}
	for _, d := range e.Details {
		count[d.Name]++
		if f := strings.Fields(d.Value); len(f) == 4 && f[2] == "A" {
			addresses = append(addresses, f[3])
		}
	}
	slices.Sort(addresses)
	if e.Detail("response_edns") != "" {
		opt = 1
	}
	return fmt.Sprintf("%d %s %s → %s %d %d %d %s", e.Stream, e.Method, e.Target, code, count["answer"], count["authority"], count["additional"]+opt, strings.Join(addresses, ","))
}

func joined(pdus []captest.PDU) []string {
	type exchange struct {
		query, response string
		// Of the query, beside EDNS: a signature, the serial that IXFR begins with, what an
		// update adds.
		authority, additional int
		addresses             []string
	}
	number := func(p captest.PDU, field string) int {
		n, _ := strconv.Atoi(p.First(field)) // of updates, sections have other names
		return n
	}
	var all []*exchange
	waits := map[string]*exchange{}
	for _, p := range pdus {
		id, _ := strconv.ParseUint(p.First("dns.id"), 0, 16)
		typ, _ := strconv.ParseUint(p.First("dns.qry.type"), 0, 16)
		op, _ := strconv.Atoi(p.First("dns.flags.opcode"))
		key := fmt.Sprint(p.Stream, id)
		if p.First("dns.flags.response") == "1" {
			if e := waits[key]; e != nil {
				addresses := append(e.addresses, p.All("dns.a")...) // of all sections, in no order
				slices.Sort(addresses)
				e.response = fmt.Sprintf("%s %d %d %d %s", p.First("dns.flags.rcode"), number(p, "dns.count.answers"), e.authority+number(p, "dns.count.auth_rr"), e.additional+number(p, "dns.count.add_rr"), strings.Join(addresses, ","))
				delete(waits, key)
			}
			continue
		}
		method, name := opcodeName(op), p.First("dns.qry.name")
		if op == opQuery && name != "" {
			method = typeName(uint16(typ))
		}
		if name == "<Root>" {
			name = "."
		}
		e := &exchange{query: fmt.Sprintf("%d %s %s", id, method, name), response: " 0 0 0 ", addresses: p.All("dns.a")}
		e.authority, e.additional = number(p, "dns.count.auth_rr"), number(p, "dns.count.add_rr")
		for _, typ := range p.All("dns.resp.type") {
			if typ == "41" { // EDNS
				e.additional--
			}
		}
		if waits[key] != nil && waits[key].query == e.query {
			continue // sent again
		}
		waits[key] = e
		all = append(all, e)
	}
	var lines []string
	for _, e := range all {
		lines = append(lines, e.query+" → "+e.response)
	}
	return lines
}
