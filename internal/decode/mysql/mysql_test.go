package mysql

import (
	"bytes"
	"compress/zlib"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/internal/decode"
)

func TestSession(t *testing.T) {
	run(t, []dialogue{
		{"TLS", nil, []said{s(greetingOf(baseCaps | capSSL)), c(pack(1, le(baseCaps|capSSL, 4), "\x00\x00\x00\x01", "\xff", strings.Repeat("\x00", 23)), "hello"), s("hi")},
			[]string{"SSLRequest| → accepted|authentication=caching_sha2_password|server version=8.4.0|connection=7",
				"tls after [{inside mysql} {mysql capabilities 288a09} {server version 8.4.0}]", "tls client hello", "tls server hi"}},
		{"with secrets", func(o *decode.Options) { o.Secrets = true }, opening(baseCaps),
			[]string{"connect|d → OK|authentication=caching_sha2_password|server version=8.4.0|connection=7|password=707721"}},
		{"the old client", func(o *decode.Options) { o.Secrets = true }, []said{s(greetingOf(baseCaps)), c(pack(1, "\x08\x00\x00\x00\x01", "u\x00", "scramble\x00", "d\x00")), s(pack(2, okBody))},
			[]string{"connect|d → OK|authentication=caching_sha2_password|server version=8.4.0|connection=7|password=736372616d626c65"}},
		{"refused at once", nil, []said{s(pack(0, "\xff\x10\x04Too many connections"))},
			[]string{"connect| → Too many connections|failed"}},
		{"only looked at", nil, []said{s(greetingOf(baseCaps))},
			[]string{"connect| → |authentication=caching_sha2_password|server version=8.4.0|connection=7|incomplete"}},
		{"switched, with a further factor", nil, []said{s(greetingOf(baseCaps)), c(loginWith(baseCaps)), s(pack(2, "\xfemysql_clear_password\x00")), c(pack(3, "sesame\x00")),
			s(pack(4, "\x02webauthn\x00data")), c(pack(5, "key")), s(pack(6, okBody))},
			[]string{"connect|d → OK|authentication=mysql_clear_password|server version=8.4.0|connection=7|authentication switched to=mysql_clear_password|next factor=webauthn|password=•••|authentication=•••|authentication=•••"}},
		{"the old password", nil, []said{s(greetingOf(baseCaps)), c(loginWith(baseCaps)), s(pack(2, "\xfe")), c(pack(3, "scramble")), s(pack(4, wrong(1045, "28000", "denied")))},
			[]string{"connect|d → 28000 denied|authentication=mysql_old_password|server version=8.4.0|connection=7|authentication switched to=mysql_old_password|password=•••|authentication=•••|failed"}},
		{"HTTP to MySQL", nil, []said{s(greetingOf(baseCaps)), c(pack(1, "GET"), "more")},
			[]string{"connect| → |authentication=caching_sha2_password|server version=8.4.0|connection=7|incomplete", "lost client malformed: 4"}},
		{"the server ends", nil, with(baseCaps, s(pack(0, wrong(4031, "HY000", "idle")))),
			[]string{"error| → HY000 idle|from server|failed"}},
	})
}

