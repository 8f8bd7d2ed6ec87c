package kafka

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"strings"
	"testing"

	"lodge/internal/decode"
	"lodge/internal/decode/captest"
)

func options() decode.Options { return decode.Options{Limits: decode.DefaultLimits()} }

func be16(n int) string { return string(binary.BigEndian.AppendUint16(nil, uint16(n))) }
func be32(n int) string { return string(binary.BigEndian.AppendUint32(nil, uint32(n))) }
func be64(n int) string { return string(binary.BigEndian.AppendUint64(nil, uint64(n))) }

func str(s string) string    { return be16(len(s)) + s }
func bytes4(s string) string { return be32(len(s)) + s }

// sized returns a message as it is sent.
func sized(body string) string { return be32(len(body)) + body }

func ask(key, version, id int, body string) string {
	return sized(be16(key) + be16(version) + be32(id) + str("app") + body)
}

func answer(id int, body string) string { return sized(be32(id) + body) }

// set returns a message of the formats 0 and 1.
func set(offset, magic, attributes int, key, value string) string {
	m := be32(0) + string([]byte{byte(magic), byte(attributes)})
	if magic == 1 {
		m += be64(1700000000000)
	}
	return be64(offset) + bytes4(m+bytes4(key)+bytes4(value))
}

// zigzag returns a number as records have it: below 64.
func zigzag(n int) string { return string([]byte{byte(n << 1)}) }

// batch returns a batch of the format 2.
func batch(offset, attributes, count int, records string) string {
	return be64(offset) + bytes4(be32(0)+"\x02"+be32(0)+be16(attributes)+be32(count-1)+be64(0)+be64(0)+be64(-1)+be16(-1)+be32(-1)+be32(count)+records)
}

func record(delta int, key, value string) string {
	r := "\x00\x00" + zigzag(delta) + zigzag(len(key)) + key + zigzag(len(value)) + value + zigzag(1) + zigzag(1) + "h" + zigzag(1) + "v"
	return zigzag(len(r)) + r
}

func zipped(s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write([]byte(s))
	z.Close()
	return b.String()
}

// snapped, lz4ed and zstded return frames in which bytes are stored as they are.
func snapped(s string) string {
	return "\x82SNAPPY\x00" + be32(1) + be32(1) + be32(len(s)+2) + string([]byte{byte(len(s)), byte(len(s)-1) << 2}) + s
}

func lz4ed(s string) string {
	return "\x04\x22\x4d\x18\x60\x40\x82" + string([]byte{byte(len(s)), 0, 0, 0x80}) + s + be32(0)
}

func zstded(s string) string {
	return "\x28\xb5\x2f\xfd\x20" + string([]byte{byte(len(s)), byte(len(s)<<3 | 1), 0, 0}) + s
}

// produce is the body of Produce of version 0 to 2.
func produce(acks int, records string) string {
	return be16(acks) + be32(1000) + be32(1) + str("shop") + be32(1) + be32(0) + bytes4(records)
}

func produced(code int) string {
	return be32(1) + str("shop") + be32(1) + be32(0) + be16(code) + be64(7)
}

var (
	metadata = "c " + ask(3, 0, 1, be32(1)+str("shop"))
	brokers  = "s " + answer(1, be32(1)+be32(1)+str("localhost")+be32(9092)+be32(1)+be16(0)+str("shop")+be32(1)+be16(0)+be32(0)+be32(1)+be32(1)+be32(1)+be32(1)+be32(1))
)

const hello = "request client Metadata shop → NONE"

