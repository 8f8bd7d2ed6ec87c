package sqltext

import (
	"slices"
	"strings"
	"testing"

	"lodge/internal/decode"
)

func TestKind(t *testing.T) {
	for _, c := range []struct {
		d    Dialect
		text string
		want string
	}{
		{PostgreSQL, "select 1", "SELECT"},
		{PostgreSQL, "-- a\n/* b /* c */ d */ Insert into t values (1)", "INSERT"},
		{PostgreSQL, "(select 1) union (select 2)", "SELECT"},
		{PostgreSQL, "with a as (select 1 from insert_t), b(x) as materialized (delete from t returning *) update t set a = 1", "UPDATE"},
		{PostgreSQL, "WITH RECURSIVE t AS (SELECT 1) SELECT * FROM t", "SELECT"},
		{PostgreSQL, "explain analyze select 1", "EXPLAIN"},
		{PostgreSQL, "", ""},
		{PostgreSQL, "-- ping", ""},
		{PostgreSQL, ";", ""},
		{PostgreSQL, "with", "WITH"},
		{PostgreSQL, "/* open", ""},
		{MySQL, "/* a */ /*!40101 SET NAMES utf8 */", "SET"},
		{MySQL, "# a\n-- b\ncall p()", "CALL"},
		{MySQL, "--1", ""},
	} {
		if got := Kind(c.d, c.text); got != c.want {
			t.Errorf("Kind(%q) = %q, want %q", c.text, got, c.want)
		}
	}
}

func TestFingerprint(t *testing.T) {
	for _, c := range []struct {
		d    Dialect
		text string
		want string
	}{
		{PostgreSQL, "select  *\n from t where a=1 and b = 'it''s' -- c", "select * from t where a = ? and b = ?"},
		{PostgreSQL, "select * from t where a = $1 and b = $2", "select * from t where a = ? and b = ?"},
		{PostgreSQL, "select a from t where id in (1,2, 3)", "select a from t where id in (?)"},
		{PostgreSQL, "select a from t where id in ($1)", "select a from t where id in (?)"},
		{PostgreSQL, "select a from t where id in (select b from c where d in (1, 2))", "select a from t where id in (select b from c where d in (?))"},
		{PostgreSQL, "insert into t (a,b) values (1,'x'),(2,'y'),(3,'z') returning id", "insert into t (a, b) values (?) returning id"},
		{PostgreSQL, "insert into t values (1, now()), (2, now()), (3, f(4, 5))", "insert into t values (?, now()), (?, f(?, ?))"},
		{PostgreSQL, "insert into t values (default, 1), (default, 2);", "insert into t values (default, ?)"},
		{PostgreSQL, "select f(1,2), count(*), x [3]", "select f(?, ?), count(*), x[?]"},
		{PostgreSQL, "select array[1,2,3]::int[], -5, 3 - 2, a -1", "select array[?]::int[], ?, ? - ?, a - ?"},
		{PostgreSQL, `select E'a\'b', x'ff', N'n', U&'\0041', $$d ' $$, $t$ $$ $t$, "q ' n" from "T"`, `select ?, ?, ?, ?, ?, ?, "q ' n" from "T"`},
		{PostgreSQL, `select 'a\', 1`, "select ?, ?"},
		{PostgreSQL, "select a->>'k', b @> '{}', c ? 'x' from t where d=-1.5e-3", "select a ->> ?, b @> ?, c ? ? from t where d = ?"},
		{PostgreSQL, "SELECT 1 LIMIT 10 OFFSET 20", "SELECT ? LIMIT ? OFFSET ?"},
		{PostgreSQL, "select t.a, s.t.b from s.t", "select t.a, s.t.b from s.t"},
		{PostgreSQL, "select date '2020-01-01' + interval '1 day'", "select date ? + interval ?"},
		{MySQL, "select `a``b`, \"str\", 'it\\'s', 0xFF, x'00', _utf8mb4'x' from t where a=? # c", "select `a``b`, ?, ?, ?, ?, ? from t where a = ?"},
		{MySQL, "SET @@session.x = 1, @y := 2", "SET @@session.x = ?, @y := ?"},
		{MySQL, "insert into t values (1) on duplicate key update a = values(a), b = VALUES(b)", "insert into t values (?) on duplicate key update a = values (a), b = VALUES (b)"},
		{MySQL, "/*!40101 SET a = 1 */;", "SET a = ?"},
		{MySQL, "select 5--1", "select ? - ?"},
		{MySQL, "select 'open", "select ?"},
		{PostgreSQL, "", ""},
	} {
		if got := Fingerprint(c.d, c.text); got != c.want {
			t.Errorf("Fingerprint(%q)\n got %q\nwant %q", c.text, got, c.want)
		}
	}
}

