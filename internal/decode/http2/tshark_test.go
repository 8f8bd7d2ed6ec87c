package http2

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lodge/internal/decode"
	"lodge/internal/decode/captest"
)

// node is an element of tshark's PDML.
type node struct {
	Name   string `xml:"name,attr"`
	Show   string `xml:"show,attr"`
	Fields []node `xml:"field"`
	Protos []node `xml:"proto"`
}

// find calls f with each field of a name, wherever it is.
func (n *node) find(name string, f func(*node)) {
	for i := range n.Protos {
		n.Protos[i].find(name, f)
	}
	for i := range n.Fields {
		if n.Fields[i].Name == name {
			f(&n.Fields[i])
		} else {
			n.Fields[i].find(name, f)
		}
	}
}

func (n *node) get(name string) (s string) {
	n.find(name, func(x *node) {
		if s == "" {
			s = x.Show
		}
	})
	return s
}

func (n *node) number(name string) int {
	v, _ := strconv.ParseInt(n.get(name), 0, 64)
	return int(v)
}

// seen is a stream, as tshark and the decoder see it.
type seen struct {
	request, response, trailer []string
	sent                       []string // the request's trailer
	body                       [2]int
	reset                      string
	// small reports that the client made the server's header table smaller.
	small bool
}

// tsharkStreams returns the streams of a capture, by client's port and number.
func tsharkStreams(t *testing.T, file string, server int) map[string]*seen {
	t.Helper()
	out := captest.TsharkOutput(t, file, "-d", fmt.Sprintf("tcp.port==%d,http2", server), "-Y", "http2", "-T", "pdml")
	all, small := map[string]*seen{}, map[string]bool{}
	d := xml.NewDecoder(bytes.NewReader(out))
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			for key, st := range all {
				port, _, _ := strings.Cut(key, "/")
				st.small = small[port]
			}
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := tok.(xml.StartElement); !ok || e.Name.Local != "packet" {
			continue
		} else {
			var p node
			if err := d.DecodeElement(&p, &e); err != nil {
				t.Fatal(err)
			}
			side, port := decode.Client, p.get("tcp.srcport")
			if p.number("tcp.srcport") == server {
				side, port = decode.Server, p.get("tcp.dstport")
			}
			p.find("http2.stream", func(f *node) { add(all, port, side, f) })
			if side == decode.Client {
				p.find("http2.settings.header_table_size", func(f *node) { small[port] = true })
			}
		}
	}
}

// add adds a frame to its stream.
func add(all map[string]*seen, port string, side decode.Side, f *node) {
	id := f.number("http2.streamid")
	get := func(id int) *seen {
		key := fmt.Sprint(port, "/", id)
		if all[key] == nil {
			all[key] = &seen{}
		}
		return all[key]
	}
	if kind := f.number("http2.type"); id == 0 || kind == framePriority || kind == frameWindow {
		return // not of a stream, or of one that may be idle
	}
	var fields []string
	f.find("http2.header", func(h *node) {
		fields = append(fields, h.get("http2.header.name")+": "+h.get("http2.header.value"))
	})
	st := get(id)
	switch kind := f.number("http2.type"); {
	case kind == frameData:
		n := f.number("http2.length")
		if f.number("http2.flags")&flagPadded != 0 {
			n -= 1 + f.number("http2.pad_length")
		}
		st.body[side] += n
	case kind == frameReset:
		st.reset = codes[f.number("http2.rst_stream.error")]
	case kind == framePush:
		get(f.number("http2.push_promise.promised_stream_id")).request = fields
	case len(fields) == 0:
	case kind == frameContinuation && side == decode.Client:
		st.request = append(st.request, fields...)
	case side == decode.Client && st.request != nil && !strings.HasPrefix(fields[0], ":"):
		st.sent = fields
	case side == decode.Client:
		st.request = fields
	case strings.HasPrefix(fields[0], ":status: 1"):
	case st.response == nil:
		st.response = fields
	default:
		st.trailer = fields
	}
}