func TestResults(t *testing.T) {
	deprecate := uint64(baseCaps | capDeprecateEOF)
	run(t, []dialogue{
		{"with EOF", nil, with(baseCaps, c(ask("select 1")), s(oneRow("1"))), []string{`SELECT|select 1 → OK|rows=1|"n\n1\n"`}},
		{"without EOF", nil, with(deprecate, c(ask("select 1")), s(numbered("\x01", col("n", 0xfd), "\x011", okAsEOF))), []string{`SELECT|select 1 → OK|rows=1|"n\n1\n"`}},
		{"no rows, without EOF", nil, with(deprecate, c(ask("select 1")), s(numbered("\x01", col("n", 0xfd), okAsEOF))), []string{`SELECT|select 1 → OK|rows=0|"n\n"`}},
		{"an error in the rows", nil, with(baseCaps, c(ask("select 1")), s(numbered("\x01", col("n", 0xfd), eofBody, "\x011", wrong(1317, "70100", "interrupted")))),
			[]string{`SELECT|select 1 → 70100 interrupted|rows=1|"n\n1\n"|failed`}},
		{"progress", nil, with(baseCaps, c(ask("alter table t")), s(numbered("\xff\xff\xff\x01\x01\x02\x00\x00\x00\x04work", okBody))),
			[]string{`ALTER|alter table t → OK`}},
		{"the definitions left out", nil, with(baseCaps|1<<25, c(ask("select 1")), s(numbered("\x01\x00", eofBody, "\x011", eofBody))),
			[]string{`SELECT|select 1 → OK|rows=1|"\n1\n"|unknown columns: they were described before`}},
		{"a file, refused", nil, with(baseCaps, c(ask("load data local infile 'f' into table t")), s(numbered("\xfbf")), c(pack(2, "data"), pack(3, "")), s(pack(4, wrong(1148, "42000", "no")))),
			[]string{`LOAD|load data local infile 'f' into table t → 42000 no|sent=4 bytes|local file=f|sent "data"|failed`}},
		{"several statements", nil, with(baseCaps, c(ask("set a = 1; select 1; selec")), s(numbered("\x00\x00\x00\x0a\x00\x00\x00", "\x01", col("n", 0xfd), eofBody, "\x011", "\xfe\x00\x00\x0a\x00", wrong(1064, "42000", "syntax")))),
			[]string{`SET|set a = 1 → OK`, `SELECT|select 1 → OK|rows=1|"n\n1\n"`, `SELEC|selec → 42000 syntax|failed`}},
		{"a procedure, then a statement", nil, with(baseCaps, c(ask("call p(); select 2")),
			s(numbered("\x01", col("n", 0xfd), eofBody, "\x011", "\xfe\x00\x00\x0a\x00", "\x00\x00\x00\x0a\x00\x00\x00", "\x01", col("m", 0xfd), eofBody, "\x012", eofBody))),
			[]string{`CALL|call p() → OK|rows=1|results=2|"n\n1\n"`, `SELECT|select 2 → OK|rows=1|"m\n2\n"`}},
		{"session state", nil, with(baseCaps|capSessionTrack, c(ask("use x")), s(numbered("\x00\x00\x00\x02\x40\x00\x00\x00\x10\x01\x02\x01x\x02\x02\x011\x04\x02\x01t\x05\x02\x01I"))),
			[]string{`USE|use x → OK|session=database=x|session=state changed=1|session=transaction characteristics=t|session=transaction state=I`}},
		{"not what is allowed", nil, with(baseCaps, c(ask("select 1")), s(numbered("\x01more"), "xx"), c(ask("select 2")), s(oneRow("2"))),
			[]string{`SELECT|select 1 → |incomplete|unknown its response: it is not what the protocol allows`, `SELECT|select 2 → OK|rows=1|"n\n2\n"`, "lost server malformed: 11"}},
		{"commands", nil, with(baseCaps, c(pack(0, "\x0e")), s(pack(1, okBody)), c(pack(0, "\x0c\x09\x00\x00\x00")), s(pack(1, okBody)), c(pack(0, "\x09")), s(pack(1, "Uptime: 1")),
			c(pack(0, "\x05new")), s(pack(1, okBody)), c(pack(0, "\x1f")), s(pack(1, okBody)), c(pack(0, "\x77")), s(pack(1, wrong(1047, "08S01", "unknown"))), c(pack(0, "\x01"))),
			[]string{"ping| → OK", "kill|connection 9 → OK", `statistics| → OK|"Uptime: 1"`, "create database|new → OK", "reset connection| → OK", "command 119| → 08S01 unknown|failed"}},
		{"no answer", nil, with(baseCaps, c(ask("select 1"))), []string{`SELECT|select 1 → |incomplete`}},
	})
}

// prepared is the answer to a Prepare of a statement with one parameter and one
// column.
func prepared(eof bool) string {
	if eof {
		return numbered("\x00\x05\x00\x00\x00\x01\x00\x01\x00\x00\x00\x00", col("?", 3), eofBody, col("n", 3), eofBody)
	}
	return numbered("\x00\x05\x00\x00\x00\x01\x00\x01\x00\x00\x00\x00", col("?", 3), col("n", 3))
}

