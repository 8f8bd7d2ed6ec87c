package mongodb

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lodge/internal/decode"
	"lodge/internal/decode/captest"
)

// TestTshark compares each message with what tshark says of it: its number, what
// it answers, its length and its documents. There are no differences, but that tshark 4.0
// does not undo zstd: TestCompressors compares that.
func TestTshark(t *testing.T) {
	for _, file := range captures(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			o := limits()
			o.Secrets = true
			flows := captest.FlowsWith(t, file, o, Protocol())
			port := strconv.Itoa(int(flows[0].Server.Port()))
			theirs := messagesOf(t, captest.TsharkOutput(t, file, "-d", "tcp.port=="+port+",mongo", "-Y", "mongo", "-T", "pdml"), port)
			for _, f := range flows {
				compare(t, f, theirs[f.Client.Port()])
				delete(theirs, f.Client.Port())
			}
			for client := range theirs {
				t.Errorf("tshark found a connection of port %d", client)
			}
		})
	}
}

// compare holds that the messages of a connection are equal: in order, each
// request followed by its answer.
func compare(t *testing.T, f captest.Flow, theirs []string) {
	t.Helper()
	var ours []string
	unasked := false
	for _, e := range f.Exchanges {
		if e.Kind == decode.KindMessage && e.From == decode.Server {
			ours = append(ours, fmt.Sprintf("answer to %d, %d bytes: %s", e.Stream, e.Request.Bytes, e.Request.Body))
			unasked = true
			continue
		}
		if e.Request.Seen() {
			ours = append(ours, fmt.Sprintf("request %d, %d bytes: %s", e.Stream, e.Request.Bytes, e.Request.Body))
		}
		if e.Response.Seen() {
			failed := strings.Contains(string(e.Response.Body), `"ok":0.0`) || strings.Contains(string(e.Response.Body), `"writeErrors"`)
			if e.Failed != failed {
				t.Errorf("%s %s: failed is %v", e.Method, e.Target, e.Failed)
			}
			ours = append(ours, fmt.Sprintf("answer to %d, %d bytes: %s", e.Stream, e.Response.Bytes, e.Response.Body))
		}
	}
	if unasked {
		// The next request may be before such an answer.
		slices.Sort(ours)
		slices.Sort(theirs)
	}
	if len(ours) != len(theirs) {
		t.Errorf("%s: %d messages, tshark has %d", f.Client, len(ours), len(theirs))
	}
	zstd := slices.ContainsFunc(f.Exchanges, func(e *decode.Exchange) bool { return e.Request.Encoding == "zstd" })
	for i := range min(len(ours), len(theirs)) {
		if strings.Contains(theirs[i], `"decimal":?`) && strings.Contains(ours[i], `"decimal":{"$numberDecimal":"1.50"}`) {
			continue
		}
		if ours[i] != theirs[i] && !(zstd && strings.HasPrefix(ours[i], theirs[i]) && strings.HasSuffix(theirs[i], " bytes: ")) {
			t.Errorf("%s: message %d differs:\nlodge  %.800s\ntshark %.800s", f.Client, i, ours[i], theirs[i])
		}
	}
}

