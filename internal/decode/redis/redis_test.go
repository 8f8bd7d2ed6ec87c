package redis_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"lodge/internal/decode"
	"lodge/internal/decode/redis"
)

// segment is what one side sent at once: "> " and the bytes of the client, "< "
// and those of the server, "! " a gap of the server's, "? " one of the client's.
type segment string

// lines splits text with \n into CRLF lines.
func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

// cmd returns a command as clients send it.
func cmd(words ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	return b.String()
}

// play runs a decoder, with pieces of at most size bytes.
func play(o decode.Options, size int, segments ...segment) (xs []*decode.Exchange, lost map[decode.LossReason]int64) {
	lost = map[decode.LossReason]int64{}
	c := decode.NewConn(o, func(e *decode.Exchange) { xs = append(xs, e) }, func(l decode.Loss) { lost[l.Reason] += l.Bytes })
	d := redis.Protocol().New(c)
	at := time.Unix(1000, 0)
	for _, s := range segments {
		at = at.Add(time.Millisecond)
		side, b := decode.Client, []byte(s[2:])
		switch s[0] {
		case '<':
			side = decode.Server
		case '!', '?':
			var n int64
			fmt.Sscan(string(b), &n)
			if s[0] == '!' {
				side = decode.Server
			}
			d.Gap(side, at, n)
			continue
		case '~':
			at = at.Add(time.Second)
			continue
		}
		for len(b) > 0 {
			n := min(size, len(b))
			d.Data(side, at, b[:n])
			b = b[n:]
		}
	}
	d.End(decode.Client, at, decode.Closed)
	d.End(decode.Server, at, decode.Closed)
	return xs, lost
}

func options() decode.Options { return decode.Options{Limits: decode.DefaultLimits()} }

// short is an exchange in one line.
func short(e *decode.Exchange) string {
	s := fmt.Sprintf("%s [%s] → %s", e.Method, e.Target, e.Status)
	if e.Kind == decode.KindMessage {
		s = fmt.Sprintf("%s: %s [%s]", e.From, e.Method, e.Target)
	}
	for _, m := range []*decode.Message{&e.Request, &e.Response} {
		if len(m.Body) > 0 {
			s += fmt.Sprintf(" {%s}", m.Body)
		}
		if m.Incomplete {
			s += " incomplete"
		}
	}
	if e.Failed {
		s += " failed"
	}
	for _, d := range e.Details {
		s += fmt.Sprintf(" %s=%s", d.Name, d.Value)
	}
	for _, u := range e.Unknown {
		s += " (" + u + ")"
	}
	return s
}

