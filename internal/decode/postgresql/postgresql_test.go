package postgresql

import (
	"strings"
	"testing"

	"lodge/internal/decode"
)

func TestSession(t *testing.T) {
	secrets := func(o *decode.Options) { o.Secrets = true }
	run(t, []dialogue{
		{"version 3.2 with a long key", nil, []said{
			c(first(int32(3<<16|2), "user", "u", "_pq_.x", "1", byte(0))),
			s(msg('v', int32(3<<16|2), int32(1), "_pq_.x"), msg('R', int32(0)), msg('K', int32(7), []byte("a key of 32 bytes, which is long")), ready),
		}, []string{"connect|u → AuthenticationOk|authentication=none asked for|negotiated version=3.2|option not supported=_pq_.x|process=7|_pq_.x=1"}},
		{"TLS", nil, []said{c(first(int32(codeSSL))), s([]byte("S")), c([]byte("hello")), s([]byte("hi"))},
			[]string{"SSLRequest| → accepted|SSLRequest=accepted", "tls client hello", "tls server hi"}},
		{"GSSAPI refused, TLS refused, trusted", nil, []said{
			c(first(int32(codeGSS))), s([]byte("N")), c(first(int32(codeSSL))), s([]byte("N")), c(startup), s(ok),
		}, []string{"connect|d → AuthenticationOk|authentication=none asked for|GSSENCRequest=refused|SSLRequest=refused"}},
		{"GSSAPI", nil, []said{c(first(int32(codeGSS))), s([]byte("G")), c([]byte("secret")), s([]byte("x"))},
			[]string{"GSSENCRequest| → accepted|GSSENCRequest=accepted|unknown what follows: it is encrypted with GSSAPI", "lost client unknown: 6", "lost server unknown: 1"}},
		{"password", nil, []said{c(startup), s(msg('R', int32(3))), c(msg('p', "sesame")), s(ok)},
			[]string{"connect|d → AuthenticationOk|authentication=CleartextPassword|password=•••"}},
		{"password, with secrets", secrets, []said{c(startup), s(msg('R', int32(3))), c(msg('p', "sesame")), s(ok)},
			[]string{"connect|d → AuthenticationOk|authentication=CleartextPassword|password=sesame"}},
		{"GSS", nil, []said{c(startup), s(msg('R', int32(7))), c(msg('p', []byte("token"))), s(msg('R', int32(8), []byte("more"))), c(msg('p', []byte("again"))), s(ok)},
			[]string{"connect|d → AuthenticationOk|authentication=GSS|GSSResponse=•••|GSSResponse=•••"}},
		{"other methods", nil, []said{c(startup), s(msg('R', int32(2)), msg('R', int32(6)), msg('R', int32(9)), msg('R', int32(99)), failure("28000", "no"))},
			[]string{"connect|d → 28000 no|authentication=authentication 99|failed"}},
		{"cancel", nil, []said{c(first(int32(codeCancel), int32(7), []byte("\x01\x02\x03\x04")))},
			[]string{"cancel|process 7 → |key=•••|from client"}},
		{"cancel of version 3.2", secrets, []said{c(first(int32(codeCancel), int32(7), []byte("\x01\x02\x03\x04\x05\x06")))},
			[]string{"cancel|process 7 → |key=010203040506|from client"}},
		{"the server ends", nil, opened(s(msg('E', byte('S'), "FATAL", byte('C'), "57P01", byte('M'), "bye", byte(0)))),
			[]string{"error| → 57P01 bye|severity=FATAL|from server|failed"}},
		{"at any time", nil, opened(
			s(msg('N', byte('S'), "NOTICE", byte('C'), "00000", byte('M'), "hear", byte(0)), msg('S', "TimeZone", "UTC"), msg('A', int32(9), "news", "payload"))),
			[]string{`notice| → |sent "NOTICE 00000 hear"|from server`, `parameter|TimeZone → |sent "UTC"|from server`, `notify|news → |process=9|sent "payload"|from server`}},
		{"not a session", nil, []said{c(startup), s([]byte("\x00\x00\x00"))}, []string{
			"connect|d → |incomplete", "lost server malformed: 3"}},
	})
}

