package target

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// brief writes what was read in one line.
func brief(t Target) string {
	var out []string
	add := func(name, value string) {
		if value != "" {
			out = append(out, name+value)
		}
	}
	add("", t.Scheme)
	add("", string(t.Protocol))
	add("host=", t.Host)
	if t.IP.IsValid() {
		out = append(out, "ip")
	}
	if t.Block.IsValid() {
		add("block=", t.Block.String())
	}
	if t.HasPort {
		port := fmt.Sprintf(":%d", t.Port)
		if t.Last != t.Port {
			port += fmt.Sprintf("-%d", t.Last)
		}
		if t.Implied {
			port += "(implied)"
		}
		out = append(out, port)
	}
	add("service=", t.Service)
	add("path=", t.Path)
	add("unix=", t.Unix)
	return strings.Join(out, " ")
}

func TestParse(t *testing.T) {
	for word, want := range map[string]string{
		"80":                             ":80",
		"0":                              ":0",
		":80":                            ":80",
		"*:80":                           ":80",
		"3000-3010":                      ":3000-3010",
		":3000-3010":                     ":3000-3010",
		":http":                          ":80 service=http",
		"http":                           ":80 service=http",
		"Postgres":                       ":5432 service=postgres",
		"localhost:http":                 "host=localhost :80 service=http",
		"localhost":                      "host=localhost",
		"localhost:5432":                 "host=localhost :5432",
		"127.0.0.1":                      "host=127.0.0.1 ip",
		"127.0.0.1:80":                   "host=127.0.0.1 ip :80",
		"[127.0.0.1]:80":                 "host=127.0.0.1 ip :80",
		"::1":                            "host=::1 ip",
		"[::1]":                          "host=::1 ip",
		"[::1]:80":                       "host=::1 ip :80",
		"[::1]:http":                     "host=::1 ip :80 service=http",
		"::1:80":                         "host=::1 ip :80",
		"::1:http":                       "host=::1 ip :80 service=http",
		":::3000":                        "host=:: ip :3000",
		"::ffff:127.0.0.1:80":            "host=::ffff:127.0.0.1 ip :80",
		"2001:db8::1":                    "host=2001:db8::1 ip",
		"1:2:3:4:5:6:7:8:80":             "host=1:2:3:4:5:6:7:8 ip :80",
		"fe80::1%eth0":                   "host=fe80::1%eth0 ip",
		"[fe80::1%eth0]:80":              "host=fe80::1%eth0 ip :80",
		"10.0.0.0/8":                     "block=10.0.0.0/8",
		"10.1.2.3/8":                     "block=10.0.0.0/8",
		"fd00::/8":                       "block=fd00::/8",
		"10.0.0.0/8:80":                  "block=10.0.0.0/8 :80",
		"tcp:80":                         "tcp :80",
		"UDP:53":                         "udp :53",
		"tcp:localhost:80":               "tcp host=localhost :80",
		"53/udp":                         "udp :53",
		"53/UDP":                         "udp :53",
		"dns/udp":                        "udp :53 service=dns",
		"localhost:53/udp":               "udp host=localhost :53",
		"ipv4:127.0.0.1:50051":           "host=127.0.0.1 ip :50051",
		"ipv6:[::1]:50051":               "host=::1 ip :50051",
		"me@localhost:22":                "host=localhost :22",
		"localhost:3000/health":          "http host=localhost :3000 path=/health",
		"localhost/health":               "http host=localhost :80(implied) path=/health",
		"[::1]:3000/a?b=c":               "http host=::1 ip :3000 path=/a?b=c",
		"http://localhost":               "http host=localhost :80(implied) path=/",
		"HTTPS://[::1]:8443/a#b":         "https host=::1 ip :8443 path=/a",
		"http://:8000/x":                 "http :8000 path=/x",
		"http://*:5000":                  "http :5000 path=/",
		"http://[fe80::1%25eth0]/":       "http host=fe80::1%eth0 ip :80(implied) path=/",
		"http://localhost?x=1":           "http host=localhost :80(implied) path=/?x=1",
		"ws://localhost:5173/hmr":        "ws host=localhost :5173 path=/hmr",
		"postgres://me:pw@db/shop":       "postgres host=db :5432(implied) path=/shop",
		"mongodb://localhost":            "mongodb host=localhost :27017(implied) path=/",
		"mongodb://a:1,b:2/x":            "mongodb host=a :1 path=/x",
		"mongodb+srv://c.test/":          "mongodb+srv host=c.test :27017(implied) path=/",
		"jdbc:mysql://localhost/x":       "mysql host=localhost :3306(implied) path=/x",
		"dns:///localhost:50053":         "dns host=localhost :50053",
		"tcp://127.0.0.1:2375":           "tcp tcp host=127.0.0.1 ip :2375 path=/",
		"udp://localhost":                "udp udp host=localhost path=/",
		"gopher://localhost:70/":         "gopher host=localhost :70 path=/",
		"/run/docker.sock":               "unix=/run/docker.sock",
		"./app.sock":                     "unix=./app.sock",
		"@name":                          "unix=@name",
		"unix:/run/x":                    "unix=/run/x",
		"unix:///run/x":                  "unix=/run/x",
		"http+unix://%2Frun%2Fx.sock/v1": "unix=/run/x.sock",
		"db":                             "host=db",
		"a_b.test.:1":                    "host=a_b.test. :1",
		"Web.Shop.localhost":             "host=Web.Shop.localhost",
	} {
		got, err := Parse(word)
		if err != nil || brief(got) != want {
			t.Errorf("%q: %q, %v, want %q", word, brief(got), err, want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	var port *PortError
	var host *HostError
	var order *OrderError
	for word, is := range map[string]func(error) bool{
		"":                       func(err error) bool { return errors.Is(err, ErrEmpty) },
		"*":                      func(err error) bool { return errors.Is(err, ErrEmpty) },
		":":                      func(err error) bool { return errors.As(err, &port) },
		"65536":                  func(err error) bool { return errors.As(err, &port) },
		"localhost:99999":        func(err error) bool { return errors.As(err, &port) },
		"localhost:nosuchname":   func(err error) bool { return errors.As(err, &port) },
		"127.0.0.1:80x":          func(err error) bool { return errors.As(err, &port) },
		"3010-3000":              func(err error) bool { return errors.As(err, &order) },
		"300.0.0.1":              func(err error) bool { return errors.As(err, &host) },
		"127.0.0.1/33":           func(err error) bool { return errors.As(err, &host) },
		"a..b:80":                func(err error) bool { return errors.As(err, &host) },
		"-x:80":                  func(err error) bool { return errors.As(err, &host) },
		"käse:80":                func(err error) bool { return errors.As(err, &host) },
		"[::1":                   func(err error) bool { return err != nil },
		"[::1]80":                func(err error) bool { return err != nil },
		"http://":                func(err error) bool { return err != nil },
		"http://:http/":          func(err error) bool { return err != nil },
		"1x://localhost":         func(err error) bool { return err != nil },
		"local host":             func(err error) bool { return err != nil },
		"a\x00b":                 func(err error) bool { return err != nil },
		strings.Repeat("a", 4e3): func(err error) bool { return err != nil },
	} {
		if got, err := Parse(word); !is(err) {
			t.Errorf("%q: %q, %v", word, brief(got), err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"80", ":http", "::1:80", "[::1]:80/x", "http://a:1,b/", "10.0.0.0/8:1-2", "udp:53", "@x", "unix:///x", "jdbc:a://b", "a@b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := Parse(s)
		if err != nil {
			return
		}
		if got.Host == "" && !got.HasPort && got.Unix == "" && !got.Block.IsValid() {
			t.Errorf("%q: nothing was read, and no error given", s)
		}
		if got.HasPort && got.Last < got.Port || got.Host != "" && !got.IP.IsValid() && !ValidName(got.Host) {
			t.Errorf("%q: %+v", s, got)
		}
	})
}