func TestExchanges(t *testing.T) {
	for _, c := range []struct {
		name     string
		mid      bool
		segments []segment
		want     []string
		lost     map[decode.LossReason]int64
	}{
		{name: "get", segments: []segment{
			segment("> " + cmd("get", "user:1")), segment(crlf("< $3\nfoo\n")),
			segment("> " + cmd("GET", "none")), segment(crlf("< $-1\n")),
			segment("> " + cmd("lpush", "user:1", "x")), segment(crlf("< -WRONGTYPE Operation against a key holding the wrong kind of value\n")),
		}, want: []string{
			"GET [user:1] → string {foo}",
			"GET [none] → nil",
			"LPUSH [user:1 x] → WRONGTYPE Operation against a key holding the wrong kind of value {x} {WRONGTYPE Operation against a key holding the wrong kind of value} failed",
		}},
		{name: "pipeline", segments: []segment{
			segment("> " + cmd("SET", "a", "1 2") + cmd("INCR", "n") + cmd("LRANGE", "l", "0", "-1") + "PING\r\n"),
			segment(crlf("< +OK\n:7\n*3\n$1\nx\n:2\n*1\n$-1\n+PONG\n")),
		}, want: []string{
			`SET [a "1 2"] → OK {1 2} {OK}`,
			"INCR [n] → 7 {7}",
			"LRANGE [l 0 -1] → array 3 {0\n-1} {[\"x\",2,[null]]}",
			"PING [] → PONG {PONG}",
		}},
		{name: "transaction", segments: []segment{
			segment("> " + cmd("MULTI") + cmd("SET", "k", "v") + cmd("FOO") + cmd("LRANGE", "l", "0", "1") + cmd("EXEC")),
			segment(crlf("< +OK\n+QUEUED\n-ERR unknown command\n+QUEUED\n*2\n-WRONGTYPE x\n*2\n$1\na\n$1\nb\n")),
			segment("> " + cmd("MULTI") + cmd("SET", "k", "v") + cmd("EXEC")),
			segment(crlf("< +OK\n+QUEUED\n*-1\n")),
			segment("> " + cmd("MULTI") + cmd("SET", "k", "v") + cmd("DISCARD")),
			segment(crlf("< +OK\n+QUEUED\n+OK\n")),
			segment("> " + cmd("MULTI") + cmd("SET", "k", "v")), segment(crlf("< +OK\n+QUEUED\n")),
		}, want: []string{
			"MULTI [] → OK {OK}",
			"FOO [] → ERR unknown command {ERR unknown command} failed",
			"SET [k v] → WRONGTYPE x {v} {WRONGTYPE x} failed transaction=executed",
			`LRANGE [l 0 1] → array 2 {0` + "\n" + `1} {["a","b"]} transaction=executed`,
			"EXEC [] → array 2",
			"MULTI [] → OK {OK}",
			"SET [k v] → QUEUED {v} transaction=aborted",
			"EXEC [] → nil",
			"MULTI [] → OK {OK}",
			"DISCARD [] → OK {OK}",
			"SET [k v] → QUEUED {v} transaction=discarded",
			"MULTI [] → OK {OK}",
			"SET [k v] → QUEUED {v} incomplete",
		}},
		{name: "subscriber", segments: []segment{
			segment("> " + cmd("SUBSCRIBE", "a", "b") + cmd("PSUBSCRIBE", "n*")),
			segment(crlf("< *3\n$9\nsubscribe\n$1\na\n:1\n*3\n$9\nsubscribe\n$1\nb\n:2\n*3\n$10\npsubscribe\n$2\nn*\n:3\n")),
			segment(crlf("< *3\n$7\nmessage\n$1\na\n$5\nhello\n*4\n$8\npmessage\n$2\nn*\n$3\nn.1\n$1\n!\n")),
			segment("> " + cmd("PING")), segment(crlf("< *2\n$4\npong\n$0\n\n")),
			segment("> " + cmd("UNSUBSCRIBE") + cmd("PUNSUBSCRIBE", "n*") + cmd("GET", "k")),
			segment(crlf("< *3\n$11\nunsubscribe\n$1\na\n:2\n*3\n$11\nunsubscribe\n$1\nb\n:1\n*3\n$12\npunsubscribe\n$2\nn*\n:0\n$1\nv\n")),
		}, want: []string{
			"SUBSCRIBE [a b] → subscribe 2 {b} {[\"subscribe\",\"a\",1]\n[\"subscribe\",\"b\",2]}",
			"PSUBSCRIBE [n*] → psubscribe 3 {[\"psubscribe\",\"n*\",3]}",
			"server: message [a] {hello}",
			"server: pmessage [n* n.1] {!}",
			`PING [] → array 2 {["pong",""]}`,
			"UNSUBSCRIBE [] → unsubscribe 1 {[\"unsubscribe\",\"a\",2]\n[\"unsubscribe\",\"b\",1]}",
			"PUNSUBSCRIBE [n*] → punsubscribe 0 {[\"punsubscribe\",\"n*\",0]}",
			"GET [k] → string {v}",
		}},
		{name: "resp3", segments: []segment{
			segment("> " + cmd("HELLO", "3", "AUTH", "default", "hunter2", "SETNAME", "me")),
			segment(crlf("< %2\n$6\nserver\n$5\nredis\n$5\nproto\n:3\n")),
			segment("> " + cmd("SUBSCRIBE", "c") + cmd("HGETALL", "h")),
			segment(crlf("< >3\n$9\nsubscribe\n$1\nc\n:1\n>3\n$7\nmessage\n$1\nc\n$2\nhi\n|1\n+ttl\n:3600\n%1\n$1\nf\n,1.5\n>2\n$10\ninvalidate\n*1\n$1\nh\n")),
			segment("> " + cmd("X") + cmd("X") + cmd("X") + cmd("X") + cmd("X") + cmd("X") + cmd("X") + cmd("X")),
			segment(crlf("< #t\n_\n(123456789012345678901\n=8\ntxt:Some\n~2\n:1\n#f\n!9\nERR worse\n$?\n;4\nabcd\n;1\ne\n;0\n*?\n:1\n%?\n+a\n_\n.\n.\n")),
		}, want: []string{
			"HELLO [3 AUTH default ••• SETNAME me] → map 2 {AUTH\ndefault\n•••\nSETNAME\nme} {{\"server\":\"redis\",\"proto\":3}}",
			`SUBSCRIBE [c] → subscribe 1 {["subscribe","c",1]}`,
			"server: message [c] {hi}",
			`HGETALL [h] → map 1 {{"f":1.5}} attributes={"ttl":3600}`,
			`server: invalidate [["invalidate",["h"]]] {["invalidate",["h"]]}`,
			"X [] → true {t}",
			"X [] → nil",
			"X [] → 123456789012345678901 {123456789012345678901}",
			"X [] → string {Some}",
			"X [] → set 2 {[1,false]}",
			"X [] → ERR worse {ERR worse} failed",
			"X [] → string {abcde}",
			`X [] → array 2 {[1,{"a":null}]}`,
		}},
		{name: "client reply", segments: []segment{
			segment("> " + cmd("CLIENT", "REPLY", "SKIP") + cmd("SET", "a", "1") + cmd("GET", "a") + cmd("client", "reply", "off") + cmd("SET", "a", "2") + cmd("CLIENT", "REPLY", "ON")),
			segment(crlf("< $1\n1\n+OK\n")),
		}, want: []string{
			"client: CLIENT REPLY [SKIP] {SKIP}",
			"client: SET [a 1] {1}",
			"client: CLIENT REPLY [off] {off}",
			"client: SET [a 2] {2}",
			"GET [a] → string {1}",
			"CLIENT REPLY [ON] → OK {ON} {OK}",
		}},
		{name: "monitor", segments: []segment{
			"> MONITOR\r\n", "< +OK\r\n", "< +1339518083.107412 [0 127.0.0.1:60866] \"config\" \"set\" \"requirepass\" \"secret\"\r\n",
			"< +1339518087.877697 [0 unix:/x] \"get\" \"a\\r\\n\\\"\\x00\"\r\n",
		}, want: []string{
			"MONITOR [] → OK {OK}",
			"server: monitor [[0 127.0.0.1:60866] CONFIG SET requirepass •••]",
			`server: monitor [[0 unix:/x] GET "a\r\n\"\x00"]`,
		}},
		{name: "secrets", segments: []segment{
			segment("> " + cmd("AUTH", "hunter2") + cmd("auth", "me", "hunter2") + cmd("ACL", "SETUSER", "bob", "on", ">pw", "~*", "#abc") +
				cmd("CONFIG", "SET", "maxmemory", "1", "requirepass", "pw") + cmd("MIGRATE", "h", "1", "", "0", "5", "AUTH2", "u", "pw", "KEYS", "k") +
				cmd("CONFIG", "GET", "*") + cmd("ACL", "LIST") + cmd("ACL", "GETUSER", "bob") + cmd("ACL", "GENPASS") + "AUTH \"pw\"\r\n"),
			segment(crlf("< +OK\n+OK\n+OK\n+OK\n+NOKEY\n*4\n$11\nrequirepass\n$2\npw\n$4\nport\n$4\n6379\n*1\n$25\nuser bob on #0123abcd ~* \n*4\n$5\nflags\n*1\n$2\non\n$9\npasswords\n*1\n$4\n0abc\n$4\nabcd\n-WRONGPASS x\n")),
		}, want: []string{
			"AUTH [•••] → OK {OK}",
			"AUTH [me •••] → OK {•••} {OK}",
			"ACL SETUSER [bob on ••• ~* •••] → OK {bob\non\n•••\n~*\n•••} {OK}",
			"CONFIG SET [maxmemory 1 requirepass •••] → OK {maxmemory\n1\nrequirepass\n•••} {OK}",
			`MIGRATE [h 1 "" 0 5 AUTH2 u ••• KEYS k] → NOKEY {1` + "\n0\n5\nAUTH2\nu\n•••\nKEYS\nk} {NOKEY}",
			`CONFIG GET [*] → array 4 {*} {["requirepass","•••","port","6379"]}`,
			`ACL LIST [] → array 1 {["user bob on #••• ~* "]}`,
			`ACL GETUSER [bob] → array 4 {bob} {["flags",["on"],"passwords",["•••"]]}`,
			"ACL GENPASS [] → string {•••}",
			"AUTH [•••] → WRONGPASS x {WRONGPASS x} failed",
		}},
		{name: "replica", segments: []segment{
			segment("> " + cmd("PSYNC", "?", "-1")), segment(crlf("< +FULLRESYNC 1234 7\n") + "\n\n" + "$5\r\nREDIS" + cmd("SELECT", "0") + cmd("SET", "k", "v") + "\n" + cmd("PING")),
			segment("> " + cmd("REPLCONF", "ACK", "12")),
		}, want: []string{
			"PSYNC [? -1] → FULLRESYNC 1234 7 {-1} {FULLRESYNC 1234 7}",
			"server: RDB []",
			"server: SELECT [0] replication=true",
			"server: SET [k v] {v} replication=true",
			"server: PING [] replication=true",
			"client: REPLCONF [ACK 12] {12}",
		}},
		{name: "diskless", segments: []segment{
			segment("> " + cmd("SYNC")), segment("< \n$EOF:" + strings.Repeat("0123456789", 4) + "\r\nREDIS0123" + strings.Repeat("0123456789", 4) + cmd("PING")),
		}, want: []string{
			"SYNC [] → RDB",
			"server: RDB []",
			"server: PING [] replication=true",
		}},
		{name: "unasked", segments: []segment{"< -ERR max number of clients reached\r\n"}, want: []string{
			"server: unasked [ERR max number of clients reached] {ERR max number of clients reached} failed",
		}},
		{name: "midstream", mid: true, segments: []segment{
			"< lue\r\n", segment("> ue\r\n" + cmd("GET", "k")), segment(crlf("< $1\nx\n$1\ny\n")), "~ ",
			segment("> " + cmd("GET", "k")), segment(crlf("< $1\nz\n")),
		}, want: []string{
			"GET [k] → string {x} (earlier commands were not captured: the answer may be that of another one)",
			" [] → string incomplete {y} (its command was not captured)",
			"GET [k] → string {z}",
		}, lost: map[decode.LossReason]int64{decode.LostState: 9}},
		{name: "gap", segments: []segment{
			segment("> " + cmd("SET", "k", "0123456789") + cmd("GET", "k")), segment(crlf("< +OK\n$10\n01")), "! 5", segment(crlf("< 789\n")),
			segment("> " + cmd("GET", "a") + cmd("GET", "b")), segment(crlf("< $10\n01")), "! 100", segment(crlf("< xx\n$1\ny\n")), "~ ",
			segment("> " + cmd("GET", "c")), segment(crlf("< $1\nz\n")), "? 20", segment("> xx\r\n" + cmd("PING")), segment(crlf("< +PONG\n")),
		}, want: []string{
			"SET [k 0123456789] → OK {0123456789} {OK}",
			"GET [k] → string {01}",
			"GET [a] → string {01} incomplete (a part of the answer was not captured)",
			"GET [b] →  incomplete (the answer was not captured)",
			" [] → string incomplete {y} (its command was not captured)",
			"GET [c] → string {z}",
			"PING [] → PONG {PONG} (earlier commands were not captured: the answer may be that of another one)",
		}, lost: map[decode.LossReason]int64{decode.LostGap: 100 + 4 + 20 + 4}},
		{name: "unanswered", segments: []segment{
			segment("> " + cmd("BLPOP", "q", "0") + "*2\r\n$3\r\nGET\r\n$5\r\nab"),
		}, want: []string{
			"BLPOP [q 0] →  {0} incomplete blocking=true",
			"GET [] →  incomplete incomplete",
		}},
		{name: "malformed", segments: []segment{
			segment("> *1\r\n:1\r\n" + cmd("PING")), "< -ERR Protocol error: expected '$', got ':'\r\n",
		}, want: []string{
			"PING [] → ERR Protocol error: expected '$', got ':' {ERR Protocol error: expected '$', got ':'} failed (earlier commands were not captured: the answer may be that of another one)",
		}, lost: map[decode.LossReason]int64{decode.LostMalformed: 8}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.lost == nil {
				c.lost = map[decode.LossReason]int64{}
			}
			for _, size := range []int{1 << 20, 1, 3} {
				o := options()
				o.Midstream = c.mid
				xs, lost := play(o, size, c.segments...)
				var got []string
				for _, e := range xs {
					got = append(got, short(e))
				}
				if !reflect.DeepEqual(got, c.want) {
					t.Errorf("pieces of %d:\ngot\n%s\nwant\n%s", size, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
				}
				if !reflect.DeepEqual(lost, c.lost) {
					t.Errorf("pieces of %d: lost %v, want %v", size, lost, c.lost)
				}
			}
		})
	}
}