func TestExchanges(t *testing.T) {
	for _, c := range []struct {
		name   string
		script []string
		want   []string
	}{
		{"metadata", []string{metadata, brokers}, []string{hello}},
		{"produce", []string{metadata, brokers, "c " + ask(0, 0, 2, produce(1, set(0, 0, 0, "k", "one")+set(1, 1, 0, "", "two"))), "s " + answer(2, produced(0)),
			"c " + ask(0, 2, 3, produce(1, set(0, 1, 1, "", zipped(set(0, 1, 0, "k", "packed"))))), "s " + answer(3, produced(3)+be64(-1)+be32(0)),
			"c " + ask(0, 2, 4, produce(0, batch(5, 0, 2, record(0, "a", "x")+record(1, "", "y"))))}, []string{hello,
			`request client Produce shop → NONE request "one\ntwo"`,
			`request client Produce shop → 3 UNKNOWN_TOPIC_OR_PARTITION (failed) request "packed"`,
			`message client Produce shop request "x\ny"`,
		}},
		{"compressed", []string{metadata, brokers, "c " + ask(0, 2, 4, produce(0, batch(5, 1, 1, zipped(record(0, "a", "x")))+batch(6, 2, 1, snapped(record(0, "b", "y")))+batch(7, 3, 1, lz4ed(record(0, "c", "z")))+batch(8, 4, 1, zstded(record(0, "d", "!"))))) +
			ask(0, 2, 4, produce(0, batch(5, 1, 1, "no gzip"))) + ask(0, 2, 5, produce(0, batch(5, 3, 1, "no lz4"))) + ask(0, 2, 6, produce(0, batch(5, 5, 1, "something else")))}, []string{hello,
			`message client Produce shop request "x\ny\nz\n!"`,
			"message client Produce shop unknown: a batch of records is damaged, or longer than the limit",
			"message client Produce shop unknown: a batch of records is damaged, or longer than the limit",
			"message client Produce shop request truncated unknown: records are compressed with codec 5, which is not undone",
		}},
		{"pipelined, out of order, unanswered", []string{metadata + ask(10, 0, 2, str("g")) + ask(12, 0, 3, str("g")+be32(1)+str("m")) + ask(12, 0, 4, str("g")+be32(1)+str("m")),
			brokers, "s " + answer(3, be16(27)) + answer(2, be16(0)+be32(1)+str("localhost")+be32(9092)) + answer(9, "x")}, []string{hello,
			"request client Heartbeat g → 27 REBALANCE_IN_PROGRESS (failed)",
			"request client FindCoordinator g → NONE",
			"request client → answered unknown: its request was not seen",
			"request client Heartbeat g response incomplete",
		}},
		{"not decoded", []string{metadata, brokers, "c " + ask(4, 0, 2, "xyz") + ask(3, 14, 3, "?") + ask(99, 0, 4, ""), "s " + answer(2, "...") + answer(3, "...") + answer(4, "")}, []string{hello,
			"request client LeaderAndIsr → answered unknown: the body of LeaderAndIsr is not decoded",
			"request client Metadata → answered unknown: version 14 of Metadata is not decoded",
			"request client api 99 → answered unknown: the body of api 99 is not decoded",
		}},
		{"versions", []string{"c " + ask(18, 4, 1, "\x00\x04app\x021\x00"), "s " + answer(1, be16(35)+be32(1)+be16(18)+be16(0)+be16(3)),
			"c " + ask(18, 3, 2, "\x00\x04app\x021\x00"), "s " + answer(2, be16(0)+"\x02"+be16(18)+be16(0)+be16(3)+"\x00"+be32(0)+"\x00"),
			"c " + ask(18, 6, 3, "\x00"), "s " + answer(3, be16(35)+be32(1)+be16(18)+be16(0)+be16(3))}, []string{
			"request client ApiVersions → 35 UNSUPPORTED_VERSION (failed)",
			"request client ApiVersions → NONE",
			"request client ApiVersions → 35 UNSUPPORTED_VERSION (failed) unknown: version 6 of ApiVersions is not decoded",
		}},
		{"tokens without header", []string{"c " + ask(17, 0, 1, str("PLAIN")), "s " + answer(1, be16(0)+be32(1)+str("PLAIN")), "c " + sized("\x00app\x00sesame"), "s " + sized(""), strings.Replace(metadata, be32(1)+str("app"), be32(2)+str("app"), 1), "s " + answer(2, brokers[10:])}, []string{
			"request client SaslHandshake PLAIN → NONE",
			"request client SaslToken → answered",
			hello,
		}},
		{"gap in a request", []string{metadata, brokers, "c " + ask(0, 0, 2, produce(1, set(0, 0, 0, "k", "one")))[:60], "-c 8", "c " + ask(0, 0, 2, produce(1, set(0, 0, 0, "k", "one")))[68:] + ask(12, 0, 3, str("g")+be32(1)+str("m")), "s " + answer(2, produced(0)) + answer(3, be16(0))}, []string{hello,
			"request client Produce shop → NONE request truncated unknown: a part of it was not captured",
			"request client Heartbeat g → NONE",
			"lost kafka gap: 8 bytes of the client",
		}},
		{"gap beyond a request", []string{metadata, brokers, "c " + ask(12, 0, 2, str("g")+be32(1)+str("m"))[:20], "-c 100", "c xyz" + ask(12, 0, 3, str("h")+be32(1)+str("m")), "s " + answer(3, be16(0))[:5], "-s", "s yz" + answer(3, be16(0))}, []string{hello,
			"request client Heartbeat h → NONE",
			"request client Heartbeat g request truncated request incomplete response incomplete unknown: a part of it was not captured",
			"lost kafka gap: 103 bytes of the client",
			"lost kafka gap: 2 bytes of the server",
			"lost kafka gap: an unknown number of bytes of the server",
		}},
		{"malformed", []string{metadata, brokers, "c \xff\xff\xff\xffjunk" + ask(12, 0, 3, str("h")+be32(1)+str("m")), "s " + answer(3, "")}, []string{hello,
			"request client Heartbeat h → NONE unknown: its body is not what this version of it has",
			"lost kafka malformed: 8 bytes of the client",
			"lost kafka malformed: 8 bytes of the server",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			captest.Same(t, captest.Script(t, options(), Protocol(), c.script...), c.want...)
		})
	}
}

