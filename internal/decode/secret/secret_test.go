package secret

import (
	"bytes"
	"strings"
	"testing"
	"testing/quick"
)

func TestName(t *testing.T) {
	for in, names := range map[Place]string{
		Field: `password passwd db_password Password1 userPassword password_hash wsse:Password user[password] passwords pwd pass passphrase
			token tokens access_token accessToken API-Key apikeys clientSecret client_secret jwt session session_id sessionId JSESSIONID sid sig signature
			signature-256 cookies credentials xAmzCredential auth authorization assertion pin otp secret secrets private_key SAMLResponse code_verifier
			device_code "password" x.y.secret tokens[]`,
		Parameter: `code key sig ticket client_secret code_verifier X-Amz-Signature amp;token user%5Bpassword%5D auth_code`,
		Header: `Authorization Proxy-Authorization Authentication X-Session-Id X-Session X-Amz-Security-Token X-Api-Key X-Auth-Token X-Auth X-Auth-Key
			Ocp-Apim-Subscription-Key Private-Token X-Hub-Signature-256 X-JWT-Assertion DPoP X-Functions-Key X-Otp X-CSRF-Token Api-Key X-Amz-Credential`,
	} {
		for _, name := range strings.Fields(names) {
			if !Is(in, name) {
				t.Errorf("%d: %s is none", in, name)
			}
			if !May(name) {
				t.Errorf("May knows no %s", name)
			}
		}
	}
	for in, names := range map[Place]string{
		Field: `code key sessions address name id compass bypass page_token next_token tokenize tokenId password_policy passwordExpiresAt max_size
			public_key author authors assertions_count design inside pins _ 12 s ss`,
		Parameter: `state page_token country_code keys`,
		Header:    `Idempotency-Key Sec-WebSocket-Key Sec-WebSocket-Protocol Content-Type WWW-Authenticate Authentication-Results Content-Security-Policy X-Key-Id Access-Control-Allow-Credentials`,
	} {
		for _, name := range strings.Fields(names) {
			if Is(in, name) {
				t.Errorf("%d: %s is one", in, name)
			}
		}
	}
	for first, list := range stems {
		for _, stem := range list {
			if seconds[first]>>(stem[1]&31)&1 == 0 {
				t.Errorf("seconds has no %s", stem)
			}
		}
	}
	for _, list := range table {
		for _, e := range list {
			if !May(e.text) {
				t.Errorf("May knows no %s", e.text)
			}
		}
	}
}

