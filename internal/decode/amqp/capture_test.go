package amqp

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lodge/internal/decode"
	"lodge/internal/decode/captest"
)

// captures are of RabbitMQ 3.10.8 and pika 1.2 (testdata/make.sh).
var captures = []string{"methods", "messages", "errors"}

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

// TestTshark compares the exchanges with what tshark's frames make when they are
// joined. The difference: a connection with nothing but protocol headers, which is
// what AMQP 1.0 has here, has no frame. lodge is right to show it.
func TestTshark(t *testing.T) {
	for _, name := range captures {
		t.Run(name, func(t *testing.T) {
			file := "testdata/" + name + ".pcap"
			ours := slices.DeleteFunc(captest.Exchanges(captest.Flows(t, file, Protocol())), func(e *decode.Exchange) bool {
				return e.Kind == decode.KindSession && e.Status == "AMQP 0-9-1"
			})
			captest.InOrder(t, ours, line, joined(captest.PDUs(t, file, Name)))
		})
	}
}

// line is what is compared of an exchange. Sessions begin with a header that tshark
// does not have.
func line(e *decode.Exchange) string {
	return fmt.Sprintf("%s %s %d %d %d → %s", e.Method, e.Target, e.Stream, e.Request.BodyBytes, e.Response.BodyBytes, e.Status)
}

// exchange is one as tshark's frames make it.
type exchange struct {
	method *method
	from   string
	target string
	body   [2]uint64
	status string
	answer int // 1 where the content is of the answer
}

// tsharkChannel is a channel of one connection.
type tsharkChannel struct {
	asks     []*exchange
	content  map[string]*exchange // by sender
	acks     map[string]*exchange // by sender and tag
	tags     []string             // of acks, in order
	confirms bool
	number   int
	noAck    map[string]bool
}

func joined(pdus []captest.PDU) []string {
	var all []*exchange
	channels := map[string]*tsharkChannel{}
	sessions := map[string]*exchange{}
	number := map[*exchange]string{}
	for _, p := range pdus {
		n := p.First("amqp.channel")
		c := channels[p.Stream+" "+n]
		if c == nil {
			c = &tsharkChannel{content: map[string]*exchange{}, acks: map[string]*exchange{}, noAck: map[string]bool{}}
			channels[p.Stream+" "+n] = c
		}
		switch p.First("amqp.type") {
		case "2", "3":
			if e := c.content[p.From]; e != nil && p.First("amqp.type") == "2" {
				size, _ := strconv.ParseUint(p.First("amqp.header.body-size"), 10, 64)
				e.body[e.answer] = size
			}
			continue
		case "8":
			e := &exchange{method: &method{name: "heartbeat"}}
			number[e] = n
			all = append(all, e)
			continue
		case "":
			continue // a protocol header
		}
		class, _ := strconv.ParseUint(p.First("amqp.method.class"), 10, 16)
		id, _ := strconv.ParseUint(p.First("amqp.method.method"), 10, 16)
		e := &exchange{method: find(uint16(class), uint16(id)), from: p.From}
		number[e] = n
		arg := func(name string) string { return p.First("amqp.method.arguments." + name) }
		name := e.method.name
		code := strings.TrimSpace(arg("reply_code") + " " + arg("reply_text"))
		if strings.HasPrefix(name, "connection.") && !strings.HasPrefix(name, "connection.close") {
			s := sessions[p.Stream]
			if s == nil {
				s = &exchange{method: find(10, 40)}
				sessions[p.Stream], number[s] = s, "0"
				all = append(all, s)
			}
			s.target += arg("virtual_host")
			if name == "connection.open-ok" {
				s.status = name
			}
			continue
		}
		if s := sessions[p.Stream]; name == "connection.close" && s != nil && s.status == "" {
			s.status = code
		}
		if len(e.method.answers) > 0 {
			i := slices.IndexFunc(c.asks, func(a *exchange) bool {
				return a.from != p.From && a.method.class == uint16(class) && slices.Contains(e.method.answers, a.method.id)
			})
			if i < 0 {
				panic("an answer to nothing: " + name)
			}
			a := c.asks[i]
			c.asks = slices.Delete(c.asks, i, i+1)
			if a.status == "" {
				a.status = name
			}
			switch name {
			case "confirm.select-ok":
				c.confirms = true
			case "basic.consume-ok":
				c.noAck[arg("consumer_tag")] = number[a] == "no-ack"
				number[a] = n
			case "basic.get-ok":
				a.answer = 1
				c.content[p.From] = a
			case "channel.close-ok":
				delete(channels, p.Stream+" "+n)
			}
			continue
		}
		switch name {
		case "basic.publish", "basic.deliver", "basic.return":
			c.content[p.From] = e
			e.target = strings.TrimPrefix(arg("exchange")+"/"+arg("routing_key"), "/")
		case "basic.cancel":
			e.target = arg("consumer_tag")
		case "exchange.bind", "exchange.unbind":
			e.target = arg("destination")
		default:
			if e.target = arg("queue"); e.target == "" {
				e.target = arg("exchange")
			}
		}
		switch name {
		case "channel.close", "connection.close", "basic.return":
			e.status = code
			if len(c.asks) > 0 && fmt.Sprint(c.asks[0].method.class) == arg("class_id") && fmt.Sprint(c.asks[0].method.id) == arg("method_id") {
				c.asks[0].status = code
				c.asks = c.asks[1:]
			}
		case "basic.publish":
			if c.confirms {
				c.number++
				c.wait(p.From, fmt.Sprint(c.number), e)
			}
		case "basic.deliver":
			if !c.noAck[arg("consumer_tag")] {
				c.wait(p.From, arg("delivery_tag"), e)
			}
		case "basic.ack", "basic.nack", "basic.reject":
			if c.acknowledge(p.From, arg("delivery_tag"), arg("multiple") == "1", name) {
				continue
			}
		case "basic.consume":
			if arg("no_ack") == "1" {
				number[e] = "no-ack"
			}
		}
		if e.method.asks {
			c.asks = append(c.asks, e)
		}
		all = append(all, e)
	}
	var lines []string
	for _, e := range all {
		lines = append(lines, fmt.Sprintf("%s %s %s %d %d → %s", e.method.name, e.target, number[e], e.body[0], e.body[1], e.status))
	}
	return lines
}

func (c *tsharkChannel) wait(from, tag string, e *exchange) {
	c.acks[from+" "+tag] = e
	c.tags = append(c.tags, from+" "+tag)
}

// acknowledge gives an acknowledgement to what waits for it, and reports whether
// anything did.
func (c *tsharkChannel) acknowledge(from, tag string, multiple bool, name string) bool {
	last, _ := strconv.Atoi(tag)
	found := false
	c.tags = slices.DeleteFunc(c.tags, func(t string) bool {
		sender, tag, _ := strings.Cut(t, " ")
		n, _ := strconv.Atoi(tag)
		if sender == from || n != last && !(multiple && n < last) {
			return false
		}
		c.acks[t].status, found = name, true
		return true
	})
	return found
}
