package redis_test

import (
	"bytes"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lodge/internal/decode"
	"lodge/internal/decode/captest"
	"lodge/internal/decode/redis"
)

// differences has the captures with connections of which tshark (4.0) does not
// read all, and how many they are. It knows RESP2 alone: lines of inline
// commands, what is not RESP2 (maps, sets, pushes, doubles, booleans, nulls,
// attributes), the data for a replica, and what is not RESP at all are
// fragments to it. In each, lodge is right: the golden files have been read.
var differences = map[string]int{
	"cli.pcap":              1, // redis-cli --pipe
	"inline.pcap":           6, // inline commands
	"pubsub.pcap":           2, // one client with RESP3, one with inline commands
	"resp3.pcap":            2, // RESP3
	"node.pcap":             3, // three clients with RESP3
	"replica.pcap":          2, // data for replicas: tshark takes it, and the begin of the next command, as strings
	"zeek/almost-resp.pcap": 1, // inline commands, and answers that are not RESP
	"zeek/array-element-object-exhaustion.pcap": 1, // an inline command
	"zeek/client-skip-while-off.pcap":           1, // inline commands, as in those below
	"zeek/excessive-pipelining.pcap":            1,
	"zeek/pipeline-quotes.pcap":                 1,
	"zeek/pipeline-with-commands.pcap":          1,
	"zeek/pipelining-example.pcap":              1,
	"zeek/reply-off-on.pcap":                    1,
	"zeek/reply-off-on-2conn.pcap":              2,
	"zeek/attr.pcap":                            2, // inline commands, and RESP3
	"zeek/pubsub.pcap":                          3, // inline commands
}

// conversation is what one connection has: its commands and answers as text.
type conversation struct {
	commands, answers []string
	fragments         bool // tshark did not read all
	replica           bool // it has the data for a replica
	statusOnly        bool // answers are without their bodies
	ordered           bool // the order of emission is that of the wire
}

func TestTshark(t *testing.T) {
	for _, file := range captures(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			o := options()
			o.Secrets = true
			// tshark only looks for Redis at its own port.
			ports := map[uint16]bool{}
			want := map[string]*conversation{}
			for _, f := range captest.FlowsWith(t, file, o, redis.Protocol()) {
				ports[f.Server.Port()] = true
				want[f.Client.String()] = ours(f)
			}
			args := []string{"-T", "pdml", "-Y", "resp"}
			args = append(args, decodeAs(ports)...)
			got := theirs(t, captest.TsharkOutput(t, file, args...), ports)
			unread := 0
			for client, g := range got {
				w := want[client]
				switch {
				case g.fragments || w != nil && w.replica:
					unread++
				case w == nil:
					t.Errorf("%s: tshark found a connection", client)
				default:
					compare(t, client, w, g)
				}
			}
			if n := differences[strings.TrimPrefix(file, "testdata/")]; unread != n {
				t.Errorf("tshark did not read %d connections, want %d", unread, n)
			}
		})
	}
}

func decodeAs(ports map[uint16]bool) (args []string) {
	for p := range ports {
		args = append(args, fmt.Sprintf("tcp.port==%d,resp", p))
	}
	slices.Sort(args)
	for i := range args {
		args[i] = "-d" + args[i]
	}
	return args
}

// compare holds that both have the same commands and answers.
func compare(t *testing.T, client string, ours, theirs *conversation) {
	t.Helper()
	if ours.statusOnly {
		for i, a := range theirs.answers {
			theirs.answers[i], _, _ = strings.Cut(a, "\x00")
		}
	}
	if !ours.ordered {
		for _, list := range [][]string{ours.commands, ours.answers, theirs.commands, theirs.answers} {
			slices.Sort(list)
		}
	}
	for what, lists := range map[string][2][]string{"commands": {ours.commands, theirs.commands}, "answers": {ours.answers, theirs.answers}} {
		if !reflect.DeepEqual(lists[0], lists[1]) {
			t.Errorf("%s: %s differ:\nlodge  %.2000q\ntshark %.2000q", client, what, lists[0], lists[1])
		}
	}
}

// ours returns what lodge found in a connection.
func ours(f captest.Flow) *conversation {
	c := &conversation{ordered: true}
	for _, e := range f.Exchanges {
		if e.Kind == decode.KindMessage || e.Method == "EXEC" || e.Method == "MULTI" {
			c.ordered, c.statusOnly = false, true
		}
	}
	for _, e := range f.Exchanges {
		c.replica = c.replica || e.Method == "RDB"
		if e.Request.Seen() && e.From == decode.Client {
			c.commands = append(c.commands, e.Method+" "+e.Target)
		}
		for _, a := range answers(e) {
			if c.statusOnly {
				a, _, _ = strings.Cut(a, "\x00")
			}
			c.answers = append(c.answers, a)
		}
	}
	return c
}