func TestPrepared(t *testing.T) {
	run(t, []dialogue{
		{"types are sent once", nil, with(baseCaps, c(pack(0, "\x16select ?")), s(prepared(true)),
			c(pack(0, "\x17\x05\x00\x00\x00\x00\x01\x00\x00\x00", "\x00\x01\x03\x00", "\x2a\x00\x00\x00")), s(numbered("\x01", col("n", 3), eofBody, "\x00\x00\x2a\x00\x00\x00", eofBody)),
			c(pack(0, "\x17\x05\x00\x00\x00\x00\x01\x00\x00\x00", "\x00\x00", "\xff\xff\xff\xff")), s(numbered("\x01", col("n", 3), eofBody, "\x00\x04", eofBody)),
			c(pack(0, "\x19\x05\x00\x00\x00"))),
			[]string{`prepare|select ? → OK|statement=5|parameters=1|columns=1`, `SELECT|select ? → OK|statement=5|$1=42|rows=1|"n\n42\n"`,
				`SELECT|select ? → OK|statement=5|$1=-1|rows=1|"n\n\\N\n"`, `close|select ? → |statement=5|from client`}},
		{"without EOF", nil, with(baseCaps|capDeprecateEOF, c(pack(0, "\x16select ?")), s(prepared(false)), c(pack(0, "\x0e")), s(pack(1, okBody))),
			[]string{`prepare|select ? → OK|statement=5|parameters=1|columns=1`, "ping| → OK"}},
		{"midstream, with EOF", midstream, []said{c(pack(0, "\x16select ?")), s(prepared(true)), c(pack(0, "\x0e")), s(pack(1, okBody))},
			[]string{`prepare|select ? → OK|statement=5|parameters=1|columns=1`, "ping| → OK"}},
		{"midstream, without EOF", midstream, []said{c(pack(0, "\x16select ?")), s(prepared(false)), c(pack(0, "\x0e")), s(pack(1, okBody)), c(ask("select 1")), s(numbered("\x01", col("n", 0xfd), "\x011", okAsEOF))},
			[]string{`prepare|select ? → OK|statement=5|parameters=1|columns=1`, "ping| → OK", `SELECT|select 1 → OK|rows=1|"n\n1\n"`}},
		{"prepared before", midstream, []said{c(pack(0, "\x17\x05\x00\x00\x00\x00\x01\x00\x00\x00", "\x00\x01\x03\x00", "\x2a\x00\x00\x00")), s(numbered("\x01", col("n", 3), eofBody, "\x00\x00\x2a\x00\x00\x00", eofBody))},
			[]string{`| → OK|statement=5|rows=1|"n\n42\n"|unknown its statement 5 was prepared before the recording began|unknown parameters: how many there are is not known`}},
		{"a password", nil, with(baseCaps, c(pack(0, "\x16set password = ?")), s(numbered("\x00\x05\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00", col("?", 3), eofBody)),
			c(pack(0, "\x17\x05\x00\x00\x00\x00\x01\x00\x00\x00", "\x00\x01\xfd\x00", "\x06sesame")), s(pack(1, okBody))),
			[]string{`prepare|set password = ? → OK|statement=5|parameters=1|columns=0`, `SET|set password = ? → OK|statement=5|$1=•••`}},
		{"closed after a reset", nil, with(baseCaps, c(pack(0, "\x16select ?")), s(prepared(true)), c(pack(0, "\x1f")), s(pack(1, okBody)), c(pack(0, "\x19\x05\x00\x00\x00"))),
			[]string{`prepare|select ? → OK|statement=5|parameters=1|columns=1`, "reset connection| → OK", `close| → |statement=5|from client|unknown its statement 5 ended when the connection was reset, or its user changed`}},
		{"query attributes", nil, with(baseCaps|capQueryAttributes, c(pack(0, "\x03\x01\x01\x00\x01\xfd\x00\x02id\x03abcselect 1")), s(oneRow("1"))),
			[]string{`SELECT|select 1 → OK|attribute id=abc|rows=1|"n\n1\n"`}},
	})
}

func deflated(seq int, b string) string {
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	w.Write([]byte(b))
	w.Close()
	return le(uint64(z.Len()), 3) + string(rune(seq)) + le(uint64(len(b)), 3) + z.String()
}