func TestMask(t *testing.T) {
	for _, c := range []struct {
		d      Dialect
		text   string
		want   string
		params []int
	}{
		{PostgreSQL, "create user a password 'x'", "create user a password '•••'", nil},
		{PostgreSQL, `ALTER ROLE "A" WITH ENCRYPTED PASSWORD E'x\'y' VALID UNTIL '2030-01-01'`, `ALTER ROLE "A" WITH ENCRYPTED PASSWORD '•••' VALID UNTIL '2030-01-01'`, nil},
		{PostgreSQL, "alter user a password null; select 'x'", "alter user a password null; select 'x'", nil},
		{PostgreSQL, "do $$ begin alter user a password 'x'; end $$", "do $$ begin alter user a password '•••'; end $$", nil},
		{PostgreSQL, "create subscription s connection 'host=a password=p user=u' publication p", "create subscription s connection 'host=a password=••• user=u' publication p", nil},
		{PostgreSQL, "select dblink('postgres://u:p@h/d')", "select dblink('postgres://u:•••@h/d')", nil},
		{PostgreSQL, "create user mapping for u server s options (user 'u', password 'p')", "create user mapping for u server s options (user 'u', password '•••')", nil},
		{PostgreSQL, "update u set password = $2 where id = $1", "update u set password = $2 where id = $1", []int{2}},
		{PostgreSQL, "create table u (password text default 'x')", "create table u (password text default 'x')", nil},
		{MySQL, "create user 'a'@'%' identified by 'x'", "create user 'a'@'%' identified by '•••'", nil},
		{MySQL, "CREATE USER a IDENTIFIED WITH 'plugin' BY \"x\" REPLACE 'y', b IDENTIFIED VIA p USING PASSWORD('z')", "CREATE USER a IDENTIFIED WITH 'plugin' BY '•••' REPLACE '•••', b IDENTIFIED VIA p USING PASSWORD('•••')", nil},
		{MySQL, "GRANT ALL ON *.* TO a IDENTIFIED BY PASSWORD '*AB'", "GRANT ALL ON *.* TO a IDENTIFIED BY PASSWORD '•••'", nil},
		{MySQL, "SET PASSWORD FOR 'a'@'h' = 'x'", "SET PASSWORD FOR 'a'@'h' = '•••'", nil},
		{MySQL, "set password = password('x')", "set password = password('•••')", nil},
		{MySQL, "CHANGE MASTER TO MASTER_HOST='h', MASTER_PASSWORD='x'", "CHANGE MASTER TO MASTER_HOST='h', MASTER_PASSWORD='•••'", nil},
		{MySQL, "update u set a = ?, password = ?", "update u set a = ?, password = ?", []int{2}},
		{MySQL, "alter user a identified by 'open", "alter user a identified by '•••'", nil},
		{PostgreSQL, "insert into users(name,password) values('a','b'),('c', 'd')", "insert into users(name,password) values('a','•••'),('c', '•••')", nil},
		{PostgreSQL, `INSERT INTO s."Users" AS u ("api_Key", n) VALUES (crypt('x', gen_salt('bf')), 'y') ON CONFLICT (n) DO UPDATE SET n = 'z'`,
			`INSERT INTO s."Users" AS u ("api_Key", n) VALUES (crypt('•••', gen_salt('•••')), 'y') ON CONFLICT (n) DO UPDATE SET n = 'z'`, nil},
		{PostgreSQL, "insert into u (a, password, b) values ($1, $2, $3), ($4, $5, $6)", "insert into u (a, password, b) values ($1, $2, $3), ($4, $5, $6)", []int{2, 5}},
		{PostgreSQL, "with x as (insert into u (token) values ('a') returning id) select 'b' from x", "with x as (insert into u (token) values ('•••') returning id) select 'b' from x", nil},
		{PostgreSQL, "insert into u (a, pin) select 'a', 1234 from v where b = 'c'", "insert into u (a, pin) select 'a', '•••' from v where b = 'c'", nil},
		{PostgreSQL, "insert into u values ('a', 'b')", "insert into u values ('a', 'b')", nil},
		{PostgreSQL, "insert into token (a) values ('b')", "insert into token (a) values ('b')", nil},
		{PostgreSQL, "update u set a = 'b', password = crypt('x', gen_salt('bf')), c = 'd' where name = 'e'", "update u set a = 'b', password = crypt('•••', gen_salt('•••')), c = 'd' where name = 'e'", nil},
		{PostgreSQL, "select a from u where name = 'n' and u.token = 'x' or b = 'c' order by 'd'", "select a from u where name = 'n' and u.token = '•••' or b = 'c' order by 'd'", nil},
		{PostgreSQL, "select a from u where token in ('x', 'y') and b in ('c')", "select a from u where token in ('•••', '•••') and b in ('c')", nil},
		{PostgreSQL, "select a from u where lower(token) = lower('x') and d->>'password' = 'y' and e#>>'{a,pin}' <> 'z' and f->>'b' = 'c'",
			"select a from u where lower(token) = lower('•••') and d->>'password' = '•••' and e#>>'{a,pin}' <> '•••' and f->>'b' = 'c'", nil},
		{PostgreSQL, "select a from u where token::text = 'x' and b = 'c'", "select a from u where token::text = '•••' and b = 'c'", nil},
		{PostgreSQL, `insert into logs (data) values ('{"password":"it''s","a":1}')`, `insert into logs (data) values ('{"password":"•••","a":1}')`, nil},
		{PostgreSQL, "select dblink('host=h password=''my pw'' user=u')", "select dblink('host=h password=''•••'' user=u')", nil},
		{PostgreSQL, "set session authorization 'u'", "set session authorization 'u'", nil},
		{MySQL, "replace into `u` (`a`, `password`) values (\"x\", \"y\")", "replace into `u` (`a`, `password`) values (\"x\", '•••')", nil},
		{MySQL, "insert into u set name = 'a', password = 'b', c = 'd'", "insert into u set name = 'a', password = '•••', c = 'd'", nil},
		{MySQL, "insert into u partition (p0) (a, token) values (?, ?) on duplicate key update a = ?, token = ?", "insert into u partition (p0) (a, token) values (?, ?) on duplicate key update a = ?, token = ?", []int{2, 4}},
		{MySQL, "select replace(name, 'a', 'b') from sessions where id = 'c'", "select replace(name, 'a', 'b') from sessions where id = 'c'", nil},
	} {
		got, params := Mask(c.d, c.text)
		if got != c.want || !slices.Equal(params, c.params) {
			t.Errorf("Mask(%q)\n got %q %v\nwant %q %v", c.text, got, params, c.want, c.params)
		}
	}
	s := Read(PostgreSQL, "alter user a password 'x'", true)
	if s.Text != "alter user a password 'x'" || s.Kind != "ALTER" || s.Group != "alter user a password ?" {
		t.Errorf("Read with secrets: %+v", s)
	}
}

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		d    Dialect
		text string
		want []string
	}{
		{PostgreSQL, "select 1", []string{"select 1"}},
		{PostgreSQL, " select 1 ; ; select ';' ;\n-- end\n", []string{"select 1", "select ';'"}},
		{PostgreSQL, "", nil},
		{PostgreSQL, "-- c", nil},
		{PostgreSQL, ";;", nil},
		{PostgreSQL, "/* a */ select 1; /* b */ select 2 /* c */;", []string{"/* a */ select 1", "/* b */ select 2 /* c */"}},
		{PostgreSQL, "create rule r as on insert to t do (select 1; select 2); select 3", []string{"create rule r as on insert to t do (select 1; select 2)", "select 3"}},
		{PostgreSQL, "create function f() returns int begin atomic select case when true then 1 end; select 2; end; select 3", []string{"create function f() returns int begin atomic select case when true then 1 end; select 2; end", "select 3"}},
		{PostgreSQL, "begin; do $$ a; b $$; end", []string{"begin", "do $$ a; b $$", "end"}},
		{MySQL, "create procedure p() begin select 1; select 2; end;", []string{"create procedure p() begin select 1; select 2; end;"}},
		{MySQL, "begin not atomic select 1; end; select 2", []string{"begin not atomic select 1; end; select 2"}},
		{MySQL, "begin; select 1; commit", []string{"begin", "select 1", "commit"}},
		{PostgreSQL, "a;b;c;d", []string{"a", "b", "c", "d"}},
	} {
		var got []string
		for _, p := range Split(c.d, c.text, 100) {
			if c.text[p.Start:p.End] != p.Text {
				t.Errorf("Split(%q): part %q is not [%d:%d]", c.text, p.Text, p.Start, p.End)
			}
			got = append(got, p.Text)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("Split(%q)\n got %q\nwant %q", c.text, got, c.want)
		}
	}
	if got := Split(PostgreSQL, "a;b;c;d", 2); len(got) != 2 || got[1].Text != "b;c;d" {
		t.Errorf("Split with a limit: %v", got)
	}
}