// answers returns the values on the wire of which an exchange was made.
func answers(e *decode.Exchange) []string {
	switch {
	case e.Kind == decode.KindMessage && e.From == decode.Server && e.Method == "monitor":
		return []string{"monitor"}
	case e.Kind == decode.KindMessage && e.From == decode.Server && e.Method == "unasked":
		return []string{e.Target + "\x00" + e.Target}
	case e.Detail("replication") != "":
		return []string{"array " + strconv.Itoa(1+len(strings.Fields(e.Target)))}
	case e.Kind == decode.KindMessage && e.From == decode.Server:
		return []string{"array " + strconv.Itoa(2+strings.Count(e.Target, " ")+1)}
	case e.Status == "" || e.Kind == decode.KindMessage:
		return nil
	case e.Detail("transaction") == "executed" || e.Status == "QUEUED":
		return []string{"QUEUED\x00QUEUED"}
	case strings.HasSuffix(e.Method, "SUBSCRIBE") && !e.Failed:
		var all []string
		for l := range strings.SplitSeq(string(e.Response.Body), "\n") {
			all = append(all, "array 3\x00"+l)
		}
		return all
	}
	return []string{e.Status + "\x00" + string(e.Response.Body)}
}

// field is one of tshark's.
type field struct {
	Name   string  `xml:"name,attr"`
	Show   string  `xml:"show,attr"`
	Value  string  `xml:"value,attr"`
	Fields []field `xml:"field"`
}

func (f *field) find(name string) *field {
	for i := range f.Fields {
		if f.Fields[i].Name == name {
			return &f.Fields[i]
		}
	}
	return nil
}

// theirs returns what tshark found, by the client's address.
func theirs(t *testing.T, pdml []byte, ports map[uint16]bool) map[string]*conversation {
	t.Helper()
	found := map[string]*conversation{}
	d := xml.NewDecoder(bytes.NewReader(pdml))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "packet" {
			continue
		}
		var p struct {
			Protos []field `xml:"proto"`
		}
		if err := d.DecodeElement(&p, &start); err != nil {
			t.Fatal(err)
		}
		take(found, p.Protos, ports)
	}
}

// take adds what a packet has.
func take(found map[string]*conversation, protos []field, ports map[uint16]bool) {
	var src, dst, sport, dport string
	for _, p := range protos {
		for _, name := range []string{"ip", "ipv6"} {
			if s := p.find(name + ".src"); p.Name == name && s != nil {
				src, dst = s.Show, p.find(name+".dst").Show
			}
		}
		if p.Name == "tcp" {
			sport, dport = p.find("tcp.srcport").Show, p.find("tcp.dstport").Show
		}
		if p.Name != "resp" {
			continue
		}
		port, _ := strconv.ParseUint(dport, 10, 16)
		fromClient := ports[uint16(port)]
		client := address(dst, dport)
		if fromClient {
			client = address(src, sport)
		}
		c := found[client]
		if c == nil {
			c = &conversation{}
			found[client] = c
		}
		for _, f := range p.Fields {
			switch {
			case f.hasFragment() || fromClient && f.find("resp.bulk_string") == nil:
				c.fragments = true
			case fromClient:
				c.commands = append(c.commands, commandOf(f))
			default:
				c.answers = append(c.answers, answerOf(f))
			}
		}
	}
}

// hasFragment reports whether tshark did not read a part of a value.
func (f *field) hasFragment() bool {
	if f.Name == "resp.fragment" {
		return true
	}
	for i := range f.Fields {
		if f.Fields[i].hasFragment() {
			return true
		}
	}
	return false
}

func address(ip, port string) string {
	if strings.Contains(ip, ":") {
		ip = "[" + ip + "]"
	}
	return ip + ":" + port
}

// commandOf returns a command as lodge writes it.
func commandOf(f field) string {
	var words []string
	for _, w := range f.Fields {
		if w.Name == "resp.bulk_string" {
			words = append(words, bulk(w))
		}
	}
	o := options()
	o.Secrets = true
	xs, _ := play(o, 1<<20, segment("> "+cmd(words...)))
	return xs[0].Method + " " + xs[0].Target
}

func bulk(f field) string {
	v := f.find("resp.bulk_string.value")
	if v == nil {
		return ""
	}
	b, _ := hex.DecodeString(v.Value)
	return string(b)
}

// answerOf returns a value as lodge writes it: its status and its body.
func answerOf(f field) string {
	switch f.Name {
	case "resp.array":
		n := f.find("resp.array.length").Show
		if n == "-1" {
			return "nil\x00"
		}
		return "array " + n + "\x00" + jsonOf(f)
	case "resp.bulk_string":
		if f.find("resp.bulk_string.length").Show == "-1" {
			return "nil\x00"
		}
		return "string\x00" + bulk(f)
	}
	text := f.text()
	if f.Name == "resp.string" && strings.Contains(text, " [0 127.0.0.1:") {
		return "monitor"
	}
	return text + "\x00" + text
}

// text returns the text of a line without its type and its end.
func (f *field) text() string {
	b, _ := hex.DecodeString(f.Value)
	return strings.TrimSuffix(string(b[1:]), "\r\n")
}

func jsonOf(f field) string {
	switch f.Name {
	case "resp.array":
		if f.find("resp.array.length").Show == "-1" {
			return "null"
		}
		var all []string
		for _, x := range f.Fields {
			if x.Name != "resp.array.length" {
				all = append(all, jsonOf(x))
			}
		}
		return "[" + strings.Join(all, ",") + "]"
	case "resp.bulk_string":
		if f.find("resp.bulk_string.length").Show == "-1" {
			return "null"
		}
		return quoted(bulk(f))
	case "resp.integer":
		return f.text()
	case "resp.error":
		return quoted("(error) " + f.text())
	}
	return quoted(f.text())
}

func quoted(s string) string {
	text, _ := decode.AppendJSON(nil, []byte(s), true)
	return `"` + string(text) + `"`
}
