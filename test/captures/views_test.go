package captures

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"lodge/internal/decode"
	"lodge/internal/tap"
)

// flow is a connection as lodge has it.
type flow struct {
	transport string
	client    string // its port
	server    uint16
	protocol  string
}

// tsharkNames are tshark's names of protocols, for its option -d.
var tsharkNames = map[string]string{
	"http": "http", "http2": "http2", "websocket": "http", "grpc": "http2", "tls": "tls", "postgresql": "pgsql", "mysql": "mysql", "redis": "resp",
	"mongodb": "mongo", "kafka": "kafka", "amqp": "amqp", "memcached": "memcache", "dns": "dns", "mqtt": "mqtt",
}

// pair names a connection by its ports, whichever side sends.
func pair(transport, a, b string) string {
	if number(a) < number(b) {
		a, b = b, a
	}
	return transport + " " + a + "-" + b
}

func number(s string) int {
	n, _ := strconv.ParseInt(s, 0, 64) // 0 where it is none
	return int(n)
}

// joined is at the end of kinds whose texts are compared as one: what one of both takes for
// several statements, the other may take for one.
const joined = " joined"

// view is what is compared of a protocol.
type view struct {
	name, layer string
	fields      []string
	// theirs gives what a row of tshark's has; client reports whether the client sent it.
	theirs func(row map[string][]string, client bool, add func(kind, text string))
	// ours gives what an exchange has, each with the time of its bytes.
	ours func(e *decode.Exchange, add func(at time.Time, kind, text string))
}

// ours returns what lodge found, in the order of the wire, and its connections.
func ours(r *reading) (found, map[string]flow) {
	type entry struct {
		at         time.Time
		kind, text string
	}
	all := map[string][]entry{}
	flows := map[string]flow{}
	for _, rec := range r.records {
		e := rec.Exchange
		if e == nil || e.Begun {
			continue
		}
		key := pairOf(rec)
		if flows[key].protocol == "" || flows[key].protocol == "tls" {
			flows[key] = flow{rec.Transport.String(), strconv.Itoa(int(rec.Client.Address.Port())), rec.Server.Address.Port(), e.Protocol}
		}
		for _, v := range views {
			v.ours(e, func(at time.Time, kind, text string) {
				all[key] = append(all[key], entry{at, v.name + " " + kind, text})
			})
		}
	}
	out := found{}
	for key, list := range all {
		slices.SortStableFunc(list, func(a, b entry) int { return a.at.Compare(b.at) })
		for _, e := range list {
			out.add(key, e.kind, e.text)
		}
	}
	return out, flows
}

func pairOf(rec *tap.Record) string {
	return pair(rec.Transport.String(), strconv.Itoa(int(rec.Client.Address.Port())), strconv.Itoa(int(rec.Server.Address.Port())))
}

// plain returns the letters and digits of a text: tshark escapes the others in its own way.
func plain(s string) string {
	s = strings.NewReplacer(`\r`, "", `\n`, "", `\t`, "").Replace(s)
	s = strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return -1
	}, s)
	return s
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}