func TestSecretsKept(t *testing.T) {
	o := options()
	o.Secrets = true
	xs, _ := play(o, 1<<20, segment("> "+cmd("AUTH", "hunter2")+cmd("CONFIG", "GET", "requirepass")), segment(crlf("< +OK\n*2\n$11\nrequirepass\n$2\npw\n")))
	if got := short(xs[0]); got != "AUTH [hunter2] → OK {OK}" {
		t.Error(got)
	}
	if got := string(xs[1].Response.Body); got != `["requirepass","pw"]` {
		t.Error(got)
	}
}

func TestGroup(t *testing.T) {
	for _, c := range []struct{ words, want string }{
		{"GET user:42", "GET user:{id}"},
		{"MGET a:1 a:2 b:3", "MGET a:{id} b:{id}"},
		{"MSET a:1 x a:2 y", "MSET a:{id}"},
		{"CONFIG GET maxmemory", "CONFIG GET maxmemory"},
		{"BLPOP q1 q2 0", "BLPOP q{id}"},
		{"EVALSHA d41d8cd98f00b204e9800998ecf8427e 1 k:1 v", "EVALSHA {id} k:{id}"},
		{"XREAD COUNT 1 STREAMS s:1 t:1 0 0", "XREAD s:{id} t:{id}"},
		{"PING", "PING"},
		{"CLIENT SETNAME x", "CLIENT SETNAME"},
		{"ZUNIONSTORE d 2 a b", "ZUNIONSTORE d a b"},
		{"AUTH pw", "AUTH"},
	} {
		xs, _ := play(options(), 1<<20, segment("> "+c.words+"\r\n"), "< +OK\r\n")
		if len(xs) != 1 || xs[0].Group != c.want {
			t.Errorf("%s: %q, want %q", c.words, xs[0].Group, c.want)
		}
	}
}

