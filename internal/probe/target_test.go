package probe

import (
	"net/netip"
	"strings"
	"testing"

	"lodge/internal/target"
)

func TestParseTarget(t *testing.T) {
	for _, c := range []struct {
		text, scheme, host string
		port               uint16
		path               string
	}{
		{"5432", "", "localhost", 5432, ""},
		{":3000", "", "localhost", 3000, ""},
		{"localhost:8080", "", "localhost", 8080, ""},
		{"127.83.20.7:80", "", "127.83.20.7", 80, ""},
		{"[::1]:80", "", "::1", 80, ""},
		{"[fe80::1%eth0]:80", "", "fe80::1%eth0", 80, ""},
		{"localhost:postgresql", "", "localhost", 5432, ""},
		{":HTTPS", "", "localhost", 443, ""},
		{"redis", "", "localhost", 6379, ""},
		{"web.shop.localhost", "https", "web.shop.localhost", 443, ""},
		{"localhost:3000/health?x=1", "http", "localhost", 3000, "/health?x=1"},
		{"[::1]:3000/health", "http", "::1", 3000, "/health"},
		{"http://localhost", "http", "localhost", 80, "/"},
		{"http://:8000/x", "http", "localhost", 8000, "/x"},
		{"HTTPS://[::1]:8443/a/b?c#d", "https", "::1", 8443, "/a/b?c"},
		{"https://web.shop.localhost/", "https", "web.shop.localhost", 443, "/"},
		{"ws://localhost:5173/hmr", "ws", "localhost", 5173, "/hmr"},
		{"postgres://me:secret@localhost/db", "postgres", "localhost", 5432, ""},
		{"redis://localhost:6380/0", "redis", "localhost", 6380, ""},
		{"udp://127.0.0.1:53", "udp", "127.0.0.1", 53, ""},
		{"udp:53", "udp", "localhost", 53, ""},
		{"udp/53", "udp", "localhost", 53, ""},
		{"127.0.0.1#5353", "", "127.0.0.1", 5353, ""},
		{"localhost:3000?x=1", "http", "localhost", 3000, "/?x=1"},
		{"//localhost:3000/x", "http", "localhost", 3000, "/x"},
		{"53/udp", "udp", "localhost", 53, ""},
		{"tcp:80", "", "localhost", 80, ""},
		{":http", "", "localhost", 80, ""},
		{"::1:80", "", "::1", 80, ""},
		{":::3000", "", "::", 3000, ""},
		{"mongodb://localhost", "mongodb", "localhost", 27017, ""},
		{"jdbc:postgresql://localhost/db", "postgresql", "localhost", 5432, ""},
		{"mongodb://a:1,b:2/db", "mongodb", "a", 1, ""},
		{"a_b.test.:65535", "", "a_b.test.", 65535, ""},
	} {
		got, err := ParseTarget(c.text)
		want := Target{Text: c.text, Scheme: c.scheme, Host: c.host, Port: c.port, Path: c.path}
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v, want %+v", c.text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"":                                   "it is empty",
		"0":                                  "a port is 1 to 65535",
		"65536":                              "not a number from 0 to 65535",
		"123456789012345678901":              "not a number from 0 to 65535",
		":":                                  "no service's name",
		":0":                                 "a port is 1 to 65535",
		"localhost":                          "it has no port",
		"127.0.0.1":                          "it has no port",
		"::1":                                "it has no port",
		"[::1]":                              "it has no port",
		"::1:80x":                            "no service's name",
		"localhost:nosuchthing":              "no service's name",
		"local host:80":                      "blanks",
		"localhost:80\n":                     "blanks",
		"-_?:80":                             "nor a host's name",
		"a..b:80":                            "nor a host's name",
		"10.0.0.0/8":                         "a block of addresses",
		"3000-3010":                          "a range of ports",
		"/run/docker.sock":                   "Unix socket",
		"gopher://localhost":                 `scheme "gopher" is not known`,
		"tcp://localhost":                    "it has no port",
		"http://localhost:0/":                "a port is 1 to 65535",
		"http://localhost:x/":                "no service's name",
		"http://[::1":                        "a bracket without its end",
		"http://a%zz/":                       "nor a host's name",
		strings.Repeat("a", 64) + ".test:1":  "nor a host's name",
		strings.Repeat("a.", 200) + "test:1": "longer than 253",
		"http://localhost/" + strings.Repeat("a", 4096): "too long",
	} {
		got, err := ParseTarget(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v, want %q", text, got, err, want)
		}
	}
}

func validHost(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil || target.ValidName(s)
}

func FuzzParseTarget(f *testing.F) {
	for _, s := range []string{"80", ":80", "[::1]:80", "localhost:80/x", "https://a.localhost:1/b?c", "redis", "a.b", "[", "]:", "://"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseTarget(s)
		if err != nil {
			return
		}
		if got.Port == 0 || got.Host == "" || !validHost(got.Host) || strings.ContainsAny(got.Path, " \r\n") || got.Path != "" && got.Path[0] != '/' && got.Path != "*" {
			t.Errorf("%q: %+v", s, got)
		}
		g := page{got}
		if q := string(g.request("")); strings.Count(q, "\r\n\r\n") != 1 || !strings.HasSuffix(q, "\r\n\r\n") {
			t.Errorf("%q asks %q", s, q)
		}
	})
}
