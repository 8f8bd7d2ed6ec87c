package nats

import (
	"strings"
	"testing"

	"lodge/internal/decode"
	"lodge/internal/decode/captest"
)

func options() decode.Options { return decode.Options{Limits: decode.DefaultLimits()} }

const (
	greeting = `s INFO {"server_id":"S","version":"2.9.10","proto":1,"auth_required":true}` + "\r\n"
	login    = `c CONNECT {"verbose":false,"user":"app","pass":"sesame","lang":"go"}` + "\r\n"
	welcome  = "session client CONNECT → PONG"
	ping     = "request client PING → PONG"
)

func TestExchanges(t *testing.T) {
	for _, c := range []struct {
		name   string
		script []string
		want   []string
	}{
		{"session", []string{greeting, login + "PING\r\n", "s PONG\r\n"}, []string{welcome, ping}},
		{"refused", []string{greeting, login + "PING\r\n", "s -ERR 'Authorization Violation'\r\n", "S"}, []string{
			"session client CONNECT → -ERR 'Authorization Violation' (failed)",
			"request client PING response incomplete",
		}},
		{"messages", []string{greeting, login + "PING\r\n", "s PONG\r\n",
			"c SUB orders.* 1\r\nPUB orders.new 5\r\nhello\r\nsub jobs workers 2\r\n", "s MSG orders.new 1 5\r\nhello\r\n+OK\r\n",
			"c UNSUB 1\r\n", "s PING\r\n", "c PONG\r\n"}, []string{welcome, ping,
			"message client SUB orders.*",
			`message client PUB orders.new request "hello"`,
			"message client SUB jobs",
			`message server MSG orders.new request "hello"`,
			"message server +OK → +OK",
			"message client UNSUB orders.*",
			"request server PING → PONG",
		}},
		{"request and reply", []string{greeting, login, "c SUB _INBOX.a.* 1\r\nPUB echo _INBOX.a.1 2\r\nhi\r\nHPUB echo _INBOX.a.2 15 17\r\nNATS/1.0\r\nA:b\r\nhi\r\n",
			"s HMSG _INBOX.a.2 1 30 30\r\nNATS/1.0 503 No Responders\r\n\r\n\r\nMSG _INBOX.a.1 1 3\r\nho!\r\nMSG _INBOX.a.1 1 5\r\nagain\r\n"}, []string{
			"message client SUB _INBOX.a.*",
			"session client CONNECT → MSG",
			`request client PUB echo → 503 No Responders (failed) request "hi"`,
			`request client PUB echo → MSG request "hi" response "ho!"`,
			`message server MSG _INBOX.a.1 request "again"`,
		}},
		{"verbose", []string{greeting, `c CONNECT {"verbose":true}` + "\r\nPING\r\n", "s +OK\r\nPONG\r\n", "c PUB a 0\r\n\r\nSUB > 1\r\nPUB b r 1\r\nx\r\nSUB c 2\r\n", "s +OK\r\n-ERR 'Permissions Violation'\r\n+OK\r\n+OK\r\nMSG r 2 1\r\ny\r\n"}, []string{
			"session client CONNECT → +OK",
			ping,
			"request client PUB a → +OK",
			"request client SUB > → -ERR 'Permissions Violation' (failed)",
			"request client SUB c → +OK",
			`request client PUB b → MSG request "x" response "y"`,
		}},
		{"errors and unanswered", []string{greeting, login, "c PUB a r 1\r\nx\r\n", "s -ERR 'Slow Consumer'\r\n-ERR 'Stale Connection'\r\n"}, []string{
			"session client CONNECT → -ERR 'Slow Consumer' (failed)",
			"message server -ERR → -ERR 'Stale Connection' (failed)",
			`request client PUB a request "x" response incomplete`,
		}},
		{"unsubscribed after some", []string{greeting, login, "c SUB a 1\r\nUNSUB 1 1\r\n", "s MSG a 1 1\r\nx\r\nMSG a 1 1\r\ny\r\n", "c UNSUB 1\r\n"}, []string{
			"message client SUB a", "message client UNSUB a",
			welcome[:len(welcome)-4] + "MSG",
			`message server MSG a request "x"`, `message server MSG a request "y"`,
			"message client UNSUB",
		}},
		{"not the protocol", []string{greeting, login, "c HELLO\r\nPUB a 1\r\nx\r\nPUB b 1\r\nxyz\r\nPUB c 0\r\n\r\nPUB d"}, []string{
			`message client PUB a request "x"`,
			`message client PUB b request "x" request truncated request incomplete`,
			"message client PUB c",
			"session client CONNECT",
			"lost nats gap: 5 bytes of the client",
			"lost nats malformed: 11 bytes of the client",
		}},
		{"gap in a payload", []string{greeting, login, "c PUB a 10\r\n012", "-c 4", "c 789\r\nPUB b 0\r\n\r\n"}, []string{
			`message client PUB a request "012" request truncated unknown: a part of it was not captured, or is longer than the limit`,
			"message client PUB b",
			"session client CONNECT",
			"lost nats gap: 4 bytes of the client",
		}},
		{"gap beyond a payload", []string{greeting, login, "c PUB a 10\r\n012", "-c 40", "c 789\r\nPUB b 0\r\n\r\n", "s MSG q 7 0\r\n\r\n"}, []string{
			`message client PUB a request "012" request truncated request incomplete`,
			"message client PUB b",
			"session client CONNECT → MSG",
			"message server MSG q unknown: its subscription was not seen",
			"lost nats gap: 45 bytes of the client",
		}},
		{"gap of unknown size", []string{greeting, login + "PING\r\n", "-s", "s ONG\r\nPONG\r\n"}, []string{
			"request client PING response incomplete",
			"session client CONNECT → PONG",
			"message server PONG unknown: its PING was not seen",
			"lost nats gap: 5 bytes of the server",
			"lost nats gap: an unknown number of bytes of the server",
		}},
		{"no CONNECT", []string{greeting, "C", "S"}, []string{"message server INFO"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			captest.Same(t, captest.Script(t, options(), Protocol(), c.script...), c.want...)
		})
	}
}

