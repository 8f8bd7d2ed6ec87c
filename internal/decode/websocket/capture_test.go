package websocket_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lodge/internal/decode"
	"lodge/internal/decode/captest"
	"lodge/internal/decode/http1"
	"lodge/internal/decode/websocket"
)

func protocols() []*decode.Protocol {
	return []*decode.Protocol{http1.Protocol(), websocket.Protocol()}
}

func captures(t testing.TB) []string {
	t.Helper()
	own, _ := filepath.Glob("testdata/*.pcap")
	zeek, _ := filepath.Glob("testdata/zeek/*.pcap*")
	zeek = slices.DeleteFunc(zeek, func(s string) bool { return strings.HasSuffix(s, ".golden") })
	if len(own) < 4 || len(zeek) < 12 {
		t.Fatalf("%d and %d captures", len(own), len(zeek))
	}
	return append(own, zeek...)
}

func TestGolden(t *testing.T) {
	for _, file := range captures(t) {
		captest.Golden(t, file, protocols()...)
	}
}

func TestSplits(t *testing.T) {
	for _, file := range captures(t) {
		captest.Splits(t, file, protocols()...)
	}
}

// differences are where tshark 4.0 says something else, by file, sender
// and kind, with who is right and why.
var differences = map[string]string{
	"ws-deflate-no-context.pcap client texts": "lodge: tshark does not decompress a message of several frames",
	"ws-deflate.pcap client texts":            "lodge: as above",
}

// TestTshark holds that the messages of each side are those that tshark finds, in
// number and order, with their texts and the codes of close frames.
func TestTshark(t *testing.T) {
	seen := map[string]bool{}
	for _, file := range captures(t) {
		got, servers := lodge(t, file)
		want := tshark(t, file, servers)
		for _, m := range []map[string][]string{want, got} {
			for kind := range m {
				key := strings.TrimPrefix(file, "testdata/") + " " + kind
				if slices.Equal(want[kind], got[kind]) || seen[key] {
					continue
				}
				seen[key] = true
				if differences[key] == "" {
					t.Errorf("%s:\n  tshark %q\n  lodge  %q", key, want[kind], got[kind])
				}
			}
		}
	}
	for key := range differences {
		if !seen[key] {
			t.Errorf("%s: there is no difference any more", key)
		}
	}
}

var opcodes = map[string]string{"1": "text", "2": "binary", "8": "close", "9": "ping", "10": "pong"}

func tshark(t *testing.T, file string, servers map[string]bool) map[string][]string {
	t.Helper()
	args := []string{"-Y", "websocket", "-T", "fields", "-E", "aggregator=\x02"}
	for _, f := range []string{"tcp.srcport", "websocket.fin", "websocket.opcode", "websocket.payload.text", "websocket.payload.close.status_code", "websocket.payload.close.reason"} {
		args = append(args, "-e", f)
	}
	for _, port := range []string{"9001", "9002"} {
		args = append(args, "-d", "tcp.port=="+port+",http")
	}
	out, open := map[string][]string{}, map[string]string{}
	add := func(key, value string) { out[key] = append(out[key], value) }
	for _, line := range captest.Tshark(t, file, args...) {
		line = append(line, make([]string, 6)...)
		port, ends := "client", split(line[1])
		if servers[line[0]] {
			port = "server"
		}
		for i, op := range split(line[2]) {
			name := opcodes[op]
			if op == "0" {
				name = open[port]
			}
			if ends[i] == "1" {
				add(port, name)
			} else {
				open[port] = name
			}
		}
		for _, text := range split(line[3]) {
			add(port+" texts", strings.NewReplacer(`\r`, "\r", `\n`, "\n").Replace(text))
		}
		for _, code := range split(line[4]) {
			add(port+" codes", code)
		}
		for _, reason := range split(line[5]) {
			add(port+" reasons", reason)
		}
	}
	return out
}

func split(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "\x02")
}

func lodge(t *testing.T, file string) (out map[string][]string, servers map[string]bool) {
	t.Helper()
	o := decode.Options{Limits: decode.DefaultLimits(), Secrets: true}
	out, servers = map[string][]string{}, map[string]bool{}
	add := func(key, value string) { out[key] = append(out[key], value) }
	for _, f := range captest.FlowsWith(t, file, o, protocols()...) {
		servers[fmt.Sprint(f.Server.Port())] = true
		for _, e := range f.Exchanges {
			if e.Protocol != websocket.Name {
				continue
			}
			port := e.From.String()
			add(port, e.Method)
			switch e.Method {
			case "text":
				if len(e.Request.Body) > 0 {
					add(port+" texts", string(e.Request.Body))
				}
			case "close":
				if e.Code != 1005 {
					add(port+" codes", fmt.Sprint(e.Code))
				}
				if len(e.Request.Body) > 0 {
					add(port+" reasons", string(e.Request.Body))
				}
			}
		}
	}
	return out, servers
}
