package answer

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"lodge/internal/probe/answer/samples"
)

const get = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"

var readerCases = []struct {
	name, sent, data string
	// want is the answer as JSON without first_bytes, "" for none; next is what to ask then.
	want, next string
}{
	{"OpenSSH", "", "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n", `{"protocol":"ssh","product":"OpenSSH","version":"9.2p1 Debian-2+deb12u3"}`, ""},
	{"Dropbear after GET", get, "SSH-2.0-dropbear_2022.83\r\n\x00\x00\x01\xdc", `{"protocol":"ssh","product":"dropbear","version":"2022.83"}`, ""},
	{"SSH without an end", "", "SSH-", `{"protocol":"ssh"}`, ""},
	{"SSH with too many clients", "", "Exceeded MaxStartups\r\n", `{"protocol":"ssh","refusal":"Exceeded MaxStartups"}`, ""},
	{"other lines", "", "Exceeded all\r\n", "", ""},
	{"RTSP after GET", get, "RTSP/1.0 400 Bad Request\r\nServer: GStreamer RTSP server\r\n\r\n", `{"protocol":"rtsp","product":"GStreamer RTSP server"}`, ""},
	{"RTSP of another kind", get, "RTSP/3.0 400 Bad Request\r\n\r\n", "", ""},
	{"Postfix", "", "220 mail.test ESMTP Postfix (Debian/GNU)\r\n", `{"protocol":"smtp","product":"mail.test ESMTP Postfix (Debian/GNU)"}`, ""},
	{"SMTP that refuses", "", "554 no SMTP service here\r\n", `{"protocol":"smtp","refusal":"no SMTP service here","refusal_code":"554"}`, ""},
	{"FTP in lines", "", "220-Welcome\r\n220 (vsFTPd 3.0.3)\r\n", `{"protocol":"ftp","product":"Welcome (vsFTPd 3.0.3)"}`, ""},
	{"220 alone", "", "220 ready\r\n", `{"protocol":"smtp or ftp","product":"ready"}`, "ehlo"},
	{"220 of another kind", "", "220x\r\n", "", ""},
	{"Dovecot POP3", "", "+OK Dovecot (Debian) ready.\r\n", `{"protocol":"pop3","product":"Dovecot (Debian) ready."}`, ""},
	{"Redis' OK", "PING\r\n", "+OK\r\n", "", ""},
	{"Dovecot IMAP", "", "* OK [CAPABILITY IMAP4rev1 LOGIN-REFERRALS] Dovecot ready.\r\n", `{"protocol":"imap","product":"Dovecot ready."}`, ""},
	{"IMAP that ends", "", "* BYE too many connections\r\n", `{"protocol":"imap","refusal":"too many connections"}`, ""},
	{"NATS", "", `INFO {"server_id":"N","version":"2.10.4","proto":1,"auth_required":true,"tls_available":true} ` + "\r\n", `{"protocol":"nats","product":"NATS","version":"2.10.4","auth":"required","offers":["tls"]}`, ""},
	{"NATS that is broken", "", "INFO {\"version\":7}\r\n", `{"protocol":"nats","product":"NATS"}`, ""},
	{"VNC", "", "RFB 003.008\n", `{"protocol":"vnc","version":"003.008"}`, ""},
	{"rsync", "", "@RSYNCD: 31.0 sha512 md5\n", `{"protocol":"rsync","version":"31.0 sha512 md5"}`, ""},
	{"Telnet", "", "\xff\xfd\x18\xff\xfd\x20", `{"protocol":"telnet"}`, ""},
	{"echo", get, get, `{"protocol":"echo"}`, ""},
	{"half an echo", get, get[:9], "", ""},

	{"MySQL", "", samples.MySQL8, `{"protocol":"mysql","product":"MySQL","version":"8.0.36","auth":"caching_sha2_password","offers":["tls"]}`, ""},
	{"MariaDB", get, samples.MariaDB, `{"protocol":"mysql","product":"MariaDB","version":"10.11.6-MariaDB-0+deb12u1","auth":"mysql_native_password"}`, ""},
	{"MySQL that refuses", "", samples.MySQLDenied, `{"protocol":"mysql","product":"MySQL","refusal":"Host '172.17.0.1' is not allowed to connect to this MySQL server","refusal_code":"1130"}`, ""},
	{"MySQL cut off", "", samples.MySQL8[:40], "", ""},

	{"N proves nothing", PostgresSSLRequest, "N", "", ""},
	{"S proves nothing", PostgresSSLRequest, "S", "", ""},
	{"an error without a code", string(PostgresStartup("x", "y")), "E\x00\x00\x00\x0cSFATAL\x00\x00", "", ""},
	{"an Authentication that there is not", string(PostgresStartup("x", "y")), "R\x00\x00\x00\x08\x00\x00\x00\x63", "", ""},
	{"S to another question", get, "S", "", ""},
	{"PostgreSQL, SCRAM", string(PostgresStartup("x", "y")), samples.PostgresScram, `{"protocol":"postgresql","product":"PostgreSQL","auth":"scram-sha-256"}`, ""},
	{"PostgreSQL, MD5", string(PostgresStartup("x", "y")), "R\x00\x00\x00\x0c\x00\x00\x00\x05abcd", `{"protocol":"postgresql","product":"PostgreSQL","auth":"md5"}`, ""},
	{"PostgreSQL, no such role", string(PostgresStartup("x", "y")), samples.PostgresNoRole, `{"protocol":"postgresql","product":"PostgreSQL","refusal":"role \"x\" does not exist","refusal_code":"28000"}`, ""},
	{"PostgreSQL, let in", string(PostgresStartup("x", "y")), samples.PostgresIn, `{"protocol":"postgresql","product":"PostgreSQL","version":"15.18","auth":"none"}`, ""},
	{"PostgreSQL, full, old", PostgresSSLRequest, "EFATAL:  sorry, too many clients already\n\x00", `{"protocol":"postgresql","product":"PostgreSQL","refusal":"FATAL:  sorry, too many clients already"}`, ""},

	{"Redis", "PING\r\n", "+PONG\r\n", `{"protocol":"redis","auth":"none"}`, ""},
	{"Redis with a password", "PING\r\n", "-NOAUTH Authentication required.\r\n", `{"protocol":"redis","auth":"required"}`, ""},
	{"Redis, protected", "PING\r\n", "-DENIED Redis is running in protected mode\r\n", `{"protocol":"redis","refusal":"Redis is running in protected mode","refusal_code":"DENIED"}`, ""},
	{"Redis after GET", get, "-ERR wrong number of arguments for 'get' command\r\n", `{"protocol":"redis","refusal":"wrong number of arguments for 'get' command","refusal_code":"ERR"}`, "redis"},
	{"memcached", MemcachedHello, "VERSION 1.6.18\r\n", `{"protocol":"memcached","product":"memcached","version":"1.6.18","auth":"none"}`, ""},
	{"memcached after another", get, "ERROR\r\nERROR\r\n", `{"protocol":"memcached"}`, "memcached"},

	{"HTTP", get, samples.HTTPPage, `{"protocol":"http","product":"nginx","version":"1.22.1","http":{"version":"1.1","path":"/","status":404,"reason":"Not Found","server":"nginx/1.22.1","content_type":"text/plain","body":"hello"}}`, ""},
	{"HTTP, chunks", get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", `{"protocol":"http","http":{"version":"1.1","path":"/","status":200,"reason":"OK","body":"hi"}}`, ""},
	{"HTTP, head cut off", get, "HTTP/1.1 200 OK\r\nServer: x", `{"protocol":"http","http":{"version":"1.1","path":"/","status":200,"reason":"OK"}}`, ""},
	{"HTTP, leads on", get, "HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n", `{"protocol":"http","http":{"version":"1.1","path":"/","status":302,"reason":"Found","location":"/login"}}`, ""},
	{"HTTP of a WebSocket", get, "HTTP/1.1 426 Upgrade Required\r\nUpgrade: WebSocket\r\nContent-Length: 0\r\n\r\n", `{"protocol":"http","offers":["websocket"],"http":{"version":"1.1","path":"/","status":426,"reason":"Upgrade Required"}}`, ""},
	{"HTTP that wants TLS", get, samples.HTTPSWanted, `{"protocol":"http","http":{"version":"1.0","path":"/","status":400,"reason":"Bad Request","body":"Client sent an HTTP request to an HTTPS server.\\n"}}`, "tls"},
	{"no HTTP", get, "HTTP/1.x\r\n\r\n", "", ""},
	{"HTTP for a terminal", get, "HTTP/1.1 200 \x1b[31mOK\r\nServer: \x1b]0;x\x07\r\nContent-Length: 4\r\n\r\n\x1b[2J", `{"protocol":"http","failure":"bad_answer","http":{"version":"1.1","path":"/","status":200,"problem":"malformed MIME header line: \"Server: \\x1b]0;x\\a\"","reason":"?[31mOK"}}`, ""},
	{"TLS alert", get, "\x15\x03\x01\x00\x02\x02\x46", `{"protocol":"tls"}`, "tls"},
	{"no TLS alert", get, "\x15\x03\x01\x00\x03\x02\x46", "", ""},
	{"HTTP/2", get, samples.H2Settings, `{"protocol":"h2","http":{"version":"2","path":"","status":0}}`, "h2"},

	{"RabbitMQ", AMQPHello, samples.Rabbit, `{"protocol":"amqp","product":"RabbitMQ","version":"3.10.8","auth":"amqplain plain"}`, ""},
	{"AMQP of another version", AMQPHello, "AMQP\x00\x01\x00\x00", `{"protocol":"amqp","version":"1.0.0"}`, ""},
	{"AMQP cut off", AMQPHello, samples.Rabbit[:30], `{"protocol":"amqp"}`, ""},
	{"Kafka", KafkaHello, samples.KafkaVersions, `{"protocol":"kafka","product":"Kafka"}`, ""},
	{"Kafka, unasked", get, samples.KafkaVersions, "", ""},
	{"DNS over TCP", DNSOverTCP, "\x00\x37" + samples.Dnsmasq, `{"protocol":"dns","product":"dnsmasq","version":"2.90"}`, ""},
	{"DNS that refuses", DNSOverTCP, "\x00\x1e" + samples.DNSRefused, `{"protocol":"dns","refusal":"refused","refusal_code":"5"}`, ""},
	{"MongoDB", string(MongoHello()), samples.MongoReply("\x08isWritablePrimary\x00\x01\x10maxWireVersion\x00\x15\x00\x00\x00\x01ok\x00\x00\x00\x00\x00\x00\x00\xf0\x3f"), `{"protocol":"mongodb","product":"MongoDB"}`, ""},
	{"MongoDB's version", string(MongoBuildInfo()), samples.MongoReply("\x02version\x00\x06\x00\x00\x007.0.5\x00\x04array\x00\x05\x00\x00\x00\x00\x01ok\x00\x00\x00\x00\x00\x00\x00\xf0\x3f"), `{"protocol":"mongodb","product":"MongoDB","version":"7.0.5"}`, ""},
	{"MongoDB that refuses", string(MongoHello()), samples.MongoReply("\x01ok\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02errmsg\x00\x05\x00\x00\x00nope\x00\x02codeName\x00\x0d\x00\x00\x00Unauthorized\x00"), `{"protocol":"mongodb","product":"MongoDB","refusal":"nope","refusal_code":"Unauthorized"}`, ""},

	{"chatter", "", "Welcome to the machine\r\n", "", ""},
	{"zeros", get, strings.Repeat("\x00", 64), "", ""},
	{"random", get, "\x93\x01\xff\x00\x17\xee\x03\x02", "", ""},
}

func TestReaders(t *testing.T) {
	for _, c := range readerCases {
		t.Run(c.name, func(t *testing.T) {
			r := Reply{Data: []byte(c.data), Final: true}
			if c.sent != "" {
				r.Sent = []byte(c.sent)
			}
			a, more := Recognise(r)
			if more {
				t.Error("it wants more of what has ended")
			}
			if c.want == "" {
				if a != nil {
					t.Errorf("got %+v", a)
				}
				return
			}
			if a == nil {
				t.Fatal("it was not recognised")
			}
			if a.FirstBytes != QuoteBytes([]byte(c.data), 64) {
				t.Errorf("first bytes %s", a.FirstBytes)
			}
			a.FirstBytes = ""
			got, err := json.Marshal(a)
			if err != nil || string(got) != c.want || a.Next != c.next {
				t.Errorf("got  %s, then %q\nwant %s, then %q", got, a.Next, c.want, c.next)
			}
		})
	}
}

// TestReadersByteByByte shows that what comes in pieces is never taken for
// something else, and is known in the end.
func TestReadersByteByByte(t *testing.T) {
	for _, c := range readerCases {
		t.Run(c.name, func(t *testing.T) {
			protocol := ""
			for i := 1; i <= len(c.data); i++ {
				a, more := Recognise(Reply{Sent: []byte(c.sent), Data: []byte(c.data[:i]), Final: i == len(c.data)})
				if a != nil {
					if protocol != "" && a.Protocol != protocol {
						t.Fatalf("%s after %d bytes, %s before", a.Protocol, i, protocol)
					}
					protocol = a.Protocol
				}
				if !more {
					break
				}
			}
			want := struct {
				Protocol string `json:"protocol"`
			}{}
			if c.want != "" {
				if err := json.Unmarshal([]byte(c.want), &want); err != nil {
					t.Fatal(err)
				}
			}
			// A sent of "" is nothing sent; an echo of nothing does not exist.
			if protocol != want.Protocol {
				t.Errorf("got %q, want %q", protocol, want.Protocol)
			}
		})
	}
}

// FuzzReaders gives every reader anything, after every question.
func FuzzReaders(f *testing.F) {
	for _, c := range readerCases {
		f.Add([]byte(c.sent), []byte(c.data), true)
	}
	questions := [][]byte{nil, []byte(get), []byte(RedisHello), []byte(PostgresSSLRequest), PostgresStartup("x", "y"), []byte(MemcachedHello),
		[]byte(DNSOverTCP), MongoHello(), MongoBuildInfo(), []byte(AMQPHello), []byte(KafkaHello)}
	f.Fuzz(func(t *testing.T, sent, data []byte, final bool) {
		if len(data) == 0 {
			return
		}
		for _, q := range append(questions, sent) {
			a, more := Recognise(Reply{Sent: q, Data: data, Final: final})
			if final && more {
				t.Errorf("%q, %q: it wants more of what has ended", q, data)
			}
			if a != nil {
				check(t, a)
			}
		}
		ReadRedisBulk(Reply{Data: data, Final: final})
		check(t, ReadDatagram(data))
	})
}

// check holds what every answer must be: bounded, and harmless for a terminal.
func check(t *testing.T, a *Answer) {
	t.Helper()
	texts := []string{a.Protocol, a.Product, a.Version, a.Auth, a.Refusal, a.RefusalCode, a.FirstBytes}
	if a.HTTP != nil {
		texts = append(texts, a.HTTP.Version, a.HTTP.Path, a.HTTP.Reason, a.HTTP.Server, a.HTTP.ContentType, a.HTTP.Location, a.HTTP.Body)
	}
	for _, s := range texts {
		if utf8.RuneCountInString(s) > 2*maxText+100 || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }) {
			t.Errorf("not fit to be printed: %q", s)
		}
	}
}

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		" a b ": "a b", "a\x1b[2Jb": "a?[2Jb", "a\u0085b\u202eb": "a?b?b", "\xff\xfe": "??", "日本": "日本",
		strings.Repeat("x", 1000): strings.Repeat("x", maxText) + "…",
	} {
		if got := Plain(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := QuoteBytes([]byte("a\"\r\n\x00\x1b\xff日"), 64); got != `a"\r\n\x00\x1b\xff\u65e5` {
		t.Error(got)
	}
	if got := QuoteBytes([]byte(strings.Repeat("a", 100)), 64); got != strings.Repeat("a", 64)+"…" {
		t.Error(got)
	}
}

// TestSSHBehindLines is a server that sends other lines first. It is known once
// its own has come: until then they may be any server's.
func TestSSHBehindLines(t *testing.T) {
	lines := "Welcome\r\nto the jungle\r\n"
	if a, more := Recognise(Reply{Data: []byte(lines)}); a != nil || more {
		t.Errorf("%+v %v", a, more)
	}
	a, _ := Recognise(Reply{Data: []byte(lines + "SSH-2.0-OpenSSH_9.6\r\n")})
	if a == nil || a.Protocol != "ssh" || a.Version != "9.6" {
		t.Errorf("%+v", a)
	}
}