// What a client says and is answered does not depend on the compressor.
func TestCompressors(t *testing.T) {
	said := func(file string) (lines []string) {
		for _, e := range captest.Exchanges(captest.Flows(t, file, Protocol())) {
			if e.Method == "hello" || e.Method == "isMaster" || e.Method == "ping" {
				continue // how often is a matter of time
			}
			cursor := regexp.MustCompile(`[0-9]{9,}`)
			lines = append(lines, cursor.ReplaceAllString(fmt.Sprintf("%s %s → %s, %d and %d bytes", e.Method, e.Target, e.Status, e.Request.BodyBytes, e.Response.BodyBytes), "#"))
		}
		return lines
	}
	want := said("testdata/zlib.pcap")
	for _, file := range []string{"testdata/snappy.pcap", "testdata/zstd.pcap"} {
		if got := said(file); !slices.Equal(got, want) {
			t.Errorf("%s:\n%s\nwant:\n%s", file, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// field is one of tshark's.
type field struct {
	Name   string  `xml:"name,attr"`
	Show   string  `xml:"show,attr"`
	Value  string  `xml:"value,attr"`
	Fields []field `xml:"field"`
}

// find returns the first field of a name below this one.
func (f *field) find(name string) *field {
	for i := range f.Fields {
		if f.Fields[i].Name == name {
			return &f.Fields[i]
		}
		if g := f.Fields[i].find(name); g != nil {
			return g
		}
	}
	return nil
}

func (f *field) show(name string) string {
	if g := f.find(name); g != nil {
		return g.Show
	}
	return ""
}

func (f *field) raw() []byte {
	b, _ := hex.DecodeString(f.Value)
	return b
}

// messagesOf returns what tshark found, by the client's port.
func messagesOf(t *testing.T, pdml []byte, server string) map[uint16][]string {
	t.Helper()
	found := map[uint16][]string{}
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
		var client string
		for i := range p.Protos {
			switch f := &p.Protos[i]; f.Name {
			case "tcp":
				if client = f.show("tcp.srcport"); client == server {
					client = f.show("tcp.dstport")
				}
			case "mongo":
				n, _ := strconv.ParseUint(client, 10, 16)
				found[uint16(n)] = append(found[uint16(n)], messageOf(f))
			}
		}
	}
}

// messageOf returns a message as compare writes it.
func messageOf(f *field) string {
	id, _ := strconv.ParseUint(f.show("mongo.request_id"), 0, 32)
	to, _ := strconv.ParseUint(f.show("mongo.response_to"), 0, 32)
	var documents []string
	collect(f.Fields, &documents)
	text := fmt.Sprintf("%s bytes: %s", f.show("mongo.message_length"), strings.Join(documents, "\n"))
	if to != 0 {
		return fmt.Sprintf("answer to %d, %s", to, text)
	}
	return fmt.Sprintf("request %d, %s", id, text)
}

// collect adds the documents of a message.
func collect(fields []field, documents *[]string) {
	for i := range fields {
		switch f := &fields[i]; f.Name {
		case "mongo.document", "mongo.query", "mongo.msg.sections.section.body":
			*documents = append(*documents, jsonOf(f, false))
		case "mongo.msg.sections.section":
			name := f.show("mongo.msg.sections.section.doc_sequence_id")
			var all []string
			collect(f.Fields, &all)
			if name != "" {
				all = []string{`{"` + name + `":[` + strings.Join(all, ",") + `]}`}
			}
			*documents = append(*documents, all...)
		default:
			collect(f.Fields, documents)
		}
	}
}

// jsonOf returns a document as lodge writes it.
func jsonOf(f *field, array bool) string {
	var parts []string
	for i := range f.Fields {
		if f.Fields[i].Name != "mongo.elements" {
			continue
		}
		for j := range f.Fields[i].Fields {
			e := &f.Fields[i].Fields[j]
			text := valueOf(e)
			if !array {
				text = `"` + string(appendJSON(nil, []byte(e.Show))) + `":` + text
			}
			parts = append(parts, text)
		}
	}
	return bracket(array, "{", "[") + strings.Join(parts, ",") + bracket(array, "}", "]")
}

// valueOf returns a value. Scalars are written by the decoder's own function:
// what is compared is where they are.
func valueOf(e *field) string {
	typ, _ := strconv.ParseUint(e.show("mongo.element.type"), 0, 8)
	switch typ {
	case typeDocument, typeArray:
		return jsonOf(e.find("mongo.document"), typ == typeArray)
	case typeString:
		return `"` + string(appendJSON(nil, bytes.TrimSuffix(e.find("mongo.element.value.string").raw(), []byte{0}))) + `"`
	case typeBinary:
		b := e.find("mongo.element.value.bytes").raw()
		if len(b) == 16 {
			return `{"$uuid":"` + uuid(b) + `"}`
		}
		return `{"$binary":{"base64":"` + base64.StdEncoding.EncodeToString(b) + `","subType":"00"}}`
	case typeRegex:
		v := append(e.find("mongo.element.value.regex.pattern").raw(), e.find("mongo.element.value.regex.options").raw()...)
		return scalar(typeRegex, v)
	case typeNull, typeMin, typeMax, typeUndefined:
		return scalar(byte(typ), nil)
	}
	for i := range e.Fields {
		if v := &e.Fields[i]; strings.HasPrefix(v.Name, "mongo.element.value.") {
			if b := v.raw(); len(b) == fixed(byte(typ)) {
				return scalar(byte(typ), b)
			}
		}
	}
	return "?"
}