func TestExtended(t *testing.T) {
	run(t, []dialogue{
		{"one batch", nil, opened(
			c(parse("", "select $1"), bind("", "", "x"), msg('D', byte('P'), ""), execute("", 0), sync),
			s(msg('1'), msg('2'), one, ready)),
			[]string{`SELECT|select $1 → SELECT 1|$1=x|rows=1|"n\n1\n"`}},
		{"a portal in parts", nil, opened(
			c(parse("s", "select 1"), bind("p", "s"), msg('D', byte('P'), "p"), execute("p", 1), msg('H')),
			s(msg('1'), msg('2'), msg('T', 1, "n", int32(0), 0, int32(23), 4, int32(-1), 0), msg('D', 1, value("1")), msg('s')),
			c(execute("p", 1), sync), s(msg('D', 1, value("2")), msg('C', "SELECT 1"), ready),
			c(msg('C', byte('P'), "p"), msg('C', byte('S'), "s"), sync), s(msg('3'), msg('3'), ready)),
			[]string{`SELECT|select 1 → PortalSuspended|statement=s|portal=p|max rows=1|rows=1|"n\n1\n"`,
				`fetch|select 1 → SELECT 1|statement=s|portal=p|max rows=1|rows=1|"n\n2\n"`,
				`close|select 1 → CloseComplete|statement=s|portal=p`, `close|select 1 → CloseComplete|statement=s`}},
		{"a portal closed after its execution", nil, opened(
			c(parse("", "select 1"), bind("", ""), execute("", 0), msg('C', byte('P'), ""), sync),
			s(msg('1'), msg('2'), msg('D', 1, value("1")), msg('C', "SELECT 1"), msg('3'), ready)),
			[]string{`SELECT|select 1 → SELECT 1|rows=1|"1\n"`}},
		{"an error, then others until Sync", nil, opened(
			c(parse("a", "select 1"), sync), s(msg('1'), ready),
			c(parse("b", "selec"), bind("", "b"), execute("", 0), bind("", "a"), execute("", 0)),
			s(failure("42601", "syntax")), c(bind("", "a"), execute("", 0)), c(sync), s(ready),
			c(bind("", "a"), execute("", 0), bind("", "b"), execute("", 0), sync),
			s(msg('2'), msg('C', "SELECT 0"), failure("26000", "no b"), ready)),
			[]string{`prepare|select 1 → ParseComplete|statement=a`, `SELEC|selec → 42601 syntax|statement=b|failed`,
				`SELECT|select 1 → not executed: an earlier statement failed|statement=a`,
				`SELECT|select 1 → not executed: an earlier statement failed|statement=a`,
				`SELECT|select 1 → SELECT 0|statement=a|rows=0`,
				`| → 26000 no b|statement=b|failed|unknown its statement "b" was not seen being prepared`}},
		{"a Parse of a known name fails", nil, opened(
			c(parse("a", "select 1"), sync), s(msg('1'), ready),
			c(parse("a", "select 2"), sync), s(failure("42P05", "exists"), ready),
			c(bind("", "a"), execute("", 0), sync), s(msg('2'), msg('C', "SELECT 0"), ready)),
			[]string{`prepare|select 1 → ParseComplete|statement=a`, `prepare|select 2 → 42P05 exists|statement=a|failed`,
				`SELECT|select 1 → SELECT 0|statement=a|rows=0`}},
		{"the commit at Sync fails", nil, opened(
			c(parse("", "insert into t values (1)"), bind("", ""), execute("", 0), sync),
			s(msg('1'), msg('2'), msg('C', "INSERT 0 1"), failure("23503", "deferred"), ready)),
			[]string{`INSERT|insert into t values (1) → 23503 deferred|affected=1|failed`}},
		{"a pipeline", nil, opened(
			c(parse("", "select 1"), bind("", ""), execute("", 0), parse("", "select 2"), bind("", ""), execute("", 0), sync, sync),
			s(msg('1'), msg('2'), msg('C', "SELECT 0"), msg('1'), msg('2'), msg('I'), ready, ready)),
			[]string{`SELECT|select 1 → SELECT 0|rows=0`, `SELECT|select 2 → EmptyQueryResponse`, `sync| → ReadyForQuery`}},
		{"bound, described, not executed", nil, opened(
			c(parse("s", "select 1"), msg('D', byte('S'), "s"), msg('H')), s(msg('1'), msg('t', 0), msg('n')),
			c(bind("p", "s"), msg('D', byte('P'), "p"), sync), s(msg('2'), msg('n'), ready),
			c(msg('D', byte('S'), "s"), sync), s(msg('t', 0), msg('n'), ready)),
			[]string{`prepare|select 1 → ParseComplete|statement=s`, `bind|select 1 → BindComplete|statement=s|portal=p`, `describe|select 1 → NoData|statement=s`}},
		{"binary", nil, opened(
			c(msg('P', "", "select $1, $2", 2, int32(23), int32(0)), msg('B', "", "", 1, 1, 2, value("\x00\x00\x00\x2a"), value("\x01"), 1, 1), execute("", 0), sync),
			s(msg('1'), msg('2'), msg('D', 1, value("\x00\x01")), msg('C', "SELECT 1"), ready)),
			[]string{`SELECT|select $1, $2 → SELECT 1|$1=42|$2=\x01|rows=1|"\\\\x0001\n"`}},
		{"a password as a parameter", nil, opened(
			c(parse("", "update u set password = $2 where id = $1"), bind("", "", "1", "sesame"), execute("", 0), sync),
			s(msg('1'), msg('2'), msg('C', "UPDATE 1"), ready)),
			[]string{`UPDATE|update u set password = $2 where id = $1 → UPDATE 1|$1=1|$2=•••|affected=1`}},
		{"a function call", nil, opened(
			c(msg('F', int32(1598), 1, 0, 1, value("3"), 0)), s(msg('V', value("8")), ready)),
			[]string{`function call|function 1598 → FunctionCallResponse|$1=3|"8"`}},
		{"no answer", nil, opened(c(msg('Q', "select 1; select 2")), s(one)),
			[]string{`SELECT|select 1 → SELECT 1|rows=1|"n\n1\n"|incomplete`, `SELECT|select 2 → |incomplete`}},
	})
}

