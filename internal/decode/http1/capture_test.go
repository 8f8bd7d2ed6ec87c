package http1_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lodge/internal/decode"
	"lodge/internal/decode/captest"
	"lodge/internal/decode/content"
	"lodge/internal/decode/http1"
	"lodge/internal/decode/sse"
	"lodge/internal/decode/websocket"
)

func protocols() []*decode.Protocol {
	return []*decode.Protocol{http1.Protocol(), websocket.Protocol()}
}

func captures(t testing.TB) []string {
	t.Helper()
	own, _ := filepath.Glob("testdata/*.pcap")
	zeek, _ := filepath.Glob("testdata/zeek/*.pcap")
	if len(own) < 5 || len(zeek) < 40 {
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

// differences are where tshark 4.0 says something else, by file, number of
// the connection and kind, with who is right and why.
var differences = map[string]string{
	"go.pcap 0 requests":                                              "lodge: the request whose body was refused was sent; tshark waits for the body",
	"nginx.pcap 10 responses":                                         "lodge: tshark takes the length in the response to a pipelined HEAD for that of a body",
	"nginx.pcap 10 response texts":                                    "lodge: as above",
	"nginx.pcap 13 requests":                                          "lodge: tshark does not know HTTP/0.9",
	"nginx.pcap 13 response texts":                                    "lodge: as above",
	"node.pcap 6 requests":                                            "lodge: tshark does not look into a tunnel to a port that it does not know",
	"node.pcap 6 responses":                                           "lodge: as above",
	"node.pcap 6 response texts":                                      "lodge: as above",
	"node.pcap 9 request texts":                                       "lodge: what follows the upgrade is another protocol, not a body",
	"node.pcap 10 responses":                                          "lodge: a response that was broken off is one; tshark waits for its end",
	"node.pcap 10 response texts":                                     "lodge: as above",
	"zeek/261-variant-01-chunk_2pow64_overflow.pcap 0 requests":       "lodge: a chunk whose size overflows ends the reading of the body; what looks like a request after it is shown, and what is between is counted",
	"zeek/261-variant-02-cl_uint64max.pcap 0 requests":                "lodge: where a request with such a length ends is not known (RFC 9112 section 6.3), and is said to be so",
	"zeek/261-variant-02-cl_uint64max.pcap 0 request texts":           "lodge: as above",
	"zeek/261-variant-03-cl_negative.pcap 0 requests":                 "lodge: as above",
	"zeek/261-variant-03-cl_negative.pcap 0 request texts":            "lodge: as above",
	"zeek/261-variant-09-te_obs_fold.pcap 0 requests":                 "lodge: tshark does not join the lines of a folded field",
	"zeek/261-variant-09-te_obs_fold.pcap 0 request texts":            "lodge: as above",
	"zeek/261-variant-10-multi_value_te.pcap 0 requests":              "lodge: chunked is not the last transfer coding, so that the end of the request is not known (RFC 9112 section 6.3)",
	"zeek/261-variant-10-multi_value_te.pcap 0 request texts":         "lodge: as above",
	"zeek/connect-with-smtp.pcap 0 requests":                          "neither: the request line has four words",
	"zeek/connect-with-smtp.pcap 0 request texts":                     "lodge: a header line without colon is no body",
	"zeek/content-range-gap.pcap 0 responses":                         "lodge: tshark shows no response that has a gap",
	"zeek/content-range-gap.pcap 0 response texts":                    "lodge: as above",
	"zeek/entity_gap.pcap 0 responses":                                "lodge: as above",
	"zeek/entity_gap.pcap 0 response texts":                           "lodge: as above",
	"zeek/http-09-content-length-confusion.pcap 0 response texts":     "both: what follows the response is counted as malformed by lodge, and shown by tshark",
	"zeek/http-11-request-then-cruft.pcap 0 request texts":            "both: what is no request is counted as malformed by lodge, and shown by tshark",
	"zeek/http-bad-request-with-version.pcap 0 requests":              "lodge: there is a request after four bytes of something else",
	"zeek/http-inner-transfer-encoding-ossfuzz.pcap 0 requests":       "both: made by a fuzzer; lodge shows what is before the end of the connection",
	"zeek/http-inner-transfer-encoding-ossfuzz.pcap 0 request texts":  "both: as above",
	"zeek/http-inner-transfer-encoding-ossfuzz.pcap 0 response texts": "both: as above",
	"zeek/http-lower-case.pcap 0 responses":                           "lodge: \"http/1.1\" is accepted by clients, in spite of RFC 9112 section 2.3",
	"zeek/http-lower-case.pcap 0 response texts":                      "lodge: as above",
	"zeek/http-to-ssh.pcap 0 requests":                                "lodge: tshark goes by the port",
	"zeek/http-to-ssh.pcap 0 response texts":                          "lodge: as above",
	"zeek/http_09.pcap 0 requests":                                    "lodge: tshark does not know HTTP/0.9",
	"zeek/http_09.pcap 0 response texts":                              "lodge: as above",
	"zeek/no-uri.pcap 0 requests":                                     "lodge: what tshark takes for the target is the version",
	"zeek/no-version.pcap 0 requests":                                 "lodge: tshark does not know HTTP/0.9",
	"zeek/no-version.pcap 0 response texts":                           "lodge: as above",
	"zeek/query-method.pcap 0 requests":                               "lodge: tshark 4.0 does not know the method",
	"zeek/query-method.pcap 0 request texts":                          "lodge: as above",
}

// TestTshark holds that the requests, the responses and their texts are those
// that tshark finds, in number and order.
func TestTshark(t *testing.T) {
	seen := map[string]bool{}
	for _, file := range captures(t) {
		for key, d := range compare(t, file) {
			key = strings.TrimPrefix(file, "testdata/") + " " + key
			seen[key] = true
			if differences[key] == "" {
				t.Errorf("%s:\n  tshark %q\n  lodge  %q", key, d[0], d[1])
			}
		}
	}
	for key := range differences {
		if !seen[key] {
			t.Errorf("%s: there is no difference any more", key)
		}
	}
}

// compare returns what tshark and lodge found where they differ, by the number of
// the connection and the kind.
func compare(t *testing.T, file string) map[string][2][]string {
	t.Helper()
	got, want := map[string][]string{}, map[string][]string{}
	clients := map[string]int{} // the number of the connection by the client's port
	o := decode.Options{Limits: decode.DefaultLimits(), Secrets: true}
	o.Limits.Body = 1 << 20
	for i, f := range captest.FlowsWith(t, file, o, protocols()...) {
		clients[fmt.Sprint(f.Client.Port())] = i
		for _, e := range f.Exchanges {
			switch {
			case e.Protocol == websocket.Name || e.Protocol == sse.Name || e.Begun:
			case e.Protocol == http1.Name:
				found(e, func(kind, text string) {
					key := fmt.Sprintf("%d %s", i, kind)
					got[key] = append(got[key], text)
				})
			default:
				t.Errorf("%s: an exchange of %s", file, e.Protocol)
			}
		}
	}
	args := []string{"-Y", "http", "-T", "fields", "-E", "aggregator=\x02"}
	for _, f := range []string{"tcp.srcport", "tcp.dstport", "http.request.method", "http.request.uri", "http.response.code", "http.response.phrase", "http.file_data"} {
		args = append(args, "-e", f)
	}
	for _, port := range []string{"8080", "8081", "8082", "8083", "8084"} {
		args = append(args, "-d", "tcp.port=="+port+",http")
	}
	for _, line := range captest.Tshark(t, file, args...) {
		line = append(line, make([]string, 7)...)
		i, request := clients[line[0]]
		if !request {
			i = clients[line[1]]
		}
		add := func(kind, text string) {
			key := fmt.Sprintf("%d %s", i, kind)
			want[key] = append(want[key], text)
		}
		uris, phrases := split(line[3]), split(line[5])
		for i, m := range split(line[2]) {
			add("requests", m+" "+at(uris, i))
		}
		for i, code := range split(line[4]) {
			add("responses", strings.TrimSuffix(code+" "+at(phrases, i), " "))
		}
		for _, text := range split(line[6]) {
			if request {
				add("request texts", plain(text))
			} else {
				add("response texts", plain(text))
			}
		}
	}
	differ := map[string][2][]string{}
	for _, m := range []map[string][]string{want, got} {
		for key := range m {
			if !slices.EqualFunc(want[key], got[key], same) {
				differ[key] = [2][]string{want[key], got[key]}
			}
		}
	}
	return differ
}

// found gives what is compared of an exchange.
func found(e *decode.Exchange, add func(kind, text string)) {
	if e.Request.Seen() {
		add("requests", e.Method+" "+e.Target)
	}
	for _, d := range e.Details {
		if d.Name == "interim" {
			add("responses", d.Value)
		}
	}
	if e.Status != "" {
		add("responses", e.Status)
	}
	if len(e.Request.Body) > 0 {
		add("request texts", plain(string(e.Request.Body)))
	}
	if len(e.Response.Body) > 0 {
		add("response texts", plain(string(e.Response.Body)))
	}
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}

// same reports whether two texts are equal, as far as they can be compared.
func same(a, b string) bool { return a == b || a == binary || b == binary }

const binary = "(not text)"

func split(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "\x02")
}

// plain returns the letters and digits of a text. tshark escapes other characters
// in its own way, and shows of what is not text only what is before a zero.
func plain(s string) string {
	if !content.IsText("", []byte(s)) {
		return binary
	}
	s = strings.NewReplacer(`\r`, "", `\n`, "", `\t`, "", `\"`, "", `\\`, "").Replace(s)
	s = strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return -1
	}, s)
	if len(s) > 60 {
		return fmt.Sprintf("%s… %d", s[:60], len(s))
	}
	return s
}