// stored is a packet compressed with zstd, in one block that is not compressed.
func stored(seq int, b string) string {
	z := zstdMagic + "\xa0" + le(uint64(len(b)), 4) + le(uint64(len(b)<<3|1), 3) + b
	return le(uint64(len(z)), 3) + string(rune(seq)) + le(uint64(len(b)), 3) + z
}

func raw(seq int, b string) string {
	return le(uint64(len(b)), 3) + string(rune(seq)) + "\x00\x00\x00" + b
}

func TestCompressed(t *testing.T) {
	zlibCaps, zstdCaps := uint64(baseCaps|capCompress), uint64(baseCaps|capZstd)
	login := "connect|d → OK|authentication=caching_sha2_password|server version=8.4.0|connection=7|compression="
	text := "select '" + strings.Repeat("x", 100) + "'"
	result := oneRow(strings.Repeat("y", 100))
	want := `SELECT|` + text + ` → OK|rows=1|"n\n` + strings.Repeat("y", 100) + `\n"`
	run(t, []dialogue{
		{"both ways, across packets", nil, with(zlibCaps, c(deflated(0, ask(text))), s(deflated(1, result[:50]), raw(2, result[50:60]), deflated(3, result[60:]))),
			[]string{login + "zlib|password=•••", want}},
		{"a command with a number", nil, with(zlibCaps, c(raw(0, pack(1, "\x03select 1"))), s(raw(1, oneRow("1")))),
			[]string{login + "zlib|password=•••", `SELECT|select 1 → OK|rows=1|"n\n1\n"`}},
		{"zstd", nil, with(zstdCaps, c(stored(0, ask(text))), s(stored(1, result[:50]), raw(2, result[50:60]), stored(3, result[60:]))),
			[]string{login + "zstd|password=•••", want}},
		{"zstd, damaged", nil, with(zstdCaps, c(raw(0, ask("select 2"))), s(le(40, 3)+"\x01"+le(200, 3)+zstdMagic+strings.Repeat("z", 36)), c(raw(0, ask("select 3"))), s(raw(1, oneRow("3")))),
			[]string{login + "zstd|password=•••", `SELECT|select 2 → |incomplete|unknown part of its response was not captured`, `SELECT|select 3 → OK|rows=1|"n\n3\n"`,
				"lost server gap: 200", "lost server malformed: 47"}},
		{"damaged", nil, with(zlibCaps, c(raw(0, ask("select 1"))), s(le(10, 3)+"\x01"+le(100, 3)+strings.Repeat("z", 10)), c(raw(0, ask("select 3"))), s(raw(1, oneRow("3")))),
			[]string{login + "zlib|password=•••", `SELECT|select 1 → |incomplete|unknown part of its response was not captured`, `SELECT|select 3 → OK|rows=1|"n\n3\n"`,
				"lost server gap: 100", "lost server malformed: 17"}},
		{"a gap", nil, with(zlibCaps, c(raw(0, ask("select 1"))), s(raw(1, oneRow("1"))[:20]), said{by: decode.Server, gap: 10, b: "tail"}, c(raw(0, ask("select 3"))), s(raw(1, oneRow("3")))),
			[]string{login + "zlib|password=•••", `SELECT|select 1 → |incomplete|unknown part of its response was not captured`, `SELECT|select 3 → OK|rows=1|"n\n3\n"`, "lost server gap: 22"}},
		{"a gap of the client", nil, with(zlibCaps, said{by: decode.Client, gap: 10, b: "tail" + raw(0, ask("select 3"))}, s(raw(1, oneRow("3")))),
			[]string{login + "zlib|password=•••", `SELECT|select 3 → OK|rows=1|"n\n3\n"`, "lost client gap: 3"}},
		{"midstream", midstream, []said{s("tail"), c(raw(0, ask("select 3"))), s(raw(1, oneRow("3")))},
			[]string{`SELECT|select 3 → OK|rows=1|"n\n3\n"`, "lost server state: 4"}},
		{"midstream, zstd", midstream, []said{s("tail"), c(raw(0, ask("select 3"))), s(stored(1, oneRow("3"))), c(stored(0, ask(text))), s(raw(1, oneRow("4")))},
			[]string{`SELECT|select 3 → OK|rows=1|"n\n3\n"`, `SELECT|` + text + ` → OK|rows=1|"n\n4\n"`, "lost server state: 4"}},
	})
}