func TestCopy(t *testing.T) {
	in := msg('G', byte(0), 1, 0)
	run(t, []dialogue{
		{"in, with a Sync that is ignored", nil, opened(
			c(parse("", "copy t from stdin"), bind("", ""), execute("", 0), sync), s(msg('1'), msg('2'), in),
			c(msg('d', []byte("a\n")), sync, msg('d', []byte("b\n")), msg('c'), sync), s(msg('C', "COPY 2"), ready),
			c(msg('Q', "select 1")), s(one, ready)),
			[]string{`COPY|copy t from stdin → COPY 2|affected=2|copy=in, text|copied in=4 bytes in 2 messages|sent "a\nb\n"`,
				`SELECT|select 1 → SELECT 1|rows=1|"n\n1\n"`}},
		{"in, without waiting", nil, opened(
			c(parse("", "copy t from stdin"), bind("", ""), execute("", 0), msg('d', []byte("a\n")), msg('c'), sync),
			s(msg('1'), msg('2'), in, msg('C', "COPY 1"), ready)),
			[]string{`COPY|copy t from stdin → COPY 1|affected=1|copy=in, text|copied in=2 bytes in 1 messages|sent "a\n"`}},
		{"in, given up by the client", nil, opened(
			c(msg('Q', "copy t from stdin")), s(in), c(msg('f', "why not")), s(failure("57014", "given up"), ready)),
			[]string{`COPY|copy t from stdin → 57014 given up|copy=in, text|copy failed=why not|failed`}},
		{"data after the end", nil, opened(
			c(msg('Q', "copy t from stdin")), s(in), c(msg('d', []byte("x"))), s(failure("22P02", "bad"), ready), c(msg('d', []byte("y")), msg('c')),
			c(msg('Q', "select 1")), s(one, ready)),
			[]string{`COPY|copy t from stdin → 22P02 bad|copy=in, text|copied in=1 bytes in 1 messages|sent "x"|failed`,
				`SELECT|select 1 → SELECT 1|rows=1|"n\n1\n"`, "lost client state: 11"}},
		{"both", nil, opened(
			c(msg('Q', "START_REPLICATION 0/0")), s(msg('W', byte(0), 0), msg('d', []byte("w1"))), c(msg('d', []byte("r1")), msg('c')), s(msg('c'), msg('C', "COPY 0"), ready)),
			[]string{`START_REPLICATION|START_REPLICATION 0/0 → |begun`,
				`START_REPLICATION|START_REPLICATION 0/0 → COPY 0|affected=0|copy=both, text|copied in=2 bytes in 1 messages|copied out=2 bytes in 1 messages|sent "r1"|"w1"`}},
	})
}

