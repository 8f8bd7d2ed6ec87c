package probe

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"lodge/internal/probe/answer"
	"lodge/internal/probe/answer/samples"
)

// pour writes a text over and over, until the other side closes.
func pour(text string) func(net.Conn) {
	many := []byte(strings.Repeat(text, 1+4096/len(text)))
	return func(c net.Conn) {
		for {
			if _, err := c.Write(many); err != nil {
				return
			}
		}
	}
}

// drip writes the text byte by byte, and its last byte over and over.
func drip(text string) func(net.Conn) {
	return func(c net.Conn) {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			<-tick.C
			if _, err := c.Write([]byte{text[min(i, len(text)-1)]}); err != nil {
				return
			}
		}
	}
}

// TestHostileServers are survived within the time, in little memory, with
// answers that are fit to be printed (find checks them).
func TestHostileServers(t *testing.T) {
	cert, _ := certificate(t, nil)
	for name, handle := range map[string]func(net.Conn){
		"a banner without end":      pour("x"),
		"an SSH banner without end": pour("SSH-2.0-"),
		"headers without end":       func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n"); pour("A: b\r\n")(c) },
		"interim responses only":    pour("HTTP/1.1 100 Continue\r\n\r\n"),
		"a body without end":        func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n"); pour("body ")(c) },
		"chunks of one": func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			pour("1\r\na\r\n")(c)
		},
		"a drip":                   drip("welcome "),
		"a dripping HTTP server":   drip("HTTP/1.1 200 OK\r\nServer: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
		"a dripping greeting":      drip("220-a\r\n220-b\r\n220-"),
		"a packet that never ends": func(c net.Conn) { _, _ = io.WriteString(c, "\xff\x0f\x00\x00\x0a8.0"); pour("8")(c) },
		"settings without end":     pour(samples.H2Settings),
		"zeros":                    pour("\x00"),
		"TLS records without end":  pour("\x16\x03\x03\x40\x00" + strings.Repeat("\x0b", 0x4000)),
		"escape sequences":         func(c net.Conn) { _, _ = io.WriteString(c, "220 \x1b]0;pwned\x07\x1b[2J\u009b31m ESMTP\r\n") },
		"closing at random":        func(c net.Conn) { _, _ = io.CopyN(c, bytes.NewReader(make([]byte, 64)), int64(rand.IntN(64))) },
		"an immediate reset":       func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) },
		"a PostgreSQL without end": script("", [2]string{answer.PostgresSSLRequest, "N"}, [2]string{"\x00\x00\x00", strings.Repeat("S\x00\x00\x00\x08a\x00b\x00", 50000)}),
		"a MongoDB of 48 MB": func(c net.Conn) {
			_, _ = io.WriteString(c, "\x00\x00\x00\x03\x00\x00\x00\x00\x01\x00\x00\x00\xdd\x07\x00\x00")
			pour("\x02")(c)
		},
		"random bytes":               func(c net.Conn) { b := make([]byte, 4096); rand.NewChaCha8([32]byte{}).Read(b); pour(string(b))(c) },
		"a Redis that says too much": script("", [2]string{answer.RedisHello, "+PONG\r\n"}, [2]string{"INFO", "$65535\r\n" + strings.Repeat("redis_version:", 100000)}),
		"TLS, and a drip inside":     func(c net.Conn) { s := tlsServer(c, cert); drip("HTTP/1.1 200")(s) },
		"TLS, and a flood inside":    func(c net.Conn) { s := tlsServer(c, cert); pour("HTTP/1.1 200 OK\r\n")(s) },
	} {
		for _, scheme := range []string{"", "https", "postgres", "redis", "h2c", "mysql", "mongodb"} {
			t.Run(name+"/"+scheme, func(t *testing.T) {
				t.Parallel()
				f := serve(t, handle)
				find(t, f.target(scheme), Options{Timeout: 400 * time.Millisecond})
			})
		}
	}
}

// TestMemoryIsBounded pours at one probe, and looks at what it kept.
func TestMemoryIsBounded(t *testing.T) {
	f := serve(t, pour("x"))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	find(t, f.target(""), Options{Timeout: 400 * time.Millisecond})
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
		t.Errorf("%d bytes were allocated", grown)
	}
}