func TestMidstream(t *testing.T) {
	rows := numbered("\x01", col("n", 0xfd), eofBody, "\x011", "\x012", "\x013", "\x014", "\x015", eofBody)
	cut := strings.Index(rows, pack(5, "\x012"))
	run(t, []dialogue{
		{"in the middle of a response", midstream, []said{s("ow\x05\x00\x00"), c(ask("select 1")), s(oneRow("1"))}, []string{`SELECT|select 1 → OK|rows=1|"n\n1\n"`, "lost server state: 5"}},
		{"in the middle of a command", midstream, []said{c("tail of a statement", ask("select 1")), s(oneRow("1"))}, []string{`SELECT|select 1 → OK|rows=1|"n\n1\n"`, "lost client state: 19"}},
		{"attributes that were agreed on before", midstream, []said{c(pack(0, "\x03\x00\x01select 1")), s(oneRow("1"))}, []string{`SELECT|select 1 → OK|rows=1|"n\n1\n"`}},
		{"a gap in rows", nil, with(baseCaps, c(ask("select 1")), s(rows[:cut+2]), said{by: decode.Server, gap: 4, b: rows[cut+6:]}),
			[]string{`SELECT|select 1 → OK|rows=4|"n\n1\n3\n4\n5\n"|unknown part of its response was not captured`, "lost server gap: 6"}},
		{"a gap with the end", nil, with(baseCaps, c(ask("select 1")), s(rows[:cut]), said{by: decode.Server, gap: 30, b: "xx"}, c(ask("select 2")), s(oneRow("2"))),
			[]string{`SELECT|select 1 → |rows=1|"n\n1\n"|incomplete|unknown part of its response was not captured|unknown the end of its response was not captured`,
				`SELECT|select 2 → OK|rows=1|"n\n2\n"`, "lost server gap: 32"}},
		{"a gap in definitions", nil, with(baseCaps, c(ask("select 1")), s(rows[:8]), said{by: decode.Server, gap: 10, b: rows[18:]}, c(ask("select 2")), s(oneRow("2"))),
			[]string{`SELECT|select 1 → |incomplete|unknown part of its response was not captured`, `SELECT|select 2 → OK|rows=1|"n\n2\n"`, "lost server gap: 75"}},
		{"a gap with a command", nil, with(baseCaps, said{by: decode.Client, gap: 20}, s(oneRow("1")), c(ask("select 2")), s(oneRow("2"))),
			[]string{`SELECT|select 2 → OK|rows=1|"n\n2\n"`, "lost client gap: 20", "lost server state: 56"}},
	})
}