func TestMidstream(t *testing.T) {
	run(t, []dialogue{
		{"a statement that was prepared before", midstream, []said{c(bind("", "s", "1"), execute("", 0), sync), s(msg('2'), msg('D', 1, value("x")), msg('C', "SELECT 1"), ready)},
			[]string{`| → SELECT 1|statement=s|$1=1|rows=1|"x\n"|unknown its statement "s" was prepared before the recording began`}},
		{"a portal that was bound before", midstream, []said{c(execute("p", 5), sync), s(msg('C', "FETCH 1"), ready)},
			[]string{`| → FETCH 1|portal=p|max rows=5|rows=1|unknown its portal "p" was bound before the recording began`}},
		{"in the middle of a response", midstream, []said{
			s([]byte("ow text"), msg('D', 1, value("2")), msg('C', "SELECT 2"), ready), c(msg('Q', "select 1")), s(one, ready)},
			[]string{`| → SELECT 2|rows=2|"2\n"|unknown its statement was sent before the recording began`, `SELECT|select 1 → SELECT 1|rows=1|"n\n1\n"`, "lost server state: 7"}},
		{"a query while the server answers another", midstream, []said{
			s(msg('D', 1, value("2"))), c(msg('Q', "select 1")), s(msg('C', "SELECT 1"), ready, one, ready), c(msg('Q', "select 3")), s(one, ready)},
			[]string{`SELECT|select 1 → |incomplete|unknown its response cannot be told from those of requests that were not captured`,
				`| → SELECT 1|rows=1|"2\n"|unknown its statement was sent before the recording began`,
				`| → SELECT 1|rows=1|"n\n1\n"|unknown its statement was sent before the recording began`,
				`SELECT|select 3 → SELECT 1|rows=1|"n\n1\n"`}},
		{"in the middle of a copy", midstream, []said{c([]byte("tail\n"), msg('d', []byte("a\n")), msg('d', []byte("b\n")), msg('c')), s(msg('C', "COPY 9"), ready)},
			[]string{`COPY| → COPY 9|affected=9|copied in=4 bytes in 2 messages|sent "a\nb\n"|unknown its statement was sent before the recording began`, "lost client state: 5"}},
		{"a gap in rows", nil, opened(c(msg('Q', "select a")), s(msg('D', 1, value("1")), msg('D', 1, value("2"))[:3]),
			said{by: decode.Server, gap: 100, b: all([]byte("xyz"), msg('D', 1, value("9")), msg('C', "SELECT 20"), ready)}, c(msg('Q', "select 1")), s(one, ready)),
			[]string{`SELECT|select a → SELECT 20|rows=20|"1\n9\n"|unknown part of its response was not captured`, `SELECT|select 1 → SELECT 1|rows=1|"n\n1\n"`, "lost server gap: 106"}},
		{"a gap with the end of a response", nil, opened(c(msg('Q', "select a")), s(msg('D', 1, value("1"))),
			said{by: decode.Server, gap: 100}, c(msg('Q', "select 1")), s(one, ready)),
			[]string{`SELECT|select a → |rows=1|"1\n"|incomplete|unknown part of its response was not captured|unknown the end of its response was not captured`,
				`SELECT|select 1 → SELECT 1|rows=1|"n\n1\n"`, "lost server gap: 100"}},
		{"a gap with a query", nil, opened(c(msg('Q', "select a")), s(one, ready), said{by: decode.Client, gap: 50}, s(one, ready), c(msg('Q', "select 1")), s(one, ready)),
			[]string{`SELECT|select a → SELECT 1|rows=1|"n\n1\n"`, `| → SELECT 1|rows=1|"n\n1\n"|unknown its statement was not captured`, `SELECT|select 1 → SELECT 1|rows=1|"n\n1\n"`, "lost client gap: 50"}},
		{"a gap in the begin", nil, []said{c(startup), {by: decode.Server, gap: 10, b: all(ready)}, c(msg('Q', "select 1")), s(one, ready)},
			[]string{`connect|d → |incomplete|unknown part of it was not captured`, `SELECT|select 1 → SELECT 1|rows=1|"n\n1\n"`, "lost server gap: 10", "lost server state: 6"}},
	})
}

