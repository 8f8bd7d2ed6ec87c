package all

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"lodge/internal/decode"
	"lodge/internal/decode/tls"
)

// A connection that is joined in the middle of a large body is decoded from its next
// message on, whichever side is taken for the client.
func TestJoinedInABody(t *testing.T) {
	random := make([]byte, 60_000)
	for i := range random {
		random[i] = byte(rand.Uint32())
	}
	query := "Q\x00\x00\x00\x0dselect 1\x00"
	rows := "T\x00\x00\x00\x1b\x00\x01?column?\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x17\x00\x04\xff\xff\xff\xff\x00\x00" // of one column
	for _, tt := range []struct {
		name, asked, answered, want string
	}{
		{"http", "GET /next HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "/next"},
		{"redis", "*2\r\n$3\r\nGET\r\n$4\r\nnext\r\n", "$2\r\nok\r\n", "next"},
		{"postgresql", query, rows + "D\x00\x00\x00\x0b\x00\x01\x00\x00\x00\x011C\x00\x00\x00\x0dSELECT 1\x00Z\x00\x00\x00\x05I", "select 1"},
	} {
		for kind, body := range map[string][]byte{"binary": random, "text": bytes.Repeat([]byte("some text of a page\n"), 3000)} {
			for _, client := range []decode.Side{decode.Client, decode.Server} {
				var got []string
				c := decode.NewConn(decode.Options{Limits: decode.DefaultLimits(), Midstream: true}, func(x *decode.Exchange) { got = append(got, x.Protocol+" "+x.Target) }, nil)
				f := decode.NewFlow(c, Protocols(tls.Config{}), false)
				at := time.Unix(1000, 0)
				for b := body; len(b) > 0; b = b[min(len(b), 1400):] {
					at = at.Add(time.Millisecond)
					f.Data(client.Other(), at, b[:min(len(b), 1400)])
				}
				for range 3 {
					f.Data(client, at, []byte(tt.asked))
					f.Data(client.Other(), at, []byte(tt.answered))
				}
				f.End(0, at, decode.Closed)
				f.End(1, at, decode.Closed)
				if n := strings.Count(strings.Join(got, "\n")+"\n", tt.name+" "+tt.want+"\n"); n < 2 {
					t.Errorf("%s after a %s body, client %v: %q", tt.name, kind, client, got)
				}
			}
		}
	}
}