func TestBounds(t *testing.T) {
	big := strings.Repeat("x", 1<<20)
	xs, lost := play(options(), 1000, segment("> "+cmd("SET", "k", big)+cmd("GET", "k")), segment(fmt.Sprintf("< +OK\r\n$%d\r\n%s\r\n", len(big), big)))
	if len(xs) != 2 || len(lost) != 0 {
		t.Fatal(len(xs), lost)
	}
	for i, m := range []decode.Message{xs[0].Request, xs[1].Response} {
		if len(m.Body) != 64<<10 || !m.Truncated || m.BodyBytes != 1<<20 || m.Incomplete {
			t.Error(i, len(m.Body), m.Truncated, m.BodyBytes)
		}
	}
	if got := xs[0].Target; len(got) > 300 || !strings.HasSuffix(got, "… 1048448 bytes") {
		t.Error(got)
	}

	// More commands wait than are remembered: the answers stay with theirs.
	o := options()
	o.Limits.Pending = 2
	xs, lost = play(o, 1<<20, segment("> "+cmd("GET", "a")+cmd("GET", "b")+cmd("GET", "c")), segment(crlf("< $1\na\n$1\nb\n$1\nc\n")))
	if len(xs) != 3 || short(xs[1]) != "GET [b] → string {b}" || short(xs[2]) != "GET [c] → string {c}" || lost[decode.LostState] != 7 {
		t.Error(xs, lost)
	}

	// Depth is bounded.
	_, lost = play(options(), 1<<20, segment("> "+cmd("GET", "a")), segment("< "+strings.Repeat("*1\r\n", 1000)))
	if lost[decode.LostMalformed] == 0 {
		t.Error("deep arrays are not lost")
	}
}

