package probe

import (
	"encoding/json"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lodge/internal/probe/answer"
	"lodge/internal/probe/answer/samples"
)

// sayOnce says something, waits for a question and closes.
func sayOnce(text string) func(net.Conn) {
	return func(c net.Conn) {
		if _, err := c.Write([]byte(text)); err == nil {
			_, _ = c.Read(make([]byte, 4096))
		}
	}
}

func TestWhatAnswers(t *testing.T) {
	startup := string(answer.PostgresStartup("ann", "postgres"))
	for _, c := range []struct {
		name, scheme string
		handle       func(net.Conn)
		want         string // the answer's JSON, without first_bytes
	}{
		{"MySQL", "", script(samples.MySQL8), `{"protocol":"mysql","product":"MySQL","version":"8.0.36","auth":"caching_sha2_password","offers":["tls"]}`},
		{"MariaDB by its scheme", "mysql", script(samples.MariaDB), `{"protocol":"mysql","product":"MariaDB","version":"10.11.6-MariaDB-0+deb12u1","auth":"mysql_native_password"}`},
		{"SSH", "", script("SSH-2.0-OpenSSH_9.2p1\r\n"), `{"protocol":"ssh","product":"OpenSSH","version":"9.2p1"}`},
		{"SSH that web clients are sent to", "http", script("SSH-2.0-OpenSSH_9.2p1\r\n"), `{"protocol":"ssh","product":"OpenSSH","version":"9.2p1"}`},
		{"SMTP", "", script("220 mail.test ESMTP Postfix\r\n"), `{"protocol":"smtp","product":"mail.test ESMTP Postfix"}`},
		{"SMTP that does not say so", "", script("220 mail.test\r\n", [2]string{"EHLO ", "250 mail.test\r\n"}), `{"protocol":"smtp","product":"mail.test"}`},
		{"FTP that does not say so", "", script("220 files.test\r\n", [2]string{"EHLO ", "500 what?\r\n"}), `{"protocol":"ftp","product":"files.test"}`},
		{"IMAP", "imap", script("* OK ready\r\n"), `{"protocol":"imap","product":"ready"}`},
		{"POP3", "", script("+OK ready\r\n"), `{"protocol":"pop3","product":"ready"}`},
		{"NATS", "", script(`INFO {"version":"2.10.4"}` + "\r\n"), `{"protocol":"nats","product":"NATS","version":"2.10.4","auth":"none"}`},
		{"VNC", "", script("RFB 003.008\n"), `{"protocol":"vnc","version":"003.008"}`},
		{"RabbitMQ", "amqp", script("", [2]string{answer.AMQPHello, samples.Rabbit}), `{"protocol":"amqp","product":"RabbitMQ","version":"3.10.8","auth":"amqplain plain"}`},
		{"Kafka", "kafka", script("", [2]string{answer.KafkaHello, samples.KafkaVersions}), `{"protocol":"kafka","product":"Kafka"}`},
		{"MongoDB", "mongodb", script("", [2]string{string(answer.MongoHello()), samples.MongoReply("\x01ok\x00\x00\x00\x00\x00\x00\x00\xf0\x3f")}, [2]string{string(answer.MongoBuildInfo()), samples.MongoReply("\x02version\x00\x06\x00\x00\x007.0.5\x00")}),
			`{"protocol":"mongodb","product":"MongoDB","version":"7.0.5"}`},
		{"DNS over TCP", "dns", script("", [2]string{answer.DNSOverTCP, "\x00\x37" + samples.Dnsmasq}), `{"protocol":"dns","product":"dnsmasq","version":"2.90"}`},
		{"Redis", "", script("", [2]string{"GET / HTTP", "-ERR unknown\r\n"}, [2]string{answer.RedisHello, "+PONG\r\n"}, [2]string{"INFO server\r\n", "$31\r\n# Server\r\nredis_version:7.0.15\r\n\r\n"}),
			`{"protocol":"redis","product":"Redis","version":"7.0.15","auth":"none"}`},
		{"Valkey", "redis", script("", [2]string{answer.RedisHello, "+PONG\r\n"}, [2]string{"INFO server\r\n", "$43\r\nredis_version:7.2.4\r\nvalkey_version:8.0.1\r\n\r\n"}),
			`{"protocol":"redis","product":"Valkey","version":"8.0.1","auth":"none"}`},
		{"memcached that answers anything", "", script("", [2]string{answer.MemcachedHello, "VERSION 1.6.18\r\n"}, [2]string{"", "ERROR\r\n"}), `{"protocol":"memcached","product":"memcached","version":"1.6.18","auth":"none"}`},
		{"PostgreSQL", "postgres", script("", [2]string{answer.PostgresSSLRequest, "N"}, [2]string{startup, samples.PostgresScram}), `{"protocol":"postgresql","product":"PostgreSQL","auth":"scram-sha-256","user":"ann"}`},
		{"PostgreSQL, found late", "", script("", [2]string{answer.PostgresSSLRequest, "N"}, [2]string{startup, samples.PostgresIn}, [2]string{"PING", ""}), `{"protocol":"postgresql","product":"PostgreSQL","version":"15.18","auth":"none","user":"ann"}`},
		{"HTTP", "", script("", [2]string{"GET / HTTP/1.1\r\n", samples.HTTPPage}), `{"protocol":"http","product":"nginx","version":"1.22.1","http":{"version":"1.1","path":"/","status":404,"reason":"Not Found","server":"nginx/1.22.1","content_type":"text/plain","body":"hello"}}`},
		{"HTTP/2 that breaks off", "h2c", sayOnce(samples.H2Settings), `{"protocol":"h2","http":{"version":"2","path":"","status":0}}`},
		{"echo", "", func(c net.Conn) { _, _ = io.Copy(c, c) }, `{"protocol":"echo"}`},
		{"something else", "", sayOnce("Welcome to the machine\r\n"), `{"protocol":"unknown"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := serve(t, c.handle)
			r := find(t, f.target(c.scheme), Options{User: "ann"})
			if r.Result != Answered || r.Answer == nil || r.IP != f.addr.Addr() || len(r.Addresses) != 1 || r.Addresses[0].Result != "connected" {
				t.Fatalf("%+v", r)
			}
			if r.Answer.FirstBytes == "" && r.Answer.Protocol != "h2" {
				t.Error("no first bytes")
			}
			r.Answer.FirstBytes = ""
			if got, err := json.Marshal(r.Answer); err != nil || string(got) != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestSlowPage is a development server that makes the page only now: it is
// found although the next questions were asked meanwhile.
func TestSlowPage(t *testing.T) {
	second := make(chan struct{})
	var once sync.Once
	f := serve(t, func(c net.Conn) {
		b := make([]byte, 4096)
		n, err := c.Read(b)
		if err != nil {
			return
		}
		if !strings.HasPrefix(string(b[:n]), "GET ") {
			once.Do(func() { close(second) })
			_, _ = c.Read(b) // and says nothing to this one
			return
		}
		select {
		case <-second:
			_, _ = c.Write([]byte(samples.HTTPPage))
		case <-time.After(patience):
		}
	})
	r := find(t, f.target(""), Options{})
	if r.Answer == nil || r.Answer.HTTP == nil || r.Answer.HTTP.Status != 404 {
		t.Fatalf("%+v", r)
	}
	if len(r.Exchanges) < 2 || r.Exchanges[0].Name != "http" || r.Exchanges[0].Result != "answered" || r.Exchanges[1].Result != "silent" {
		t.Errorf("%+v", r.Exchanges)
	}
}

func TestWebSocketOnly(t *testing.T) {
	closed := make(chan string, 1)
	f := serve(t, func(c net.Conn) {
		b := make([]byte, 4096)
		n, _ := c.Read(b)
		if !strings.Contains(string(b[:n]), "Upgrade: websocket\r\n") {
			_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"))
			return
		}
		_, _ = c.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"))
		n, _ = c.Read(b)
		closed <- string(b[:n])
	})
	r := find(t, f.target("http"), Options{})
	if r.Answer == nil || !slices.Equal(r.Answer.Offers, []string{"websocket"}) || r.Answer.HTTP.Status != 400 {
		t.Fatalf("%+v", r.Answer)
	}
	select {
	case got := <-closed:
		if got != "\x88\x82\x00\x00\x00\x00\x03\xe8" {
			t.Errorf("it was not closed politely: %q", got)
		}
	case <-time.After(patience):
		t.Error("it was not closed")
	}
}

func TestNobodyAnswers(t *testing.T) {
	gone := serve(t, func(net.Conn) {})
	if r := find(t, gone.target(""), Options{}); r.Result != Closed || r.Answer != nil {
		t.Errorf("closing: %+v", r)
	}
	silent := serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	r := find(t, silent.target(""), Options{Timeout: 2 * time.Second})
	if r.Result != Silent || r.Answer != nil || len(r.Exchanges) == 0 || r.Exchanges[0].Result != "silent" {
		t.Errorf("silence: %+v", r)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target, err := ParseTarget(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	r = find(t, target, Options{})
	if r.Result != Result(answer.Refused) || r.Addresses[0].Result != "refused" || r.Addresses[0].Error != "connection refused" || r.IP.IsValid() || len(r.Exchanges) != 0 {
		t.Errorf("nobody: %+v", r)
	}
}

// TestPlan holds that hints only change the order.
func TestPlan(t *testing.T) {
	names := func(es []exchange) []string {
		var out []string
		for _, e := range es {
			out = append(out, e.name)
		}
		return out
	}
	all := names(exchanges())
	sorted := slices.Sorted(slices.Values(all))
	known := append([]string{"listen", ""}, all...)
	for port := range 65536 {
		if hint := usual(uint16(port)); !slices.Contains(known, hint) {
			t.Errorf("port %d: %q is no exchange", port, hint)
		} else if got := names(plan("", uint16(port))); hint != "" && got[0] != hint {
			t.Errorf("port %d: %v", port, got)
		} else if rest := slices.DeleteFunc(got, func(s string) bool { return s == "listen" }); !slices.Equal(slices.Sorted(slices.Values(rest)), sorted) {
			t.Errorf("port %d: %v", port, got)
		}
	}
	for scheme, want := range map[string]string{"https": "tls", "postgres": "postgresql", "mysql": "listen", "grpc": "h2", "": "http", "tcp": "http"} {
		if got := names(plan(scheme, 1)); got[0] != want {
			t.Errorf("%s: %v", scheme, got)
		}
	}
}

// TestGreetingsInParts are those of servers on a slow link: what was said first
// is not taken for the whole, whichever question hears it.
func TestGreetingsInParts(t *testing.T) {
	for text, want := range map[string]string{
		"SSH-2.0-Open|SSH_9.2p1\r\n":                                                "ssh OpenSSH 9.2p1",
		"220-mail.test ESMTP\r\n|220 ready\r\n":                                     "smtp mail.test ESMTP ready ",
		"220 mail.te|st ESMTP Postfix\r\n":                                          "smtp mail.test ESMTP Postfix ",
		"22|0 files.test FTP server\r\n":                                            "ftp files.test FTP server ",
		"* OK [CAPABILITY IMAP4rev1] Dove|cot ready.\r\n":                           "imap Dovecot ready. ",
		"+OK Dove|cot ready.\r\n":                                                   "pop3 Dovecot ready. ",
		"-ERR max number of cli|ents reached\r\n":                                   "redis  ",
		"-DENIED Redis is running in prot|ected mode\r\n":                           "redis  ",
		"INFO {\"version\":\"2.1|0.4\"}\r\n":                                        "nats NATS 2.10.4",
		"RFB 00|3.008\n":                                                            "vnc  003.008",
		"@RSYNCD: 3|1.0 sha512\n":                                                   "rsync  31.0 sha512",
		samples.MySQL8[:3] + "|" + samples.MySQL8[3:]:                               "mysql MySQL 8.0.36",
		samples.MySQL8[:9] + "|" + samples.MySQL8[9:20] + "|" + samples.MySQL8[20:]: "mysql MySQL 8.0.36",
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			parts := strings.Split(text, "|")
			f := serve(t, func(c net.Conn) {
				// Longer than lodge takes to ask all that it asks.
				for i, part := range parts {
					if _, err := c.Write([]byte(part)); err != nil {
						return
					}
					if i < len(parts)-1 {
						select {
						case <-t.Context().Done():
						case <-time.After(2500 * time.Millisecond / time.Duration(len(parts))):
						}
					}
				}
				_, _ = io.Copy(io.Discard, c)
			})
			a := find(t, f.target(""), Options{}).Answer
			if a == nil {
				t.Fatal("no answer")
			}
			if got := a.Protocol + " " + a.Product + " " + a.Version; got != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}