func TestLimits(t *testing.T) {
	small := func(o *decode.Options) {
		o.Limits = decode.Limits{Body: 20, Message: 600, Pending: 3, Statements: 2}
	}
	long := strings.Repeat("x", 1000)
	run(t, []dialogue{
		{"a long statement", small, opened(c(msg('Q', "select '"+long+"'")), s(one, ready)),
			[]string{`SELECT|select '` + strings.Repeat("x", 592) + ` → SELECT 1|rows=1|"n\n1\n"|unknown the end of its text: it is longer than what is held of a message`, "lost client too_long: 410"}},
		{"a long row", small, opened(c(msg('Q', "select a")), s(msg('D', 1, value(long)), msg('C', "SELECT 1"), ready)),
			[]string{`SELECT|select a → SELECT 1|rows=1|"` + long[:20] + `"`}},
		{"a gap in the rest of a long row", small, opened(c(msg('Q', "select a")), s(msg('D', 1, value(long))[:700]),
			said{by: decode.Server, gap: 300, b: all([]byte("xxxxxxxxxxx"), msg('C', "SELECT 1"), ready)}),
			[]string{`SELECT|select a → SELECT 1|rows=1|"` + long[:20] + `"`}},
		{"a long parameter", small, opened(
			c(parse("", "select $1"), bind("", "", long, "z"), execute("", 0), sync), s(msg('1'), msg('2'), msg('C', "SELECT 0"), ready)),
			[]string{`SELECT|select $1 → SELECT 0|$1=` + long[:590] + `… (1000 bytes)|rows=0|unknown parameters: the message is longer than what is held of one`, "lost client too_long: 417"}},
		{"statements", small, opened(
			c(parse("a", "select 1"), parse("b", "select 2"), parse("c", "select 3"), sync), s(msg('1'), msg('1'), msg('1'), ready),
			c(bind("", "a"), execute("", 0), sync), s(msg('2'), msg('C', "SELECT 0"), ready)),
			[]string{`prepare|select 1 → ParseComplete|statement=a`, `prepare|select 2 → ParseComplete|statement=b`, `prepare|select 3 → ParseComplete|statement=c`,
				`| → SELECT 0|statement=a|rows=0|unknown its statement "a" was not seen being prepared`}},
		{"waiting queries", small, opened(
			c(msg('Q', "select 1"), msg('Q', "select 2"), msg('Q', "select 3"), msg('Q', "select 4")), s(one, ready, one, ready, one, ready, one, ready)),
			[]string{`SELECT|select 1 → |incomplete|unknown its response: too many requests are waiting for theirs`,
				`SELECT|select 2 → SELECT 1|rows=1|"n\n1\n"`, `SELECT|select 3 → SELECT 1|rows=1|"n\n1\n"`, `SELECT|select 4 → SELECT 1|rows=1|"n\n1\n"`, "lost server state: 59"}},
	})
}