var views = []view{
	{
		name: "http", layer: ":http", fields: []string{"http.request.method", "http.request.uri", "http.response.code"},
		theirs: func(row map[string][]string, _ bool, add func(kind, text string)) {
			for i, m := range row["http.request.method"] {
				add("requests", m+" "+plain(at(row["http.request.uri"], i)))
			}
			for _, c := range row["http.response.code"] {
				add("responses", c)
			}
		},
		ours: func(e *decode.Exchange, add func(at time.Time, kind, text string)) {
			if e.Protocol != "http" || e.Version == "2" {
				return
			}
			if e.Request.Seen() {
				add(e.Started, "requests", e.Method+" "+plain(e.Target))
			}
			for _, d := range e.Details {
				if d.Name == "interim" {
					add(e.Answered, "responses", d.Value[:min(3, len(d.Value))])
				}
			}
			if e.Code != 0 {
				add(e.Answered, "responses", strconv.Itoa(e.Code))
			}
		},
	},
	{
		name: "http2", layer: ":http2", fields: []string{"http2.headers.method", "http2.headers.path", "http2.headers.status"},
		theirs: func(row map[string][]string, _ bool, add func(kind, text string)) {
			for i, m := range row["http2.headers.method"] {
				add("requests", m+" "+plain(at(row["http2.headers.path"], i)))
			}
			for _, s := range row["http2.headers.status"] {
				add("responses", s)
			}
		},
		ours: func(e *decode.Exchange, add func(at time.Time, kind, text string)) {
			if e.Protocol != "grpc" && !(e.Protocol == "http" && e.Version == "2") || e.Kind != decode.KindRequest {
				return
			}
			method := e.Method
			if e.Protocol == "grpc" {
				method = "POST"
			}
			if e.Request.Seen() {
				add(e.Started, "requests", method+" "+plain(e.Target))
			}
			if e.Code != 0 && e.Protocol != "grpc" {
				add(e.Answered, "responses", strconv.Itoa(e.Code))
			}
		},
	},
	{
		name: "websocket", layer: ":websocket", fields: []string{"websocket.fin", "websocket.opcode"},
		theirs: func(row map[string][]string, client bool, add func(kind, text string)) {
			for i, op := range row["websocket.opcode"] {
				if n := number(op); n >= 8 || at(row["websocket.fin"], i) == "1" {
					kind := map[int]string{8: "close", 9: "ping", 10: "pong"}[n]
					add("messages", side(client)+" "+cmp.Or(kind, "data"))
				}
			}
		},
		ours: func(e *decode.Exchange, add func(at time.Time, kind, text string)) {
			if e.Protocol == "websocket" && !e.Request.Incomplete {
				kind := e.Method
				if kind == "text" || kind == "binary" {
					kind = "data"
				}
				add(e.Ended, "messages", side(e.From == decode.Client)+" "+kind)
			}
		},
	},
	{
		name: "tls", layer: ":tls", fields: []string{"tls.handshake.type", "tls.handshake.extensions_server_name"},
		theirs: func(row map[string][]string, _ bool, add func(kind, text string)) {
			for _, name := range row["tls.handshake.extensions_server_name"] {
				add("names", name)
			}
			if slices.Contains(row["tls.handshake.type"], "2") {
				add("answers", "ServerHello")
			}
		},
		ours: func(e *decode.Exchange, add func(at time.Time, kind, text string)) {
			if e.Protocol != "tls" || e.Method != "handshake" {
				return
			}
			// After a HelloRetryRequest both are there twice.
			times := 1
			if e.Detail("hello retry request") != "" {
				times = 2
			}
			for range times {
				if e.Host != "" {
					add(e.Started, "names", e.Host)
				}
				if e.Response.Seen() && slices.ContainsFunc(e.Response.Header, func(f decode.Field) bool { return f.Name == "cipher_suite" }) {
					add(e.Answered, "answers", "ServerHello")
				}
			}
		},
	},
	{
		name: "postgresql", layer: ":pgsql", fields: []string{"pgsql.query", "pgsql.tag", "pgsql.code", "pgsql.type"},
		theirs: func(row map[string][]string, client bool, add func(kind, text string)) {
			if client {
				for _, q := range row["pgsql.query"] {
					add("statements"+joined, plain(q))
				}
				return
			}
			for _, tag := range row["pgsql.tag"] {
				add("answers", plain(tag))
			}
		},
		ours: func(e *decode.Exchange, add func(at time.Time, kind, text string)) {
			if e.Protocol != "postgresql" || e.Kind != decode.KindRequest || e.Target == "" {
				return
			}
			switch e.Method {
			case "bind", "describe", "close", "sync", "cancel":
				return
			}
			if e.Method == "prepare" || e.Detail("statement") == "" {
				add(e.Started, "statements"+joined, plain(e.Target))
			}
			if !e.Failed && e.Method != "prepare" && e.Status != "" && strings.ToUpper(e.Status) == e.Status {
				add(e.Answered, "answers", plain(e.Status))
			}
		},
	},
	{
		name: "mysql", layer: ":mysql", fields: []string{"mysql.query", "mysql.error_code"},
		theirs: func(row map[string][]string, client bool, add func(kind, text string)) {
			for _, q := range row["mysql.query"] {
				add("statements"+joined, plain(q))
			}
			for _, c := range row["mysql.error_code"] {
				add("errors", c)
			}
		},
		ours: func(e *decode.Exchange, add func(at time.Time, kind, text string)) {
			if e.Protocol != "mysql" {
				return
			}
			if e.Kind == decode.KindRequest && (e.Method == "prepare" || e.Detail("statement") == "" && e.Method == strings.ToUpper(e.Method)) {
				add(e.Started, "statements"+joined, plain(e.Target))
			}
			if e.Failed && e.Code != 0 {
				add(e.Answered, "errors", strconv.Itoa(e.Code))
			}
		},
	},
	{
		name: "redis", layer: ":resp", fields: []string{"resp.array.length", "resp.bulk_string.value"},
		theirs: func(row map[string][]string, client bool, add func(kind, text string)) {
			// A command is an array of bulk strings; its name is the first of them.
			words := row["resp.bulk_string.value"]
			for _, n := range row["resp.array.length"] {
				if client && number(n) > 0 && number(n) <= len(words) {
					add("commands", strings.ToUpper(plain(unhex(words[0]))))
					words = words[number(n):]
				}
			}
		},
		ours: func(e *decode.Exchange, add func(at time.Time, kind, text string)) {
			if e.Protocol == "redis" && e.From == decode.Client && e.Request.Seen() {
				name, _, _ := strings.Cut(e.Method, " ")
				add(e.Started, "commands", strings.ToUpper(plain(name)))
			}
		},
	},
	{
		name: "mongodb", layer: ":mongo", fields: []string{"mongo.request_id", "mongo.response_to"},
		theirs: func(row map[string][]string, client bool, add func(kind, text string)) {
			for i, id := range row["mongo.request_id"] {
				if number(at(row["mongo.response_to"], i)) == 0 {
					add("requests", fmt.Sprint(uint32(number(id))))
				}
			}
		},
		ours: func(e *decode.Exchange, add func(at time.Time, kind, text string)) {
			if e.Protocol == "mongodb" && e.Request.Seen() && e.From == decode.Client {
				add(e.Started, "requests", fmt.Sprint(uint32(e.Stream)))
			}
		},
	},
	{
		name: "kafka", layer: ":kafka", fields: []string{"kafka.api_key", "kafka.correlation_id"},
		theirs: func(row map[string][]string, client bool, add func(kind, text string)) {
			if client {
				for _, id := range row["kafka.correlation_id"] {
					add("requests", id)
				}
			}
		},
		ours: func(e *decode.Exchange, add func(at time.Time, kind, text string)) {
			if e.Protocol == "kafka" && e.Request.Seen() {
				add(e.Started, "requests", fmt.Sprint(e.Stream))
			}
		},
	},
	{
		name: "dns", layer: ":dns", fields: []string{"dns.id", "dns.flags.response", "dns.flags.rcode", "dns.qry.name"},
		theirs: func(row map[string][]string, _ bool, add func(kind, text string)) {
			answers := row["dns.flags.rcode"]
			for i, id := range row["dns.id"] {
				n := strconv.Itoa(number(id))
				if r := at(row["dns.flags.response"], i); r == "1" || strings.EqualFold(r, "true") {
					add("answers", n+" "+at(answers, 0))
					answers = answers[min(1, len(answers)):]
				} else {
					add("questions", n+" "+at(row["dns.qry.name"], i))
				}
			}
		},
		ours: func(e *decode.Exchange, add func(at time.Time, kind, text string)) {
			if e.Protocol != "dns" {
				return
			}
			if e.Request.Seen() && (e.Kind == decode.KindRequest || e.Status == "") {
				add(e.Started, "questions", fmt.Sprintf("%d %s", e.Stream, strings.TrimSuffix(e.Target, ".")))
			}
			if e.Status != "" {
				add(e.Answered, "answers", fmt.Sprintf("%d %d", e.Stream, e.Code))
			}
		},
	},
	{
		name: "amqp", layer: ":amqp", fields: []string{"amqp.method.class", "amqp.method.method"},
		theirs: func(row map[string][]string, client bool, add func(kind, text string)) {
			for i, m := range row["amqp.method.method"] {
				if number(at(row["amqp.method.class"], i)) == 60 { // basic
					if name := map[int]string{40: "basic.publish", 60: "basic.deliver", 50: "basic.return", 20: "basic.consume", 70: "basic.get"}[number(m)]; name != "" {
						add("methods", name)
					}
				}
			}
		},
		ours: func(e *decode.Exchange, add func(at time.Time, kind, text string)) {
			if e.Protocol == "amqp" && slices.Contains([]string{"basic.publish", "basic.deliver", "basic.return", "basic.consume", "basic.get"}, e.Method) {
				add(e.Started, "methods", e.Method)
			}
		},
	},
	{
		name: "mqtt", layer: ":mqtt", fields: []string{"mqtt.msgtype", "mqtt.topic", "mqtt.clientid"},
		theirs: func(row map[string][]string, client bool, add func(kind, text string)) {
			for _, m := range row["mqtt.msgtype"] {
				if number(m) == 3 {
					add("messages", side(client))
				}
			}
			for _, id := range row["mqtt.clientid"] {
				add("clients", id)
			}
		},
		ours: func(e *decode.Exchange, add func(at time.Time, kind, text string)) {
			switch {
			case e.Protocol != "mqtt":
			case e.Method == "PUBLISH":
				add(e.Started, "messages", side(e.From == decode.Client))
			case e.Method == "CONNECT" && e.Target != "":
				add(e.Started, "clients", e.Target)
			}
		},
	},
}

func side(client bool) string {
	if client {
		return "client"
	}
	return "server"
}

// unhex returns bytes that tshark writes as 61:62 or 6162; what is neither stays.
func unhex(s string) string {
	h := strings.ReplaceAll(s, ":", "")
	var b strings.Builder
	for i := 0; i+1 < len(h); i += 2 {
		n, err := strconv.ParseUint(h[i:i+2], 16, 8)
		if err != nil {
			return s
		}
		b.WriteByte(byte(n))
	}
	return b.String()
}
