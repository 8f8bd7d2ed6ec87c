package test

import (
	"net/url"
	"strings"
	"testing"
)

// A client that speaks TLS reaches a service without HTTP by its name on the
// port of the HTTPS names.
func TestTLSNames(t *testing.T) {
	need(t, "redis-server")
	redis := need(t, "redis-cli")
	openssl := need(t, "openssl")
	python(t)
	eachEngine(t, func(t *testing.T, e *env) {
		ps := e.pair("lodge.toml", config("cache", "redis-server --port 6379 --save '' --appendonly no")+`
[services.web]
command = "`+systemPython+` -m http.server 8100"
`)
		for _, p := range ps {
			p.up()
			p.exec("redis-cli", "set", "who", p.name)
		}
		ca := e.authority()
		for _, p := range ps {
			web, err := url.Parse(p.urlOf("web"))
			if err != nil {
				t.Fatal(err)
			}
			port := web.Port()
			if port == "" {
				port = "443"
			}
			for _, name := range []string{"cache." + p.name + ".localhost", "cache." + p.name + ".test"} {
				out := e.as(e.environ, e.base, redis, "-h", "127.0.0.1", "-p", port, "--tls", "--cacert", ca, "--sni", name, "get", "who").ok(t)
				if out != p.name {
					t.Errorf("redis-cli --tls --sni %s: %q", name, out)
				}
			}
			// A certificate for just that name, and a protocol that is not HTTP's.
			e.as(e.environ, e.base, openssl, "s_client", "-connect", "127.0.0.1:"+port, "-CAfile", ca, "-servername", "cache."+p.name+".localhost",
				"-verify_hostname", "cache."+p.name+".localhost", "-alpn", "redis", "-brief").ok(t)
			r := e.as(e.environ, e.base, need(t, "curl"), "--noproxy", "*", "-sSk", "https://cache."+p.name+".localhost:"+port+"/")
			if r.code == 0 || !strings.Contains(r.stderr, "alert") {
				t.Errorf("curl, which speaks HTTP: %v", r)
			}
		}
	})
}
