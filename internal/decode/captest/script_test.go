package captest

import (
	"testing"

	"lodge/internal/decode"
)

func TestScript(t *testing.T) {
	f := Script(t, decode.Options{Limits: decode.DefaultLimits()}, echo(""), "c one\ntw", "c o\n", "s 1\n", "-c 5", "C", "s 2\nlate\n", "S")
	Same(t, f,
		`request client one → 1 request "one" response "1"`,
		`request client two → 2 request "two" response "2"`,
		"lost echo gap: 5 bytes of the client",
		"lost echo state: 5 bytes of the server",
	)
	if f.Protocol != "echo" || f.Ends != [2]decode.End{decode.Closed, decode.Closed} {
		t.Errorf("protocol %s, ends %v", f.Protocol, f.Ends)
	}
}