// What has no name that is known is not changed, what has is masked, and masking twice is
// masking once.
func TestBody(t *testing.T) {
	for _, tt := range []struct{ mediaType, body, want string }{
		{"application/json", `{"tokens":["a","b"],"n":1}`, `{"tokens":["•••","•••"],"n":1}`},
		{"application/json", `{"pass\u0077ord":"x","\u0074oken" : "y"}`, `{"pass\u0077ord":"•••","\u0074oken" : "•••"}`},
		{"application/json", `{"credentials":{"user":"u","list":[1,{"k":"v"}],"ok":true},"a":"b"}`, `{"credentials":{"user":"•••","list":[1,{"k":"•••"}],"ok":true},"a":"b"}`},
		{"application/json", `{"pin":1234,"otp":-1.5e3,"max_tokens":5,"tokens":[1,2],"token":null}`, `{"pin":"•••","otp":"•••","max_tokens":5,"tokens":[1,2],"token":null}`},
		{"application/json", `{"secret":["cut o`, `{"secret":["•••`},
		{"application/json", `{"body":"{\"password\":\"x\",\"a\":1}"}`, `{"body":"{\"password\":\"•••\",\"a\":1}"}`},
		{"application/json", `{"url":"redis://u:p@h/0","next":"https://h/cb?code=1&a=2"}`, `{"url":"redis://u:•••@h/0","next":"https://h/cb?code=•••&a=2"}`},
		{"application/json", `{"query":"mutation { login(user: \"a\", password: \"x\", tokens: [\"y\"]) { id } }","variables":{"password":"x"}}`,
			`{"query":"mutation { login(user: \"a\", password: \"•••\", tokens: [\"•••\"]) { id } }","variables":{"password":"•••"}}`},
		{"application/json", `{"message":"password: must have 8 characters","at":"http://auth:8080/x"}`, `{"message":"password: must have 8 characters","at":"http://auth:8080/x"}`},
		{"application/json", `{"dsn":"host=h password=x dbname=d"}`, `{"dsn":"host=h password=••• dbname=d"}`},
		{"application/x-ndjson", "{\"token\":\"a\"}\n{\"token\":\"b\"}\n", "{\"token\":\"•••\"}\n{\"token\":\"•••\"}\n"},
		{"application/graphql", `{ login(password: "x", pin: 12) { token } }`, `{ login(password: "•••", pin: •••) { token } }`},
		{"text/plain", `log in {"password":"x"} done`, `log in {"password":"•••"} done`},
		{"text/plain", "user=a&code=1&b=2", "user=a&code=•••&b=2"},
		{"text/plain", "user: a\npassword: x y\n- token: z\nother", "user: a\npassword: •••\n- token: •••\nother"},
		{"", "DB_PASSWORD = 'x'\nAPI_KEY=y; z", "DB_PASSWORD = '•••'\nAPI_KEY=•••; z"},
		{"application/yaml", "auth:\n  token: x\n", "auth:\n  token: •••\n"},
		{"text/event-stream", "data: {\"secret\":\"x\"}\n\n", "data: {\"secret\":\"•••\"}\n\n"},
		{"text/css", "a { password: x }", "a { password: x }"},
		{"application/soap+xml", `<e:E xmlns:e="u"><w:Username>a</w:Username><w:Password Type="t">x</w:Password></e:E>`, `<e:E xmlns:e="u"><w:Username>a</w:Username><w:Password Type="t">•••</w:Password></e:E>`},
		{"text/xml", `<a token='x' b="y"><secret><k>v</k><![CDATA[w]]></secret><c>d</c></a>`, `<a token='•••' b="y"><secret><k>•••</k><![CDATA[•••]]></secret><c>d</c></a>`},
		{"text/xml", `<p><property name="db.password" value="x"/><entry key="token">y</entry><entry key="a">z</entry></p>`, `<p><property name="db.password" value="•••"/><entry key="token">•••</entry><entry key="a">z</entry></p>`},
		{"text/xml", `<secret>cut o`, `<secret>•••`},
		{"text/xml", `<secret/><a>b</a><!-- <secret>c</secret> -->`, `<secret/><a>b</a><!-- <secret>c</secret> -->`},
		{"text/html", `<input type="password" name="password" value="x"><input value=y name=csrf_token><input name="q" value="z">`, `<input type="password" name="password" value="•••"><input value=••• name=csrf_token><input name="q" value="z">`},
		{"text/html", `<meta name="csrf-token" content="x"><a href="/r?token=y&amp;a=1">password</a><p>token</p>`, `<meta name="csrf-token" content="•••"><a href="/r?token=•••&amp;a=1">password</a><p>token</p>`},
		{"text/html", `<script>window.state={"token":"x"}</script><b>y</b>`, `<script>window.state={"token":"•••"}</script><b>y</b>`},
		{"", `<login password="x"/>`, `<login password="•••"/>`},
		{"image/png", `{"password":"x"}`, `{"password":"x"}`},
		{"application/x-www-form-urlencoded", "client_secret=a&grant=b&redirect=http%3A%2F%2Fh%2F%3Fcode%3D1", "client_secret=•••&grant=b&redirect=http%3A%2F%2Fh%2F%3Fcode%3D•••"},
	} {
		body := []byte(tt.body)
		got := Body(tt.mediaType, body)
		if string(got) != tt.want {
			t.Errorf("%s\n%s\ngot  %s\nwant %s", tt.mediaType, tt.body, got, tt.want)
		}
		if string(body) != tt.body {
			t.Errorf("the argument is changed: %s", body)
		}
		if again := Body(tt.mediaType, got); !bytes.Equal(again, got) {
			t.Errorf("once more: %s", again)
		}
	}
}