func TestLimits(t *testing.T) {
	small := func(o *decode.Options) {
		o.Limits = decode.Limits{Body: 20, Message: 600, Pending: 3, Statements: 1}
	}
	long := strings.Repeat("x", 1000)
	huge := strings.Repeat("x", fullPart+100)
	sized := "\xfd" + le(uint64(len(huge)), 3) + huge // more than the number says
	run(t, []dialogue{
		{"a long statement", small, with(baseCaps, c(ask("select '"+long+"'")), s(oneRow("1"))),
			[]string{`SELECT|select '` + long[:591] + ` → OK|rows=1|"n\n1\n"|unknown the end of its text: it is longer than what is held of a packet`, "lost client too_long: 410"}},
		{"a long row", small, with(baseCaps, c(ask("select 1")), s(numbered("\x01", col("n", 0xfd), eofBody, "\xfc\xe8\x03"+long, eofBody))),
			[]string{`SELECT|select 1 → OK|rows=1|"n\n` + long[:18] + `"`}},
		{"a gap in the rest of a long row", small, with(baseCaps, c(ask("select 1")), s(numbered("\x01", col("n", 0xfd), eofBody, "\xfc\xe8\x03"+long)[:800]), said{by: decode.Server, gap: 100, b: numbered("\x01", col("n", 0xfd), eofBody, "\xfc\xe8\x03"+long, eofBody)[900:]}),
			[]string{`SELECT|select 1 → OK|rows=1|"n\n` + long[:18] + `"`}},
		{"statements", small, with(baseCaps, c(pack(0, "\x16select ?")), s(prepared(true)), c(pack(0, "\x16select 2")), s(numbered("\x00\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")),
			c(pack(0, "\x17\x05\x00\x00\x00\x00\x01\x00\x00\x00")), s(pack(1, okBody))),
			[]string{`prepare|select ? → OK|statement=5|parameters=1|columns=1`, `prepare|select 2 → OK|statement=6|parameters=0|columns=0`, `| → OK|statement=5|unknown its statement 5 was not seen being prepared`}},
		{"waiting commands", small, with(baseCaps, c(ask("select 1"), ask("select 2"), ask("select 3"), ask("select 4"), ask("select 5")), s(oneRow("1"))),
			[]string{`SELECT|select 1 → |incomplete|unknown its response: too many commands are waiting for theirs`, `SELECT|select 2 → |incomplete|unknown its response: too many commands are waiting for theirs`,
				`SELECT|select 3 → |incomplete|unknown its response: too many commands are waiting for theirs`, `SELECT|select 4 → |incomplete|unknown its response: too many commands are waiting for theirs`,
				"lost client state: 13", "lost server state: 56"}},
	})
	// A packet in two parts; not in pieces of one byte, which takes long.
	o := decode.Options{Limits: decode.DefaultLimits()}
	got := play(o, with(baseCaps, c(ask("select 1")), s(numbered("\x01", col("n", 0xfd), eofBody), pack(4, sized[:fullPart]), pack(5, sized[fullPart:]), pack(6, eofBody))), 50000)
	if len(got) != 2 || !strings.HasPrefix(got[1], `SELECT|select 1 → OK|rows=1|"n\nxxxx`) {
		t.Errorf("a row in two packets: %d lines, %.200q", len(got), got)
	}
}

func TestDetect(t *testing.T) {
	for _, c := range []struct {
		name           string
		client, server string
		midstream      bool
		want           decode.Verdict
	}{
		{"greeting", "", greetingOf(baseCaps), false, decode.Yes},
		{"part of it", "", greetingOf(baseCaps)[:20], false, decode.Maybe},
		{"too many connections", "", pack(0, "\xff\x10\x04Too many connections"), false, decode.Yes},
		{"SMTP", "", "220 mail ESMTP\r\n", false, decode.No},
		{"the client speaks first", "GET / HTTP/1.1\r\n", "", false, decode.No},
		{"nothing", "", "", false, decode.Maybe},
		{"a query", ask("select 1"), "", true, decode.Yes},
		{"a compressed query", raw(0, ask("select 1")), "", true, decode.Yes},
		{"a result", "", "xx" + oneRow("1"), true, decode.Yes},
		{"HTTP, midstream", "GET / HTTP/1.1\r\n", "HTTP/1.1 200 OK\r\n", true, decode.Maybe},
	} {
		p := &decode.Prefix{Midstream: c.midstream}
		p.Bytes[decode.Client], p.Bytes[decode.Server] = []byte(c.client), []byte(c.server)
		if got := detect(p); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// TestAfterTLS holds that the greeting, which was in the clear, is known where the
// decoder is made again for what TLS carried.
func TestAfterTLS(t *testing.T) {
	var got []string
	conn := decode.NewConn(decode.Options{Limits: decode.DefaultLimits()}, func(e *decode.Exchange) { got = append(got, line(e)) }, nil)
	conn.Facts = []decode.Field{{Name: "mysql capabilities", Value: "288a09"}, {Name: "server version", Value: "8.4.0"}}
	d := newDecoder(conn)
	for _, step := range []said{c(loginWith(baseCaps | capSSL)), s(pack(3, okBody)), c(ask("select 1")), s(oneRow("1"))} {
		d.Data(step.by, time.Unix(1, 0), []byte(step.b))
	}
	want := []string{"connect|d → OK|authentication=caching_sha2_password|server version=8.4.0|password=•••", `SELECT|select 1 → OK|rows=1|"n\n1\n"`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
