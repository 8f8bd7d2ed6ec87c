package all

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"lodge/internal/decode"
	"lodge/internal/decode/tls"
)

func bulk(words ...string) string {
	out := fmt.Sprintf("*%d\r\n", len(words))
	for _, w := range words {
		out += fmt.Sprintf("$%d\r\n%s\r\n", len(w), w)
	}
	return out
}

func post(contentType, body string) string {
	return fmt.Sprintf("POST /login HTTP/1.1\r\nHost: h\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", contentType, len(body), body)
}

func answer(contentType, body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", contentType, len(body), body)
}

// message is one of PostgreSQL.
func message(kind string, parts ...string) string {
	body := strings.Join(parts, "")
	n := len(body) + 4
	return kind + string([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}) + body
}

// Of no protocol and in no form is a secret shown that has its name, and it is with
// --secrets.
func TestSecretsAreMasked(t *testing.T) {
	const pw = "hunter2"
	column := func(name string) string {
		return name + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x19\xff\xff\xff\xff\xff\xff\x00\x00"
	}
	ok := answer("text/plain", "ok")
	for name, talk := range map[string][2]string{
		"redis, inline":            {"AUTH " + pw + "\r\n", "+OK\r\n"},
		"redis, inline, small":     {"auth default " + pw + "\r\n", "+OK\r\n"},
		"redis, inline, two":       {"AUTH " + pw + "\r\nGET k\r\n", "-ERR invalid password\r\n-NOAUTH Authentication required.\r\n"},
		"redis, inline, wrong":     {"AUTH " + pw + "\r\n", "-WRONGPASS invalid username-password pair or user is disabled.\r\n"},
		"redis, inline, denied":    {"AUTH " + pw + "\r\n", "-DENIED Redis is running in protected mode\r\n"},
		"redis, inline, no answer": {"AUTH " + pw + "\r\n", ""},
		"redis, AUTH":              {bulk("AUTH", pw), "+OK\r\n"},
		"redis, HSET":              {bulk("HSET", "user:1", "name", "a", "password", pw), ":2\r\n"},
		"redis, SET":               {bulk("SET", "user:1:token", pw), "+OK\r\n"},
		"redis, SET of JSON":       {bulk("SET", "user:1", `{"password":"`+pw+`"}`), "+OK\r\n"},
		"redis, GET of JSON":       {bulk("GET", "user:1"), bulk(`{"password":"` + pw + `"}`)[4:]},
		"redis, HGETALL":           {bulk("HGETALL", "user:1"), bulk("name", "a", "password", pw)},
		"redis, HGET":              {bulk("HGET", "user:1", "password"), bulk(pw)[4:]},
		"http, JSON":               {post("application/json", `{"a":{"tokens":["`+pw+`"],"pass\u0077ord":"`+pw+`"}}`), ok},
		"http, XML":                {post("text/xml", `<a b:password="`+pw+`"><w:Secret>`+pw+`</w:Secret></a>`), ok},
		"http, GraphQL":            {post("application/json", `{"query":"{ a(password: \"`+pw+`\") }"}`), ok},
		"http, plain text":         {post("text/plain", `x {"password":"`+pw+`"}`), ok},
		"http, form":               {post("application/x-www-form-urlencoded", "code="+pw+"&client_secret="+pw), ok},
		"http, address":            {"GET /cb?code=" + pw + "&key=" + pw + "&sig=" + pw + "&x=http%3A%2F%2Fu%3A" + pw + "%40h HTTP/1.1\r\nHost: h\r\n\r\n", ok},
		"http, header":             {"GET / HTTP/1.1\r\nHost: h\r\nX-Session-Id: " + pw + "\r\nAuthentication: " + pw + "\r\nX-Amz-Security-Token: " + pw + "\r\nCookie: a=" + pw + "\r\nAuthorization: Basic " + pw + "\r\n\r\n", ok},
		"http, answer":             {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", answer("text/html", `<input name="csrf_token" value="`+pw+`">`)},
		"postgresql, INSERT":       {message("Q", "insert into users(name,password) values('a','"+pw+"'),('b','"+pw+"')\x00"), message("C", "INSERT 0 2\x00") + message("Z", "I")},
		"postgresql, UPDATE":       {message("Q", "update users set password='"+pw+"'\x00"), message("C", "UPDATE 2\x00") + message("Z", "I")},
		"postgresql, rows":         {message("Q", "select * from users\x00"), message("T", "\x00\x02", column("name"), column("password")) + message("D", "\x00\x02\x00\x00\x00\x01a\x00\x00\x00\x07", pw) + message("C", "SELECT 1\x00") + message("Z", "I")},
		"postgresql, COPY":         {message("Q", "copy users(name,password) from stdin\x00") + message("d", "a\t"+pw+"\n") + message("c"), message("G", "\x00\x00\x02\x00\x00\x00\x00") + message("C", "COPY 1\x00") + message("Z", "I")},
		"postgresql, error":        {message("Q", "insert into users(token) values('"+pw+"')\x00"), message("E", "SERROR\x00VERROR\x00C23505\x00Mduplicate key\x00DKey (token)=("+pw+") already exists.\x00\x00") + message("Z", "I")},
		"nats":                     {"CONNECT {\"verbose\":false,\"user\":\"u\",\"pass\":\"" + pw + "\"}\r\nPUB a 22\r\n{\"password\":\"" + pw + "\"}\r\n", "INFO {\"server_id\":\"x\",\"version\":\"2\"}\r\n"},
		"http, engine.io":          {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", answer("text/plain", "40{\"a\":\"b\"}\x1e451-[\"hello\",{\"password\":\""+pw+"\"}]")},
		"memcached, key":           {"set user:token 0 0 7\r\n" + pw + "\r\nget user:token\r\n", "STORED\r\nVALUE user:token 0 7\r\n" + pw + "\r\nEND\r\n"},
		"memcached, answer":        {"get k\r\n", "VALUE k 0 22\r\n{\"password\":\"" + pw + "\"}\r\nEND\r\n"},
		"memcached, answers":       {"get a user:token k\r\n", "VALUE a 0 1\r\n1\r\nVALUE user:token 0 7\r\n" + pw + "\r\nVALUE k 0 22\r\n{\"password\":\"" + pw + "\"}\r\nEND\r\n"},
		"memcached, meta":          {"mg user:token v\r\n", "VA 7\r\n" + pw + "\r\n"},
		"memcached":                {"set k 0 0 22\r\n{\"password\":\"" + pw + "\"}\r\n", "STORED\r\n"},
	} {
		shown := map[bool]string{}
		records := 0
		for _, secrets := range []bool{false, true} {
			c := decode.NewConn(decode.Options{Limits: decode.DefaultLimits(), Secrets: secrets, Midstream: strings.HasPrefix(name, "postgresql")}, func(x *decode.Exchange) {
				records++
				shown[secrets] += fmt.Sprintf("%+v\n%s\n%s\n", *x, x.Request.Body, x.Response.Body)
			}, nil)
			f := decode.NewFlow(c, Protocols(tls.Config{}), true)
			at := time.Unix(1000, 0)
			if strings.HasPrefix(talk[1], "INFO") {
				f.Data(decode.Server, at, []byte(talk[1]))
			}
			f.Data(decode.Client, at, []byte(talk[0]))
			if !strings.HasPrefix(talk[1], "INFO") && talk[1] != "" {
				f.Data(decode.Server, at, []byte(talk[1]))
			}
			f.End(decode.Client, at, decode.Closed)
			f.End(decode.Server, at, decode.Closed)
		}
		if strings.Contains(shown[false], pw) {
			t.Errorf("%s: it is shown:\n%s", name, shown[false])
		}
		if records > 0 && !strings.Contains(shown[true], pw) {
			t.Errorf("%s: it is not there with secrets:\n%s", name, shown[true])
		}
		if records == 0 && !strings.Contains(name, "no answer") && !strings.Contains(name, "denied") {
			t.Errorf("%s: nothing is decoded", name)
		}
	}
}
