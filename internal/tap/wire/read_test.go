package wire

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lodge/internal/capture/packet"
	"lodge/internal/decode"
	"lodge/internal/model"
	"lodge/internal/tap"
)

// text draws a text of letters that JSON writes in different ways.
func text(t *rapid.T, name string) string {
	return rapid.StringOfN(rapid.RuneFrom([]rune("ab/<\"\\ü\n\x01 \u2028")), 0, 8, -1).Draw(t, name)
}

func fields(t *rapid.T, name string) (out []decode.Field) {
	for range rapid.IntRange(0, 3).Draw(t, name) {
		out = append(out, decode.Field{Name: text(t, name), Value: text(t, name)})
	}
	return out
}

func drawMessage(t *rapid.T, name string) decode.Message {
	m := decode.Message{
		Header: fields(t, name), Trailer: fields(t, name), Encoding: text(t, name), Bytes: rapid.Int64Range(1, 1<<40).Draw(t, name),
		BodyBytes: rapid.Int64Range(0, 1<<40).Draw(t, name), Truncated: rapid.Bool().Draw(t, name), Incomplete: rapid.Bool().Draw(t, name),
	}
	if b := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, name); len(b) > 0 {
		m.Body = b
	}
	return m
}

func drawRecord(t *rapid.T) *tap.Record {
	at := time.Unix(1_700_000_000, rapid.Int64Range(0, 1e9-1).Draw(t, "time")).UTC()
	end := func(name string) tap.End {
		e := tap.End{
			Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, rapid.Byte().Draw(t, name)}), rapid.Uint16().Draw(t, name)),
			Project: text(t, name), Service: text(t, name), Container: text(t, name), Processes: []model.Process{},
		}
		if rapid.Bool().Draw(t, name) {
			e.Processes = append(e.Processes, model.Process{PID: rapid.IntRange(1, 1<<22).Draw(t, name), Start: 7, Name: text(t, name), Directory: text(t, name)})
			e.Source = tap.SourceSocket
		}
		if rapid.Bool().Draw(t, name) {
			e.Behind = &tap.Behind{Address: netip.MustParseAddrPort("172.17.0.2:80"), Processes: []model.Process{{PID: 3, Name: text(t, name)}}, Container: text(t, name)}
		}
		return e
	}
	r := &tap.Record{
		Number: rapid.Uint64Range(1, 1<<40).Draw(t, "number"), Connection: rapid.Uint64Range(1, 1<<40).Draw(t, "connection"),
		Transport: rapid.SampledFrom([]packet.Protocol{packet.TCP, packet.UDP}).Draw(t, "transport"), Time: at, Client: end("client"), Server: end("server"),
	}
	if rapid.IntRange(0, 5).Draw(t, "failure") == 0 {
		r.Failure = tap.Refused
		return r
	}
	later := func(name string) time.Time {
		return at.Add(time.Duration(rapid.Int64Range(0, 1e10).Draw(t, name)))
	}
	e := &decode.Exchange{
		Protocol: "http", Version: text(t, "version"), Kind: rapid.SampledFrom([]decode.Kind{decode.KindRequest, decode.KindSession}).Draw(t, "kind"),
		Started: at, Method: text(t, "method"), Target: text(t, "target"), Host: text(t, "host"), Group: text(t, "group"), Status: text(t, "status"),
		Code: rapid.IntRange(0, 599).Draw(t, "code"), Failed: rapid.Bool().Draw(t, "failed"), Secure: rapid.Bool().Draw(t, "secure"), Stream: rapid.Uint64Range(0, 9).Draw(t, "stream"),
		Details: fields(t, "details"), Request: drawMessage(t, "request"), Response: drawMessage(t, "response"),
	}
	if rapid.Bool().Draw(t, "answered") {
		e.Answered = later("answered")
	}
	e.Ended = later("ended")
	r.Exchange = e
	return r
}