func TestRows(t *testing.T) {
	r := NewRows(100, false)
	r.Columns([]string{"a", "b"})
	r.Row(10)
	r.Value([]byte("x\ty"))
	r.Null()
	r.EndRow(true)
	if got, want := string(r.b), "a\tb\nx\\ty\t\\N\n"; got != want || r.cut {
		t.Errorf("got %q, want %q", got, want)
	}
	r = NewRows(5, false)
	r.Row(10)
	r.Value([]byte("abcdefgh"))
	r.EndRow(true)
	if string(r.b) != "abcde" || !r.cut || !r.Full() || r.Len() != 1 || r.Bytes() != 10 {
		t.Errorf("got %+v", r)
	}
}

func TestValue(t *testing.T) {
	for _, c := range []struct {
		v    string
		size int64
		want string
	}{
		{"abc", 3, "abc"},
		{"\xff\x00", 2, `\xff00`},
		{"a\xc3", 10, "a… (10 bytes)"},
		{strings.Repeat("é", 3000), 6000, strings.Repeat("é", 2048) + "… (6000 bytes)"},
	} {
		if got := Value([]byte(c.v), c.size); got != c.want {
			t.Errorf("Value(%.10q) = %.40q", c.v, got)
		}
	}
}

// FuzzRead holds that no text makes the lexer panic or stand still, and that
// splitting keeps to the text.
func FuzzRead(f *testing.F) {
	for _, s := range []string{"select 1; select $$a$$", "insert into t values (1),(2)", "/*!50000 a */ -- b", "with a as (select 1) delete", "alter user a identified by 'x' password \"y\"", "in (", "array[1,2", "$a", "E'\\", "U&'", "1e+5 .5", "+-*/*"} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, s string, my bool) {
		d := PostgreSQL
		if my {
			d = MySQL
		}
		Read(d, s, false)
		for _, p := range Split(d, s, 10) {
			if s[p.Start:p.End] != p.Text {
				t.Fatalf("part %q is not where it says", p.Text)
			}
		}
		l := lexer{d: d, s: s}
		for last := -1; ; {
			tok, ok := l.next()
			if !ok {
				break
			}
			if tok.end <= tok.start || tok.start <= last {
				t.Fatalf("token %v after %d", tok, last)
			}
			last = tok.start
		}
	})
}