func TestDetect(t *testing.T) {
	for _, c := range []struct {
		client, server string
		mid            bool
		want           decode.Verdict
	}{
		{client: "*1\r\n$4\r\nPING\r\n", want: decode.Yes},
		{client: "*1\r\n$4", want: decode.Maybe},
		{client: "*1\r\n:4\r\n", want: decode.No},
		{client: "GET / HTTP/1.1\r\n", want: decode.No},
		{client: "PING\r\n", want: decode.Maybe},
		{client: "PING\r\n", server: "+PONG\r\n", want: decode.Yes},
		{client: "PING\r\n", server: "PONG\r\n", want: decode.No},
		{client: "GET a\r\n", server: "$1\r\nx\r\n", want: decode.Yes},
		{client: "PSYNC ? -1\r\n", server: "\n", want: decode.Maybe},
		{client: "PSYNC ? -1\r\n", server: "\n\n+FULLRESYNC 12ab 0\r\n", want: decode.Yes},
		{client: "PING x\r\n", server: "+FULLRESYNC 12ab 0\r\n", want: decode.No},
		{client: "get a\r\n", server: "END\r\n", want: decode.No},
		{client: "AUTH x\r\n", server: "+OK logged in\r\n", want: decode.No},
		{server: "+OK POP3\r\n", want: decode.No},
		{server: "-ERR max number of clients reached\r\n", want: decode.Yes},
		{client: "\x16\x03\x01", want: decode.No},
		{client: "lue\r\n*1\r\n$4\r\nPING\r\n", mid: true, want: decode.Yes},
		{client: "lue\r\n", mid: true, want: decode.Maybe},
		{server: "*3\r\n$7\r\nmessage\r\n", mid: true, want: decode.Yes},
		{client: "*3\r\n$7\r\nmessage\r\n", mid: true, want: decode.No},
	} {
		p := &decode.Prefix{Bytes: [2][]byte{[]byte(c.client), []byte(c.server)}, Midstream: c.mid}
		if got := redis.Detect(p); got != c.want {
			t.Errorf("%q %q: %v, want %v", c.client, c.server, got, c.want)
		}
	}
}