func TestDetails(t *testing.T) {
	f := captest.Script(t, options(), Protocol(), metadata, brokers, "c "+ask(0, 2, 4, produce(0, batch(5, 0, 2, record(0, "a", "x")+record(1, "", strings.Repeat("y", 40))))))
	var got []string
	for _, e := range f.Exchanges {
		for _, d := range e.Details {
			got = append(got, d.Name+": "+d.Value)
		}
	}
	want := []string{
		"client_id: app",
		"broker: node_id=1 host=localhost port=9092",
		"partition: shop[0] leader=1 replicas=[1] isr=[1]",
		"client_id: app", "acks: 0", "timeout_ms: 1000",
		"batch: shop[0] offset=5 count=2 bytes=64",
		`record: shop[0] offset=5 key="a" value="x" h="v"`,
		`record: shop[0] offset=6 value="` + strings.Repeat("y", 40) + `" h="v"`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("details:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestTopicIDs holds that a topic is named where a response on the connection had
// its name, and that the name is unknown otherwise.
func TestTopicIDs(t *testing.T) {
	id, other := strings.Repeat("\x01", 16), strings.Repeat("\x02", 16)
	fetch := func(id string) string {
		return "\x00" + be32(500) + be32(1) + be32(1<<20) + "\x00" + be32(0) + be32(-1) + "\x02" + id + "\x02" + be32(0) + be32(0) + be64(5) + be32(-1) + be64(-1) + be32(1<<20) + "\x00\x00\x01\x01\x00"
	}
	captest.Same(t, captest.Script(t, options(), Protocol(),
		"c "+ask(3, 12, 1, "\x00\x00\x00\x00\x00"),
		"s "+answer(1, "\x00"+be32(0)+"\x01\x00"+be32(1)+"\x02"+be16(0)+"\x05shop"+id+"\x00\x01"+be32(0)+"\x00\x00"),
		"c "+ask(1, 16, 2, fetch(id))+ask(1, 16, 3, fetch(other))),
		"request client Metadata → NONE",
		"request client Fetch shop response incomplete",
		"request client Fetch 02020202-0202-0202-0202-020202020202 response incomplete unknown: the name of topic 02020202-0202-0202-0202-020202020202 was not seen on this connection",
	)
}

func TestMidstream(t *testing.T) {
	o := options()
	o.Midstream = true
	captest.Same(t, captest.Script(t, o, Protocol(), "c "+ask(12, 0, 2, str("g")+be32(1)+str("m")), "s rest of a response"+answer(2, be16(0))),
		"request client Heartbeat g → NONE",
		"lost kafka state: 18 bytes of the server",
	)
}

func TestSecrets(t *testing.T) {
	for _, keep := range []bool{false, true} {
		o := options()
		o.Secrets = keep
		a := captest.Text([]captest.Flow{captest.Script(t, o, Protocol(), "c "+ask(17, 0, 1, str("PLAIN")), "s "+answer(1, be16(0)+be32(0)), "c "+sized("\x00app\x00sesame"))})
		b := captest.Text([]captest.Flow{captest.Script(t, o, Protocol(), "c "+ask(36, 0, 1, bytes4("\x00app\x00sesame")), "s "+answer(1, be16(0)+be16(-1)+bytes4("sesame")))})
		alter := captest.Text([]captest.Flow{captest.Script(t, o, Protocol(), metadata, brokers, "c "+ask(44, 0, 2, be32(1)+"\x02"+str("shop")+be32(2)+str("ssl.key.password")+"\x00"+str("sesame")+str("sasl.jaas.config")+"\x00"+str(`module required password="sesame";`)+"\x00"))})
		sent := captest.Text([]captest.Flow{captest.Script(t, o, Protocol(), metadata, brokers, "c "+ask(0, 2, 4, produce(0, batch(5, 0, 1, record(0, `{"pin":"sesame"}`, `{"token":"sesame"}`)))))})
		for _, text := range []string{a, b, alter, sent} {
			if strings.Contains(text, "sesame") != keep {
				t.Errorf("secrets %v:\n%s", keep, text)
			}
		}
	}
}

func TestLimits(t *testing.T) {
	o := options()
	o.Limits = decode.Limits{Body: 4, Message: 200, Pending: 2, Statements: 2}
	heartbeat := func(id int) string { return ask(12, 0, id, str("g")+be32(1)+str("m")) }
	captest.Same(t, captest.Script(t, o, Protocol(), "c "+heartbeat(1)+heartbeat(2)+heartbeat(3),
		"c "+ask(0, 2, 4, produce(0, set(0, 0, 0, "", "0123456789")+set(0, 0, 0, "", strings.Repeat("x", 1000))))),
		"request client Heartbeat g response incomplete",
		`message client Produce shop request "0123" request truncated unknown: it is longer than the limit, and was read up to there`,
		"request client Heartbeat g response incomplete",
		"request client Heartbeat g response incomplete",
		"lost kafka too_long: 903 bytes of the client",
	)
}

func TestDetect(t *testing.T) {
	for _, c := range []struct {
		client    string
		midstream bool
		want      decode.Verdict
	}{
		{metadata[2:], false, decode.Yes},
		{metadata[2:4], false, decode.Maybe},
		{metadata[2:15], false, decode.Maybe},
		{"\x00\x00\x00\x54\x00\x03\x00\x00user\x00postgres\x00", false, decode.No},                                        // PostgreSQL
		{"\x00\x00\x00\x08\x04\xd2\x16\x2f", false, decode.No},                                                            // PostgreSQL
		{"\x00\x00\x00\x2d\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x75\x30", false, decode.No},            // ZooKeeper
		{"\x00\x00\x01\x00\x01\x00\x00\x00\x00\x00\x00\x00\xd4\x07\x00\x00", false, decode.No},                            // MongoDB
		{"\x00\x1d\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x04test\x00\x00\x01\x00\x01", false, decode.No}, // DNS
		{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", false, decode.No},                                                // TLS
		{"GET / HTTP/1.1\r\n", false, decode.No},
		{"GET / HTTP/1.1\r\n", true, decode.Maybe},
	} {
		p := &decode.Prefix{Bytes: [2][]byte{[]byte(c.client)}, Midstream: c.midstream}
		if got := Protocol().Detect(p); got != c.want {
			t.Errorf("Detect(%q, midstream %v) = %d, want %d", c.client, c.midstream, got, c.want)
		}
	}
}