// TestTshark compares all streams with tshark's: header fields in their order,
// bodies' lengths, resets. One difference is known: where a client sent
// SETTINGS_HEADER_TABLE_SIZE, tshark 4.0 shows none of the server's header fields
// ("unexpected decompression state"). The clients could read them, and the golden
// files have them.
func TestTshark(t *testing.T) {
	for file, port := range map[string]int{"testdata/nginx.pcap": 8080, "testdata/node.pcap": 8083, "testdata/odd.pcap": 8082} {
		theirs := tsharkStreams(t, file, port)
		o := decode.Options{Limits: decode.DefaultLimits(), Secrets: true}
		ours := 0
		for _, flow := range captest.FlowsWith(t, file, o, New(Config{})) {
			if flow.Protocol == "" {
				continue // between nginx and the server behind it
			}
			if len(flow.Losses) > 0 {
				t.Errorf("%s: losses %v", file, flow.Losses)
			}
			for _, e := range flow.Exchanges {
				if e.Kind != decode.KindRequest {
					continue
				}
				ours++
				key := fmt.Sprint(flow.Client.Port(), "/", e.Stream)
				their := theirs[key]
				if their == nil {
					t.Errorf("%s: tshark has no stream %s", file, key)
					continue
				}
				compare(t, file+" "+key, e, their)
			}
		}
		if ours != len(theirs) {
			t.Errorf("%s: %d streams, tshark has %d", file, ours, len(theirs))
		}
	}
}

func compare(t *testing.T, what string, e *decode.Exchange, their *seen) {
	t.Helper()
	if their.small && their.response == nil && e.Code != 0 {
		t.Logf("%s: tshark does not show the response's header", what)
		their.response, their.trailer = []string{":status: " + e.Status}, nil
		for _, f := range e.Response.Header {
			their.response = append(their.response, f.Name+": "+f.Value)
		}
		for _, f := range e.Response.Trailer {
			their.trailer = append(their.trailer, f.Name+": "+f.Value)
		}
	}
	pseudo := func(fields []string, name string) string {
		for _, f := range fields {
			if v, ok := strings.CutPrefix(f, name+": "); ok {
				return v
			}
		}
		return ""
	}
	if m, p, h, s := pseudo(their.request, ":method"), pseudo(their.request, ":path"), pseudo(their.request, ":authority"), pseudo(their.response, ":status"); m != e.Method ||
		p != e.Target || h != e.Host || s != e.Status && !strings.HasPrefix(e.Status, "reset: ") {
		t.Errorf("%s: %s %s %s -> %s, tshark has %s %s %s -> %s", what, e.Method, e.Host, e.Target, e.Status, m, h, p, s)
	}
	plain := func(fields []string) []string {
		return slices.DeleteFunc(slices.Clone(fields), func(f string) bool { return strings.HasPrefix(f, ":") })
	}
	ours := func(fs []decode.Field) (out []string) {
		for _, f := range fs {
			out = append(out, f.Name+": "+f.Value)
		}
		return out
	}
	for _, x := range []struct {
		name          string
		ours, tsharks []string
	}{
		{"request", ours(e.Request.Header), plain(their.request)}, {"response", ours(e.Response.Header), plain(their.response)},
		{"trailer", ours(e.Response.Trailer), their.trailer}, {"request's trailer", ours(e.Request.Trailer), their.sent},
	} {
		if strings.Join(x.ours, "\n") != strings.Join(x.tsharks, "\n") {
			t.Errorf("%s: %s\n%.999s\ntshark has\n%.999s", what, x.name, strings.Join(x.ours, "\n"), strings.Join(x.tsharks, "\n"))
		}
	}
	if e.Request.BodyBytes != int64(their.body[0]) || e.Response.BodyBytes != int64(their.body[1]) {
		t.Errorf("%s: bodies of %d and %d bytes, tshark has %v", what, e.Request.BodyBytes, e.Response.BodyBytes, their.body)
	}
	if reset, _, _ := strings.Cut(e.Detail("reset"), " "); reset != their.reset && their.reset != "NO_ERROR" {
		t.Errorf("%s: reset %q, tshark has %q", what, reset, their.reset)
	}
}
