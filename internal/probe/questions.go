package probe

import (
	"context"
	"slices"
	"time"

	"lodge/internal/probe/answer"
)

// exchange is one question on a connection of its own.
type exchange struct {
	name string
	// ask asks it on a new session. It returns the bytes that came, and a nil answer
	// if they say nothing.
	ask func(ctx context.Context, p *prober, s *session) (*answer.Answer, []byte)
}

// furtherFunc adds to an answer by asking more on the same connection.
type furtherFunc func(s *session, a *answer.Answer)

// listenFirst is how long a server may take to speak before it is asked something,
// if neither scheme nor port says that it waits to be asked.
const listenFirst = 100 * time.Millisecond

// exchanges lists every question, those first that more servers understand.
func exchanges() []exchange {
	plainly := func(name, question string, further furtherFunc) exchange {
		return exchange{name, func(_ context.Context, _ *prober, s *session) (*answer.Answer, []byte) {
			return s.ask([]byte(question), further)
		}}
	}
	return []exchange{
		{"http", askHTTP},
		{"tls", askTLS},
		plainly("redis", answer.RedisHello, askRedisInfo),
		{"postgresql", askPostgres},
		plainly("memcached", answer.MemcachedHello, nil),
		{"h2", askH2},
		plainly("dns", answer.DNSOverTCP, nil),
		plainly("mongodb", string(answer.MongoHello()), askMongoVersion),
		plainly("amqp", answer.AMQPHello, nil),
		plainly("kafka", answer.KafkaHello, nil),
		plainly("mqtt", answer.MQTTHello, nil),
	}
}

// serverFirst asks nothing: it listens.
func serverFirst() exchange {
	return exchange{"listen", func(_ context.Context, _ *prober, s *session) (*answer.Answer, []byte) {
		return s.listen(0)
	}}
}

// plan returns the exchanges in the order in which they are tried: what the
// scheme or the port hints at first. All follow, since a port proves nothing.
func plan(scheme string, port uint16) []exchange {
	all := exchanges()
	hint := hinted(scheme)
	if hint == "" {
		hint = usual(port)
	}
	only := hinted(scheme) != "" // a scheme that was given is the only one that is asked
	if hint == "listen" {
		if only {
			return []exchange{serverFirst()}
		}
		return append([]exchange{serverFirst()}, all...)
	}
	if i := slices.IndexFunc(all, func(e exchange) bool { return e.name == hint }); only && i >= 0 {
		if hint == "http" { // HTTP/2 with prior knowledge is HTTP, too
			return []exchange{all[i], all[slices.IndexFunc(all, func(e exchange) bool { return e.name == "h2" })]}
		}
		return all[i : i+1]
	}
	i := slices.IndexFunc(all, func(e exchange) bool { return e.name == hint })
	if i > 0 {
		e := all[i]
		all = slices.Insert(slices.Delete(all, i, i+1), 0, e)
	}
	return all
}

// hinted returns the exchange that a scheme means.
func hinted(scheme string) string {
	switch scheme {
	case "http", "ws":
		return "http"
	case "https", "wss", "tls", "grpcs", "amqps", "rediss":
		return "tls"
	case "h2c", "grpc":
		return "h2"
	case "postgres", "postgresql":
		return "postgresql"
	case "redis", "valkey":
		return "redis"
	case "memcached", "memcache":
		return "memcached"
	case "mqtt":
		return "mqtt"
	case "mqtts":
		return "tls"
	case "mongodb", "amqp", "kafka", "dns":
		return scheme
	case "mysql", "mariadb", "nats", "ssh", "sftp", "ftp", "smtp", "imap", "pop3":
		return "listen"
	}
	return ""
}

// usual returns the exchange that a port hints at, or "".
func usual(port uint16) string {
	switch port {
	case 21, 22, 23, 25, 110, 143, 587, 873, 1025, 2121, 2222, 2525, 3306, 3307, 4222, 5900, 5901, 13306, 33060:
		return "listen"
	case 80, 3000, 3001, 4000, 4200, 5000, 5173, 8000, 8080, 8081, 8888, 9090, 9200:
		return "http"
	case 443, 465, 636, 853, 990, 993, 995, 2376, 4433, 4443, 5671, 6443, 8443, 8883, 9443:
		return "tls"
	case 5432, 5433, 6432, 15432, 26257, 54322:
		return "postgresql"
	case 6379, 6380, 16379, 26379:
		return "redis"
	case 11211:
		return "memcached"
	case 53, 5353, 8600:
		return "dns"
	case 27017, 27018, 27019:
		return "mongodb"
	case 5672:
		return "amqp"
	case 1883:
		return "mqtt"
	case 9092, 9093, 9094, 19092, 29092:
		return "kafka"
	case 50051, 4317, 2379:
		return "h2"
	}
	return ""
}

// printer reports whether a port is one on which printers print whatever comes. Only
// a server of this machine may be asked something there.
func printer(port uint16) bool {
	return port >= 9100 && port <= 9107 || port == 515
}

// ask sends a question and reads the answer. further asks more if the answer was to
// the question; it may be nil.
func (s *session) ask(question []byte, further furtherFunc) (*answer.Answer, []byte) {
	if s.say(question) != nil {
		s.closed = true // the server may have sent why before it closed: that is read below
	}
	a, data := s.hear(question, 0, answer.Recognise)
	return s.complete(a, further), data
}

// listen waits for a server that speaks first, as long as patience; zero is as long as
// the probe lasts.
func (s *session) listen(patience time.Duration) (*answer.Answer, []byte) {
	a, data := s.hear(nil, patience, answer.Recognise)
	return s.complete(a, nil), data
}

// complete asks more on the same connection, if the answer a needs it. It returns a.
func (s *session) complete(a *answer.Answer, further furtherFunc) *answer.Answer {
	switch {
	case a == nil:
	case a.Next == "ehlo":
		askEHLO(s, a)
	case a.Next == "" && further != nil:
		further(s, a)
	}
	return a
}

// askEHLO tells SMTP from FTP if the greeting does not: only SMTP knows EHLO.
func askEHLO(s *session, a *answer.Answer) {
	a.Next = ""
	got := s.further([]byte("EHLO localhost\r\n"), func(r answer.Reply) (*answer.Answer, bool) {
		switch {
		case len(r.Data) < 4:
			return nil, true
		case string(r.Data[:3]) == "250":
			return &answer.Answer{Protocol: "smtp"}, false
		}
		return &answer.Answer{Protocol: "ftp"}, false
	})
	if got != nil {
		a.Protocol = got.Protocol
	}
}

// askRedisInfo asks for the version, if no password is needed.
func askRedisInfo(s *session, a *answer.Answer) {
	if a.Protocol != "redis" || a.Auth != "none" {
		return
	}
	if got := s.further([]byte("INFO server\r\n"), answer.ReadRedisBulk); got != nil {
		a.Product, a.Version = got.Product, got.Version
	}
}

// askMongoVersion asks buildInfo, which needs no user, after hello.
func askMongoVersion(s *session, a *answer.Answer) {
	if a.Protocol != "mongodb" || a.Refusal != "" {
		return
	}
	if got := s.further(answer.MongoBuildInfo(), answer.ReadMongo); got != nil {
		a.Version = got.Version
	}
}