func TestMidstream(t *testing.T) {
	o := options()
	o.Midstream = true
	for _, c := range []struct {
		name   string
		script []string
		want   []string
	}{
		{"message", []string{"s yload\r\nMSG a.b 9 3\r\nabc\r\n", "c UNSUB 9\r\n"}, []string{
			`message server MSG a.b request "abc" unknown: its subscription was not seen`,
			"message client UNSUB unknown: its subscription was not seen",
			"lost nats state: 7 bytes of the server",
		}},
		{"ping", []string{"s PING\r\n", "c PONG\r\n"}, []string{"request server PING → PONG"}},
		{"the other way round", []string{"c MSG a 9 3\r\nabc\r\n", "s PUB b 0\r\n\r\n"}, []string{
			`message server MSG a request "abc" unknown: its subscription was not seen`,
			"message client PUB b",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			captest.Same(t, captest.Script(t, o, Protocol(), c.script...), c.want...)
		})
	}
}

func TestSecrets(t *testing.T) {
	for _, keep := range []bool{false, true} {
		o := options()
		o.Secrets = keep
		f := captest.Script(t, o, Protocol(), greeting, `c CONNECT {"pass":"P1","auth_token":"P2","jwt":"P3","sig":"P4","user":"u","nested":{"a":[1]}}`+"\r\n", "s +OK\r\n")
		text := captest.Text([]captest.Flow{f})
		for _, s := range []string{"P1", "P2", "P3", "P4"} {
			if strings.Contains(text, s) != keep {
				t.Errorf("secrets %v:\n%s", keep, text)
			}
		}
		if !strings.Contains(text, "nested: {\"a\":[1]}") {
			t.Errorf("no nested value:\n%s", text)
		}
	}
}

// TestTLS holds that the connection is handed over where the client answers INFO
// with TLS.
func TestTLS(t *testing.T) {
	f := captest.Script(t, options(), Protocol(), greeting, "c \x16\x03\x01\x00\x05hello", "s \x16\x03\x03")
	captest.Same(t, f, "message server INFO", "lost unknown: 10 bytes of the client", "lost unknown: 3 bytes of the server")
}

func TestLimits(t *testing.T) {
	o := options()
	o.Limits = decode.Limits{Body: 4, Message: 64, Pending: 2, Statements: 2}
	f := captest.Script(t, o, Protocol(), "s INFO {}\r\n", "c CONNECT {}\r\n", "s PONG\r\n",
		"c PUB a 10\r\n0123456789\r\nPUB b r1 0\r\n\r\nPUB b r2 0\r\n\r\nPUB b r3 0\r\n\r\n",
		"c SUB "+strings.Repeat("x", 100)+" 1\r\nSUB a 1\r\nSUB b 2\r\nSUB c 3\r\n",
		"s MSG a 1 0\r\n\r\nMSG r3 3 0\r\n\r\n")
	captest.Same(t, f,
		"session client CONNECT → PONG",
		"message server PONG",
		`message client PUB a request "0123" request truncated`,
		"request client PUB b response incomplete",
		"message client SUB a", "message client SUB b", "message client SUB c",
		"message server MSG a unknown: its subscription was not seen",
		"request client PUB b → MSG",
		"request client PUB b response incomplete",
		"lost nats too_long: 108 bytes of the client",
	)
}

func TestDetect(t *testing.T) {
	for _, c := range []struct {
		client, server string
		midstream      bool
		want           decode.Verdict
	}{
		{"", "INF", false, decode.Maybe},
		{"", "INFO {", false, decode.Yes},
		{"", "INFO x", false, decode.No},
		{"CONNECT ", "", false, decode.Maybe},
		{"CONNECT {", "", false, decode.Yes},
		{"CONNECT a:443 HTTP/1.1", "", false, decode.No},
		{"PING\r\n", "+PONG\r\n", true, decode.Maybe}, // Redis
		{"PING\r\n", "PONG\r\n", true, decode.Yes},
		{"PUB a 1\r\nx", "", true, decode.Maybe},
		{"PUB a 1\r\nx\r\n", "", true, decode.Yes},
		{"PUB a 1\r\nxy\r\n", "", true, decode.Maybe},
		{"SUB a 1\r\n", "", true, decode.Yes},
		{"SUB a b\r\n", "", true, decode.Maybe},
		{"", "MSG a 1 9000\r\nx", true, decode.Yes},
		{"", "", true, decode.Maybe},
	} {
		p := &decode.Prefix{Bytes: [2][]byte{[]byte(c.client), []byte(c.server)}, Midstream: c.midstream}
		if got := Protocol().Detect(p); got != c.want {
			t.Errorf("Detect(%q, %q, midstream %v) = %d, want %d", c.client, c.server, c.midstream, got, c.want)
		}
	}
}