func TestDetect(t *testing.T) {
	for _, c := range []struct {
		name           string
		client, server string
		midstream      bool
		want           decode.Verdict
	}{
		{"startup", string(startup), "", false, decode.Yes},
		{"part of it", string(startup[:12]), "", false, decode.Maybe},
		{"version 3.2", string(first(int32(3<<16|2), "user", "u", byte(0))), "", false, decode.Yes},
		{"SSLRequest", string(first(int32(codeSSL))), "", false, decode.Yes},
		{"CancelRequest", string(first(int32(codeCancel), int32(1), int32(2))), "", false, decode.Yes},
		{"Kafka's metadata request", "\x00\x00\x00\x1a\x00\x03\x00\x00\x00\x00\x00\x01\x00\x07rdkafka", "", false, decode.No},
		{"HTTP", "GET / HTTP/1.1\r\n", "", false, decode.No},
		{"TLS", "\x16\x03\x01\x02\x00", "", false, decode.No},
		{"the server speaks first", "", "\x4a\x00\x00\x00\x0a", false, decode.No},
		{"nothing", "", "", false, decode.Maybe},
		{"a query", string(msg('Q', "select 1")), "", true, decode.Yes},
		{"the end of a message, and others", "", "xx" + string(msg('C', "SELECT 1")) + string(ready), true, decode.Yes},
		{"a batch", "junk" + string(execute("", 0)) + string(sync), "", true, decode.Yes},
		{"HTTP, midstream", "GET / HTTP/1.1\r\n", "HTTP/1.1 200 OK\r\n", true, decode.Maybe},
	} {
		p := &decode.Prefix{Midstream: c.midstream}
		p.Bytes[decode.Client], p.Bytes[decode.Server] = []byte(c.client), []byte(c.server)
		if got := detect(p); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestBinary(t *testing.T) {
	for _, c := range []struct {
		kind uint32
		v    string
		want string
	}{
		{typeBool, "\x01", "t"},
		{typeInt2, "\xff\xfe", "-2"},
		{26, "\xff\xff\xff\xff", "4294967295"},
		{typeInt8, "\x80\x00\x00\x00\x00\x00\x00\x00", "-9223372036854775808"},
		{typeFloat4, "\x3f\xc0\x00\x00", "1.5"},
		{typeNumeric, "\x00\x00\x00\x00\x00\x00\x00\x02", "0.00"},
		{typeNumeric, "\x00\x02\x00\x01\x40\x00\x00\x00\x00\x01\x00\x02", "-10002"},
		{typeNumeric, "\x00\x01\xff\xfe\x00\x00\x00\x08\x00\x2a", "0.00000042"},
		{typeNumeric, "\x00\x01\x00\x01\x00\x00\x00\x01\x00\x01", "10000.0"},
		{typeNumeric, "\x00\x00\x00\x00\xc0\x00\x00\x00", "NaN"},
		{typeNumeric, "\x00\x00\x00\x00\xf0\x00\x00\x00", "-Infinity"},
		{typeDate, "\x7f\xff\xff\xff", "infinity"},
		{typeDate, "\xff\xff\xff\xff", "1999-12-31"},
		{typeTimestamp, "\x80\x00\x00\x00\x00\x00\x00\x00", "-infinity"},
		{typeTime, "\x00\x00\x00\x00\x00\x00\x00\x01", "00:00:00.000001"},
		{typeInterval, strings.Repeat("\x00", 16), "0s"},
		{typeInet, "\x02\x20\x00\x04\x7f\x00\x00\x01", "127.0.0.1"},
		{typeCidr, "\x03\x80\x01\x10" + strings.Repeat("\x00", 15) + "\x01", "::1/128"},
		{typeJSONB, "\x01{}", "{}"},
		{typeUUID, "short", `\x73686f7274`},
		{1007, "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x17", "{}"},
		{1007, "\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x17\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x04\x00\x00\x00\x07\xff\xff\xff\xff", "{{7,NULL}}"},
		{1007, "\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x17\x7f\xff\xff\xff\x00\x00\x00\x01", `\x0000000100000000000000177fffffff00000001`},
		{99999, "\x00", `\x00`},
	} {
		if got := string(appendBinary(nil, c.kind, []byte(c.v))); got != c.want {
			t.Errorf("type %d, %q: %q, want %q", c.kind, c.v, got, c.want)
		}
	}
}
