package diff

import "time"

// What is known to differ from run to run. Names are compared without case. Of what is
// listed, the presence is compared and the value is not.

// volatileHeaders are fields of headers and trailers.
var volatileHeaders = set(
	"age", "authorization", "b3", "csrf-token", "date", "etag", "expires", "if-match", "if-modified-since", "if-none-match", "keep-alive",
	"last-modified", "proxy-authorization", "request-id", "sec-websocket-accept", "sec-websocket-key", "server-timing", "traceparent",
	"tracestate", "uber-trace-id", "x-amzn-requestid", "x-amzn-trace-id", "x-b3-parentspanid", "x-b3-spanid", "x-b3-traceid",
	"x-cloud-trace-context", "x-correlation-id", "x-csrf-token", "x-forwarded-for", "x-process-time", "x-request-id", "x-request-start",
	"x-response-time", "x-runtime", "x-trace-id", "x-xsrf-token",
)

// volatileNames are parameters of queries and forms, and keys of JSON, without dashes,
// dots and underscores.
var volatileNames = set(
	"accesstoken", "authenticitytoken", "correlationid", "csrf", "csrfmiddlewaretoken", "csrftoken", "durationms", "elapsed", "elapsedms",
	"idtoken", "nonce", "pid", "refreshtoken", "requestid", "requesttoken", "sessionid", "sessiontoken", "spanid", "timestamp", "traceid", "uptime",
	"xsrftoken",
)

// volatileDetails are details of exchanges ([decode.Exchange.Details]).
var volatileDetails = set(
	"cas", "cursor", "frames", "key", "portal", "process", "reply", "resumed", "sec-websocket-accept", "session ticket", "sid", "statement", "thread", "txnnumber",
	"value cas",
)

// resultDetails are details that count what was answered: they are not told where the
// answer itself differs.
var resultDetails = set("affected", "columns", "copied out", "documents", "hits", "rows")

// setUp are methods that prepare others, by protocol. Programs send them once for each
// connection, and how many connections a pool opens differs from run to run. Sessions
// ([decode.KindSession]) belong to them too.
var setUp = map[string]map[string]bool{
	"postgresql": set("prepare", "bind", "describe", "close", "deallocate"),
	"mysql":      set("prepare", "close", "reset", "deallocate"),
}

// perConnection are methods with which programs begin a connection, or keep it open.
var perConnection = map[string]map[string]bool{
	"postgresql": set("set", "show", "discard"),
	"mysql":      set("set", "show", "ping", "set option", "use", "reset connection"),
	"redis":      set("auth", "client", "command", "hello", "info", "ping", "select"),
	"mongodb":    set("hello", "ismaster", "ping", "buildinfo"),
	"mqtt":       set("pingreq", "ping"),
	"nats":       set("ping", "pong"),
}

// endOfRun is how long before a recording's end a request may have been sent whose answer
// is not missed.
const endOfRun = time.Second

func set(names ...string) map[string]bool {
	out := make(map[string]bool, len(names))
	for _, n := range names {
		out[n] = true
	}
	return out
}

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
	return volatileNames[string(b)]
}
