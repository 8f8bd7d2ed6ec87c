package mysql_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lodge/internal/decode"
	"lodge/internal/decode/captest"
	"lodge/internal/decode/mysql"
	"lodge/internal/decode/sqltext"
)

// incomparable are captures in which tshark 4.0 reads something else, and why
// this decoder is right.
var incomparable = map[string]string{
	"compress.pcap": "tshark takes what is compressed for a packet; TestCompressed compares with go.pcap",
	"zstd.pcap":     "tshark takes what is compressed for a packet",
}

// differences are what only one of both has, and why tshark 4.0 is wrong.
var differences = []struct{ file, text, why string }{
	{"client.pcap", "command 49", "the file of LOAD DATA LOCAL, which begins with 1"},
	{"client.pcap", "65535 \x01\x02\x02", "a report of progress, which is no error"},
	{"midstream.pcap", "command 240", "an answer to a switch of the authentication"},
	{"midstream.pcap", "command 227", "an answer to a switch of the authentication"},
	{"go.pcap", "command 49", "the file of LOAD DATA LOCAL, which begins with 1"},
	{"zeek-caching_sha2_password.pcap", "command 202", "a password, encrypted with the server's key"},
	{"zeek-mysql8-navicat-login-failed.pcap", "command 125", "a password, encrypted with the server's key"},
	{"zeek-mysql-9.0.0-query-attributes.pcap", "SELECT version()", "tshark does not know the types of the query's attributes"},
}

// without returns texts without what only one of both has.
func without(file string, texts []string) []string {
	return slices.DeleteFunc(slices.Clone(texts), func(text string) bool {
		for _, d := range differences {
			if d.file == filepath.Base(file) && strings.HasPrefix(text, d.text) {
				return true
			}
		}
		return false
	})
}

// sharkTalk is what tshark says of one connection.
type sharkTalk struct {
	commands, errors []string
	rows             int
}

// shark returns what tshark says of the connections of a capture, by their ports.
func shark(t *testing.T, file string) map[string]*sharkTalk {
	t.Helper()
	out := captest.TsharkOutput(t, file, "-Y", "mysql", "-T", "json", "--no-duplicate-keys", "-J", "mysql tcp")
	var packets []struct {
		Source struct {
			Layers struct {
				TCP   map[string]any `json:"tcp"`
				MySQL any            `json:"mysql"`
			} `json:"layers"`
		} `json:"_source"`
	}
	if err := json.Unmarshal(out, &packets); err != nil {
		t.Fatal(err)
	}
	talks := map[string]*sharkTalk{}
	for _, p := range packets {
		src, dst := p.Source.Layers.TCP["tcp.srcport"].(string), p.Source.Layers.TCP["tcp.dstport"].(string)
		all, ok := p.Source.Layers.MySQL.([]any)
		if !ok {
			all = []any{p.Source.Layers.MySQL}
		}
		for _, m := range all {
			fields := map[string][]string{}
			flatten(fields, m)
			port := dst
			if _, ok := fields["mysql.command"]; ok || talks[src] != nil {
				port = src
			}
			if talks[port] == nil {
				talks[port] = &sharkTalk{}
			}
			talks[port].add(fields)
		}
	}
	return talks
}

// flatten collects the fields of a packet by their names.
func flatten(to map[string][]string, v any) {
	switch v := v.(type) {
	case []any:
		for _, v := range v {
			flatten(to, v)
		}
	case map[string]any:
		for name, v := range v {
			switch v := v.(type) {
			case string:
				to[name] = append(to[name], v)
			case []any:
				for _, v := range v {
					if s, ok := v.(string); ok {
						to[name] = append(to[name], s)
					} else {
						flatten(to, v)
					}
				}
			default:
				flatten(to, v)
			}
		}
	}
}

func (s *sharkTalk) add(f map[string][]string) {
	first := func(name string) string {
		if len(f[name]) > 0 {
			return f[name][0]
		}
		return ""
	}
	switch command := first("mysql.command"); {
	case command == "":
	case command == "3":
		masked, _ := sqltext.Mask(sqltext.MySQL, first("mysql.query"))
		parts := sqltext.Split(sqltext.MySQL, masked, 1000)
		for _, p := range parts {
			s.commands = append(s.commands, p.Text)
		}
	case command == "22":
		s.commands = append(s.commands, "prepare "+first("mysql.query"))
	case slices.Contains([]string{"23", "250"}, command):
		s.commands = append(s.commands, "execute "+strings.TrimSuffix(first("mysql.stmt_id"), " "))
	case slices.Contains([]string{"25", "26", "28"}, command):
		s.commands = append(s.commands, map[string]string{"25": "close ", "26": "reset ", "28": "fetch "}[command]+first("mysql.stmt_id"))
	case slices.Contains([]string{"1", "24"}, command):
		// Quit is no exchange, and long data belongs to the execution.
	case command == "2":
		s.commands = append(s.commands, "use "+first("mysql.schema"))
	default:
		s.commands = append(s.commands, "command "+command)
	}
	if code := first("mysql.error_code"); code != "" {
		s.errors = append(s.errors, code+" "+strings.TrimLeft(first("mysql.sqlstate")+" ", " ")+first("mysql.error.message"))
	}
	if len(f["mysql.row.text"]) > 0 {
		s.rows++
	}
}

