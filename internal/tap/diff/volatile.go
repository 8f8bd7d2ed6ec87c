package diff

import (
	"slices"
	"time"
)

// What is known to differ from run to run. Names are compared without case. Of what is
// listed, the presence is compared and the value is not.

// volatileHeaders are fields of headers and trailers. All lists are sorted.
var volatileHeaders = [...]string{
	"age", "authorization", "b3", "csrf-token", "date", "etag", "expires", "if-match", "if-modified-since", "if-none-match",
	"keep-alive", "last-modified", "proxy-authorization", "request-id", "sec-websocket-accept", "sec-websocket-key", "server-timing",
	"traceparent", "tracestate", "uber-trace-id", "x-amzn-requestid", "x-amzn-trace-id", "x-b3-parentspanid", "x-b3-spanid", "x-b3-traceid",
	"x-cloud-trace-context", "x-correlation-id", "x-csrf-token", "x-forwarded-for", "x-process-time", "x-request-id", "x-request-start",
	"x-response-time", "x-runtime", "x-trace-id", "x-xsrf-token",
}

// volatileNames are parameters of queries and forms, and keys of JSON, without dashes,
// dots and underscores.
var volatileNames = [...]string{
	"accesstoken", "authenticitytoken", "correlationid", "csrf", "csrfmiddlewaretoken", "csrftoken", "durationms", "elapsed", "elapsedms",
	"idtoken", "nonce", "pid", "refreshtoken", "requestid", "requesttoken", "sessionid", "sessiontoken", "spanid", "timestamp", "traceid",
	"uptime", "xsrftoken",
}

// volatileDetails are details of exchanges ([decode.Exchange.Details]).
var volatileDetails = [...]string{
	"cas", "cursor", "frames", "key", "portal", "process", "reply", "resumed", "sec-websocket-accept", "session ticket", "sid",
	"statement", "thread", "txnnumber", "value cas",
}

// resultDetails are details that count what was answered: they are not told where the
// answer itself differs.
var resultDetails = [...]string{"affected", "columns", "copied out", "documents", "hits", "rows"}

// sessionDetails are details that stand in requests where the begin of their session was
// seen, as does the version of the protocol: that one recording lacks them tells when it
// began, and not what was done.
var sessionDetails = [...]string{"database", "server version", "user"}

// setUp are methods that prepare others, after their protocol. Programs send them once for
// each connection, and how many connections a pool opens differs from run to run. Sessions
// ([decode.KindSession]) belong to them too.
var setUp = [...]string{
	"mysql close", "mysql deallocate", "mysql prepare", "mysql reset",
	"postgresql bind", "postgresql close", "postgresql deallocate", "postgresql describe", "postgresql prepare",
}

// perConnection are methods with which programs begin a connection, or keep it open.
var perConnection = [...]string{
	"mongodb buildinfo", "mongodb hello", "mongodb ismaster", "mongodb ping",
	"mqtt ping", "mqtt pingreq",
	"mysql ping", "mysql reset connection", "mysql set", "mysql set option", "mysql show", "mysql use",
	"nats ping", "nats pong",
	"postgresql discard", "postgresql set", "postgresql show",
	"redis auth", "redis client", "redis command", "redis hello", "redis info", "redis ping", "redis select",
}

// in reports whether a sorted list has a word.
func in(list []string, word string) bool {
	_, ok := slices.BinarySearch(list, word)
	return ok
}

// endOfRun is how long before a recording's end a request may have been sent whose answer
// is not missed.
const endOfRun = time.Second

// isVolatileName reports whether a key or a parameter is one of [volatileNames].
func isVolatileName(name string) bool {
	var buf [32]byte // longer than all of them
	b := buf[:0]
	for i := range len(name) {
		c := name[i]
		switch {
		case c == '-' || c == '_' || c == '.':
			continue
		case len(b) == len(buf):
			return false
		case c >= 'A' && c <= 'Z':
			c |= 0x20
		}
		b = append(b, c)
	}
	return in(volatileNames[:], string(b))
}