func TestSubprotocols(t *testing.T) {
	for value, want := range map[string]string{
		"graphql-transport-ws":                             "graphql-transport-ws",
		"vite-hmr, vite-ping":                              "vite-hmr, vite-ping",
		"v4.channel.k8s.io":                                "v4.channel.k8s.io",
		"base64.binary, bearer.hidden":                     "base64.binary, bearer.•••",
		"base64url.bearer.authorization.k8s.io.hidden, v4": "base64url.bearer.authorization.k8s.io.•••, v4",
		"access_token, hidden":                             "access_token, •••",
		"ws, eyJhbGciOi.eyJzdWIi.c2ln":                     "ws, •••",
	} {
		if got := HeaderValue("Sec-WebSocket-Protocol", value); got != want {
			t.Errorf("%s: %s, want %s", value, got, want)
		}
	}
}

func TestTarget(t *testing.T) {
	for target, want := range map[string]string{
		"/a;jsessionid=1/b;v=2?x=3":           "/a;jsessionid=•••/b;v=2?x=3",
		"/cb?code=1&state=2&key=3&sig=4":      "/cb?code=•••&state=2&key=•••&sig=•••",
		"/a?b#access_token=x#y":               "/a?b#access_token=•••#y",
		"/go?to=http://u:p@h/":                "/go?to=http://u:•••@h/",
		"/go?to=https%3A%2F%2Fu%3Ap%40h%2F&a": "/go?to=https%3A%2F%2Fu%3A•••%40h%2F&a",
		"/q?variables=%7B%22pin%22%3A1%7D":    "/q?variables=%7B%22pin%22%3A%22•••%22%7D",
		"/?a=%zz&token=1":                     "/?a=%zz&token=•••",
	} {
		if got := Target(target); got != want {
			t.Errorf("%s: got %s, want %s", target, got, want)
		}
	}
}

// No text makes it fail, and none is changed that has no name of a secret.
func TestAnyText(t *testing.T) {
	f := func(b []byte, mediaType uint8) bool {
		types := []string{"", "application/json", "text/html", "text/plain", "application/x-www-form-urlencoded"}
		Markup(b)
		Text(b)
		Inside(string(b))
		Target(string(b))
		got := Body(types[int(mediaType)%len(types)], b)
		return May(b) || bytes.Equal(got, b)
	}
	if err := quick.Check(f, nil); err != nil {
		t.Error(err)
	}
}

func FuzzBody(f *testing.F) {
	for _, s := range []string{`{"a":{"token":["x",1]}}`, `<a b="c"><secret>x<![CDATA[y]]></secret>`, "a=b&token=c", "password: x\n", `q(password: "x")`, `{"b":"{\"pin\":\"\\u0041\"}"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, mediaType := range []string{"", "application/json", "text/html", "text/plain", "application/x-www-form-urlencoded"} {
			if got := Body(mediaType, b); len(got) > 16*len(b)+64 {
				t.Errorf("%d bytes of %d", len(got), len(b))
			}
		}
		Target(string(b))
		HeaderValue("location", string(b))
	})
}

func BenchmarkBody(b *testing.B) {
	for name, body := range map[string]string{
		"json": `{"items":[` + strings.Repeat(`{"id":1234,"name":"An item of the shop","price":12.5,"tags":["a","b"]},`, 100) + `{}]}`,
		"html": "<html>" + strings.Repeat(`<div class="row"><a href="/items/12?page=3">An item of the shop</a></div>`+"\n", 100),
	} {
		b.Run(name, func(b *testing.B) {
			in := []byte(body)
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				Body("", in)
			}
		})
	}
}

// The names that are passed over are those of no secrets.
func TestFrequentNames(t *testing.T) {
	for _, name := range []string{"Accept", "Content-Type", "Host", "Server", "Date", "user-agent", ":authority", "Origin", "etag", "Vary"} {
		if !isFrequent(name) || Is(Header, name) || isAddress(name, name[len(name)-1]|0x20) {
			t.Errorf("%s", name)
		}
	}
}
