package probe

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"lodge/internal/probe/answer"
	"lodge/internal/probe/answer/samples"
)

// ending reads the question, says something, and ends the connection: with a
// reset, or in order.
func ending(text string, reset bool) func(net.Conn) {
	return func(c net.Conn) {
		if _, err := c.Read(make([]byte, 4096)); err != nil {
			return
		}
		if _, err := io.WriteString(c, text); err == nil && reset {
			_ = c.(*net.TCPConn).SetLinger(0)
		}
	}
}

// TestBrokenAnswers of HTTP tell how they broke off.
func TestBrokenAnswers(t *testing.T) {
	const length = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc"
	for _, c := range []struct {
		name, text string
		reset      bool
		want       string // the failure, the status and the interim status
	}{
		{"a whole page", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", false, " 200 0"},
		{"a page that ends with the connection", "HTTP/1.1 200 OK\r\n\r\nabc", false, " 200 0"},
		{"a reset in the head", "HTTP/1.1 200 OK\r\nContent-Le", true, "reset 200 0"},
		{"a reset in the body", length, true, "reset 200 0"},
		{"a reset in a page that ends with the connection", "HTTP/1.1 200 OK\r\n\r\nabc", true, "reset 200 0"},
		{"a reset in the status line", "HTTP/1.1 2", true, "reset 0 0"},
		{"a reset after Continue", "HTTP/1.1 100 Continue\r\n\r\n", true, "reset 0 100"},
		{"closed in the head", "HTTP/1.1 200 OK\r\nContent-Le", false, "closed_early 200 0"},
		{"closed in the body", length, false, "closed_early 200 0"},
		{"closed in a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", false, "closed_early 200 0"},
		{"closed after Continue", "HTTP/1.1 100 Continue\r\n\r\n", false, "closed_early 0 100"},
		{"closed within Early Hints", "HTTP/1.1 103 Early Hints\r\nLink: <", false, "closed_early 0 103"},
		{"a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nabc", false, "bad_answer 200 0"},
		{"Continue, and no HTTP", "HTTP/1.1 100 Continue\r\n\r\nwelcome\r\n", false, "bad_answer 0 100"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := serve(t, ending(c.text, c.reset))
			r := find(t, f.target("http"), Options{})
			a := r.Answer
			if a == nil || a.HTTP == nil {
				t.Fatalf("%+v", a)
			}
			if got := fmt.Sprint(a.Failure, " ", a.HTTP.Status, " ", a.HTTP.Interim); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if reset := r.Exchanges[0].Result == string(answer.Reset); reset != c.reset {
				t.Errorf("exchange %+v", r.Exchanges[0])
			}
			if bad := a.Failure == answer.BadAnswer; bad != (a.HTTP.Problem != "") {
				t.Errorf("problem %q", a.HTTP.Problem)
			}
		})
	}
}

// TestOnlyInterimAnswers come from a server that makes the page longer than it
// is waited for, and from one that never stops.
func TestOnlyInterimAnswers(t *testing.T) {
	hints := serve(t, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 4096))
		_, _ = io.WriteString(c, "HTTP/1.1 103 Early Hints\r\n\r\n")
		_, _ = io.Copy(io.Discard, c)
	})
	for _, scheme := range []string{"", "http"} {
		a := find(t, hints.target(scheme), Options{Timeout: 3 * time.Second}).Answer
		if a == nil || a.HTTP == nil || a.HTTP.Interim != 103 || a.HTTP.Status != 0 || a.Failure != answer.Timeout {
			t.Errorf("%+v", a)
		}
	}
	flood := serve(t, pour("HTTP/1.1 100 Continue\r\n\r\n"))
	a := find(t, flood.target("http"), Options{}).Answer
	if a == nil || a.HTTP == nil || a.HTTP.Interim != 100 || a.Failure != answer.BadAnswer {
		t.Errorf("%+v", a)
	}
}

// TestUpgradeThatBreaksOff is a page that refuses GET, and answers the upgrade
// with an interim response only.
func TestUpgradeThatBreaksOff(t *testing.T) {
	f := serve(t, func(c net.Conn) {
		b := make([]byte, 4096)
		n, _ := c.Read(b)
		if strings.Contains(string(b[:n]), "Upgrade: websocket") {
			_, _ = io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
	})
	if a := find(t, f.target("http"), Options{}).Answer; a.Status() != 404 || len(a.Offers) != 0 || a.Failure != "" {
		t.Errorf("%+v", a)
	}
}

// TestTruncatedAtEachByte cuts what servers say after each of its bytes.
func TestTruncatedAtEachByte(t *testing.T) {
	for name, text := range map[string]string{
		"HTTP":      "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nabc",
		"chunks":    "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		"MySQL":     samples.MySQL8,
		"HTTP/2":    samples.H2Settings,
		"SSH":       "SSH-2.0-OpenSSH_9.2p1\r\n",
		"a notice":  "NOTICE AUTH :*** Looking up\r\n",
		"TLS alert": "\x15\x03\x01\x00\x02\x02\x28",
	} {
		for i := 1; i <= len(text); i++ {
			for _, scheme := range []string{"http", "postgres", "https", "h2c"} {
				t.Run(fmt.Sprint(name, "/", i, "/", scheme), func(t *testing.T) {
					t.Parallel()
					f := serve(t, ending(text[:i], i%2 == 0))
					r := find(t, f.target(scheme), Options{})
					if a := r.Answer; a != nil && (a.Protocol == "http" || a.Protocol == "h2") && a.HTTP == nil {
						t.Errorf("no HTTP in %+v", a)
					} else if a != nil && a.Protocol == "postgresql" {
						t.Errorf("%q is no PostgreSQL: %+v", text[:i], a)
					}
				})
			}
		}
	}
}

// TestLettersThatAreNoPostgreSQL are greetings that begin as PostgreSQL answers.
func TestLettersThatAreNoPostgreSQL(t *testing.T) {
	for text, want := range map[string]string{
		"SSH-2.0-OpenSSH_9.2p1\r\n": "ssh", "N": "unknown", "S": "unknown", "NOTICE welcome\r\n": "unknown", "NR": "unknown",
		"N\x00\x00\x00\x08\x00\x00\x00\x00": "unknown", "E": "unknown", "ERROR\r\n\x00": "unknown",
	} {
		t.Run(want+text[:1], func(t *testing.T) {
			t.Parallel()
			f := serve(t, func(c net.Conn) {
				_, _ = c.Read(make([]byte, 4096))
				for i := range len(text) { // the rest only when the first letter was believed
					if _, err := io.WriteString(c, text[i:i+1]); err != nil {
						return
					}
					if i == 0 && len(text) > 1 {
						_, _ = c.Read(make([]byte, 4096))
					}
				}
				for b := make([]byte, 4096); ; {
					if _, err := c.Read(b); err != nil {
						return
					}
				}
			})
			a := find(t, f.target("postgres"), Options{Timeout: 4 * time.Second}).Answer
			if a == nil || a.Protocol != want {
				t.Errorf("%q: %+v, want %s", text, a, want)
			}
		})
	}
}