// ours returns the same of a flow.
func ours(f captest.Flow) *sharkTalk {
	numbers := map[string]string{
		"change user": "17", "list fields": "4", "ping": "14", "statistics": "9", "process info": "10",
		"set option": "27", "reset connection": "31", "binlog dump": "18", "register replica": "21",
	}
	s := &sharkTalk{}
	for _, e := range f.Exchanges {
		if e.Begun {
			continue
		}
		statement := e.Detail("statement")
		switch {
		case e.Method == "connect" || e.Method == "SSLRequest" || e.Method == "error":
		case e.Method == "use":
			s.commands = append(s.commands, "use "+e.Target)
		case e.Method == "prepare":
			s.commands = append(s.commands, "prepare "+e.Target)
		case e.Method == "close" || e.Method == "reset" || e.Method == "fetch":
			s.commands = append(s.commands, e.Method+" "+statement)
		case numbers[e.Method] != "":
			s.commands = append(s.commands, "command "+numbers[e.Method])
		case statement != "":
			s.commands = append(s.commands, "execute "+statement)
		default:
			s.commands = append(s.commands, e.Target)
		}
		if e.Failed {
			s.errors = append(s.errors, fmt.Sprintf("%d %s", e.Code, e.Status))
		}
		if statement == "" {
			n, _ := strconv.Atoi(e.Detail("rows"))
			s.rows += n
		}
	}
	return s
}

// executedDirectly is the number by which a client executes the statement that
// it prepared last; an exchange has the statement's own number.
const executedDirectly = "execute 4294967295"

func TestAgainstTshark(t *testing.T) {
	compared := 0
	for _, file := range captures(t) {
		if why := incomparable[filepath.Base(file)]; why != "" {
			t.Logf("%s is not compared: %s", file, why)
			continue
		}
		want := shark(t, file)
		for _, f := range captest.Flows(t, file, mysql.Protocol()) {
			if f.Client.Port() == 0 || len(f.Exchanges) == 0 {
				continue
			}
			w := want[strconv.Itoa(int(f.Client.Port()))]
			if w == nil {
				t.Errorf("%s: tshark has no connection of port %d", file, f.Client.Port())
				continue
			}
			got := ours(f)
			for i, c := range w.commands {
				if c == executedDirectly && i < len(got.commands) && strings.HasPrefix(got.commands[i], "execute ") {
					w.commands[i] = got.commands[i]
				}
			}
			compared += len(got.commands)
			diff(t, file, "commands", without(file, got.commands), without(file, w.commands))
			diff(t, file, "errors", got.errors, without(file, w.errors))
			if got.rows != w.rows {
				t.Errorf("%s, port %d: %d rows, tshark has %d", file, f.Client.Port(), got.rows, w.rows)
			}
		}
	}
	t.Logf("%d commands are equal", compared)
}

func diff(t *testing.T, file, what string, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		g, w := "nothing", "nothing"
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Errorf("%s: %s %d of %d, tshark has %d:\n got %q\nwant %q", file, what, i, len(got), len(want), g, w)
			return
		}
	}
}

// TestCompressed holds that a compressed connection has the exchanges of one that
// is not.
func TestCompressed(t *testing.T) {
	list := func(file string) (all []string) {
		flows := captest.Flows(t, file, mysql.Protocol())
		for _, e := range flows[0].Exchanges[1:] {
			rows := e.Response.BodyBytes
			if e.Kind == decode.KindRequest && e.Response.Incomplete {
				rows = -1
			}
			all = append(all, fmt.Sprint(e.Method, "|", e.Target, "|", e.Status, "|", e.Detail("affected"), "|", rows))
		}
		return all
	}
	diff(t, "compress.pcap", "exchanges", list("testdata/compress.pcap"), list("testdata/go.pcap"))
}