func TestRowsMaskColumns(t *testing.T) {
	for _, secrets := range []bool{false, true} {
		r := NewRows(1000, secrets)
		r.Columns([]string{"name", "password", "hash"})
		r.Mask([]string{"name", "password", "api_key"})
		for range 2 {
			r.Row(10)
			r.Value([]byte("ann"))
			r.Value([]byte("x"))
			r.Value([]byte("y"))
			r.EndRow(true)
		}
		r.Row(10)
		r.Null()
		r.Null()
		r.Value(nil)
		r.EndRow(true)
		r.Columns([]string{"a", "b"})
		r.Row(1)
		r.Value([]byte("c"))
		r.Value([]byte("d"))
		r.EndRow(true)
		var m decode.Message
		r.Fill(&m)
		want := "name\tpassword\thash\nann\t•••\t•••\nann\t•••\t•••\n\\N\t\\N\t\n\na\tb\nc\td\n"
		if secrets {
			want = "name\tpassword\thash\nann\tx\ty\nann\tx\ty\n\\N\t\\N\t\n\na\tb\nc\td\n"
		}
		if string(m.Body) != want {
			t.Errorf("secrets %v: %q", secrets, m.Body)
		}
	}
}

func TestMaskCopy(t *testing.T) {
	for _, c := range []struct{ statement, rows, want string }{
		{"COPY users (name, password) FROM stdin", "a\tx\nb\t\\N\nc\ty\\\tz", "a\t•••\nb\t\\N\nc\t•••"},
		{"copy s.users (token, n) to stdout with (format csv)", "\"x\ny\",1\r\nz,2\r\n", "•••,1\r\n•••,2\r\n"},
		{"copy u (n, pin) to stdout with (format text, delimiter '|')", "a|1\n", "a|•••\n"},
		{"COPY users FROM stdin", "a\tx\n", "a\tx\n"},
		{"COPY (select password from u) TO stdout", "a\n", "a\n"},
	} {
		if got := MaskCopy(c.statement, []byte(c.rows)); string(got) != c.want {
			t.Errorf("%s: %q, want %q", c.statement, got, c.want)
		}
	}
}

func TestMaskError(t *testing.T) {
	for text, want := range map[string]string{
		"Key (token)=(abc) already exists.":             "Key (token)=(•••) already exists.",
		"Key (name, token)=(a, b) is still referenced.": "Key (name, token)=(•••) is still referenced.",
		"Key (name)=(a) already exists.":                "Key (name)=(a) already exists.",
		"Failing row contains (1, a, x).":               "Failing row contains (•••).",
		"Duplicate entry 'abc' for key 'users.token'":   "Duplicate entry '•••' for key 'users.token'",
		"Duplicate entry 'abc' for key 'users.name'":    "Duplicate entry 'abc' for key 'users.name'",
		"relation \"x\" does not exist":                 "relation \"x\" does not exist",
	} {
		if got := MaskError(text); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
}