// What is written is read: the same records, and the account.
func TestReadWhatIsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b bytes.Buffer
		w := NewWriter(&b)
		var want []*tap.Record
		for range rapid.IntRange(0, 5).Draw(t, "records") {
			x := drawRecord(t)
			want = append(want, x)
			if err := w.Record(x); err != nil {
				t.Fatal(err)
			}
		}
		a := &tap.Account{Records: tap.Records{Exchanges: uint64(len(want))}, Capture: tap.Capture{Lost: map[string]tap.Count{"ring_full": {Packets: 2}}}}
		if err := w.Account(a); err != nil {
			t.Fatal(err)
		}
		r := NewReader(&b)
		for i, x := range want {
			got, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, x) {
				t.Fatalf("record %d\ngot  %+v\n     %+v\nwant %+v\n     %+v", i, got, got.Exchange, x, x.Exchange)
			}
		}
		if _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Fatalf("at the end: %v", err)
		}
		if !reflect.DeepEqual(r.Account(), a) {
			t.Fatalf("account %+v", r.Account())
		}
	})
}

func TestReadErrors(t *testing.T) {
	const end = `{"ip":"127.0.0.1","port":80,"processes":[]}`
	record := func(more string) string {
		return `{"kind":"request","number":1,"time":"2026-03-04T12:00:00Z","connection":1,"transport":"tcp","client":` + end + `,"server":` + end + more + "}"
	}
	for _, tt := range []struct {
		name, text, want string
		records          int
	}{
		{name: "nothing", want: "EOF"},
		{name: "blank lines", text: "\n  \n", want: "EOF"},
		{name: "without the last line's end", text: record(""), want: "EOF", records: 1},
		{name: "a field of a later version", text: record(`,"new":{"x":1}`) + "\n", want: "EOF", records: 1},
		{name: "cut", text: record("") + "\n" + record("")[:50], want: "line 2: unexpected EOF", records: 1},
		{name: "no JSON", text: "hello\n", want: "line 1: " + ErrNotLines.Error()},
		{name: "no JSON later", text: record("") + "\nhello\n", want: "line 2: invalid character", records: 1},
		{name: "other JSON", text: `{"rows":[]}` + "\n", want: "line 1: " + ErrNotLines.Error()},
		{name: "a kind of a later version", text: `{"kind":"tunnel"}` + "\n", want: `line 1: kind "tunnel" is not known`},
		{name: "a transport", text: `{"kind":"request","transport":"sctp"}` + "\n", want: `line 1: transport "sctp" is not known`},
		{name: "base64", text: record(`,"response":{"body_base64":"*"}`) + "\n", want: "line 1: body of the response: illegal base64"},
		{name: "a failure of nothing", text: `{"kind":"failure","transport":"tcp"}` + "\n", want: "line 1: a failure says not what failed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := NewReader(strings.NewReader(tt.text))
			for range tt.records {
				if _, err := r.Next(); err != nil {
					t.Fatal(err)
				}
			}
			_, err := r.Next()
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("%v, want %s", err, tt.want)
			}
			if _, again := r.Next(); again == nil || again.Error() != err.Error() {
				t.Errorf("once more: %v", again)
			}
		})
	}
}

// FuzzReader holds that what is read without an error can be written and read again, and
// is the same then.
func FuzzReader(f *testing.F) {
	f.Add([]byte(`{"kind":"request","number":3,"time":"2026-03-04T12:00:00.25Z","connection":2,"transport":"tcp","client":{"ip":"127.0.0.1","port":40000},"server":{"ip":"::1","port":4000,"service":"api"},"protocol":"http","status":200,"latency_us":1.5,"duration_us":1e3,"response":{"body_base64":"/wA=","body_bytes":2,"bytes":50}}` + "\n"))
	f.Add([]byte(`{"kind":"failure","transport":"tcp","failure":"refused"}` + "\n" + `{"kind":"account","complete":true}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		read := func(data []byte) (out []byte) {
			var b bytes.Buffer
			w := NewWriter(&b)
			r := NewReader(bytes.NewReader(data))
			for {
				x, err := r.Next()
				if err != nil {
					break
				}
				if err := w.Record(x); err != nil {
					return nil // a time that JSON does not write
				}
			}
			return b.Bytes()
		}
		first := read(data)
		if second := read(first); !bytes.Equal(first, second) {
			t.Errorf("first  %s\nsecond %s", first, second)
		}
	})
}
