package filter

import (
	"errors"
	"fmt"
	"os/user"
	"strings"
	"testing"

	"lodge/internal/cli/clitest"
	"lodge/internal/cli/daemonview"
	"lodge/internal/cli/kit"
	"lodge/internal/localapi"
	"lodge/internal/query"
	"lodge/internal/query/socketquery"
	"lodge/internal/service"
	"lodge/internal/sockets"
)

// described writes down what stands side by side, by kinds.
func described(e query.Expr) string {
	kinds := []string{"protocol", "place", "word", "service", "host", "addresses", "pids", "names", "projects", "paths"}
	found := make(map[string][]string)
	query.Walk(e, func(t *query.Term, _ bool) {
		for _, v := range t.Values {
			at := fmt.Sprintf("%d-%d", v.Low, v.High)
			switch t.Field.ID {
			case socketquery.Protocol:
				found["protocol"] = append(found["protocol"], v.Text)
			case socketquery.Port, socketquery.At:
				found["place"] = append(found["place"], fmt.Sprintf("%v:%s", v.Prefixes, at))
			case socketquery.Word:
				found["word"] = append(found["word"], t.Text)
			case socketquery.Service:
				found["service"] = append(found["service"], v.Text+"/"+v.Name)
			case socketquery.Host:
				if v.Low < 0 {
					at = ""
				} else {
					at = ":" + at
				}
				found["host"] = append(found["host"], v.Text+at)
			case socketquery.Address:
				for _, p := range v.Prefixes {
					found["addresses"] = append(found["addresses"], p.String())
				}
			case socketquery.PID:
				found["pids"] = append(found["pids"], fmt.Sprint(v.Low))
			case socketquery.Process:
				found["names"] = append(found["names"], v.Text)
			case socketquery.Project:
				found["projects"] = append(found["projects"], v.Text)
			case socketquery.Path:
				found["paths"] = append(found["paths"], v.Text)
			}
		}
	})
	var out []string
	for _, kind := range kinds {
		if all := found[kind]; kind == "addresses" || kind == "pids" || kind == "names" || kind == "projects" || kind == "paths" {
			if all != nil {
				out = append(out, kind+"="+fmt.Sprint(all))
			}
		} else {
			for _, one := range all {
				out = append(out, kind+"="+one)
			}
		}
	}
	return strings.Join(out, " ")
}

// filterOf reads words as `lodge ports` does.
func filterOf(words ...string) (query.Expr, error) {
	e, err := query.Parse(words, &Sockets(false).Schema)
	return e, Error(err)
}

func TestWord(t *testing.T) {
	for word, want := range map[string]string{
		"5432":                       "place=[]:5432-5432",
		":5432":                      "place=[]:5432-5432",
		"*:5432":                     "place=[]:5432-5432",
		"0":                          "place=[]:0-0",
		"3000-3010":                  "place=[]:3000-3010",
		":3000-3010":                 "place=[]:3000-3010",
		"53/udp":                     "protocol=udp place=[]:53-53",
		"5432/tcp":                   "protocol=tcp place=[]:5432-5432",
		"127.0.0.1":                  "addresses=[127.0.0.1/32]",
		"::1":                        "addresses=[::1/128]",
		"[::1]":                      "addresses=[::1/128]",
		"::":                         "addresses=[::/128]",
		"::ffff:127.0.0.1":           "addresses=[127.0.0.1/32]",
		"fe80::1%eth0":               "addresses=[fe80::1/128]",
		"10.0.0.0/8":                 "addresses=[10.0.0.0/8]",
		"10.1.2.3/8":                 "addresses=[10.0.0.0/8]",
		"fd00::/8":                   "addresses=[fd00::/8]",
		"localhost":                  "addresses=[127.0.0.0/8 ::1/128]",
		"127.0.0.1:5432":             "place=[127.0.0.1/32]:5432-5432",
		"[::1]:80":                   "place=[::1/128]:80-80",
		"localhost:5432":             "place=[127.0.0.0/8 ::1/128]:5432-5432",
		"10.0.0.0/8:80":              "place=[10.0.0.0/8]:80-80",
		"127.0.0.1:3000-3010":        "place=[127.0.0.1/32]:3000-3010",
		"http://127.0.0.1:3000/x?y":  "place=[127.0.0.1/32]:3000-3000",
		"http://localhost/":          "place=[127.0.0.0/8 ::1/128]:80-80",
		"https://[::1]":              "place=[::1/128]:443-443",
		"https://web.shop.localhost": "host=web.shop.localhost",
		"postgres":                   "word=postgres",
		"node-2":                     "word=node-2",
		"7zip":                       "word=7zip",
		"tmux: server":               "word=tmux: server",
		"postgres[398]":              "pids=[398] names=[postgres]",
		"shop/web":                   "service=shop/web",
		"web.shop.localhost":         "host=web.shop.localhost",
		"web.shop.test:5432":         "host=web.shop.test:5432-5432",
		"shop.localhost":             "host=shop.localhost",
		".localhost":                 "word=.localhost",
		" 5432 ":                     "place=[]:5432-5432",

		":http":                 "place=[]:80-80",
		"localhost:http":        "place=[127.0.0.0/8 ::1/128]:80-80",
		"::1:80":                "place=[::1/128]:80-80",
		":::3000":               "place=[::/128]:3000-3000",
		"[127.0.0.1]:80":        "place=[127.0.0.1/32]:80-80",
		"mongodb://localhost":   "place=[127.0.0.0/8 ::1/128]:27017-27017",
		"localhost:3000/health": "place=[127.0.0.0/8 ::1/128]:3000-3000",
		"127.0.0.1:3000/health": "place=[127.0.0.1/32]:3000-3000",
		"tcp:80":                "protocol=tcp place=[]:80-80",
		"tcp/80":                "protocol=tcp place=[]:80-80",
		"127.0.0.1#5353":        "place=[127.0.0.1/32]:5353-5353",
		"localhost:3000?x=1":    "place=[127.0.0.0/8 ::1/128]:3000-3000",
		"//localhost:3000/x":    "place=[127.0.0.0/8 ::1/128]:3000-3000",
		"udp:127.0.0.1:53":      "protocol=udp place=[127.0.0.1/32]:53-53",
		"localhost:53/udp":      "protocol=udp place=[127.0.0.0/8 ::1/128]:53-53",
		"me@127.0.0.1:22":       "place=[127.0.0.1/32]:22-22",
		"http":                  "word=http",
		"/run/docker.sock":      "protocol=unix paths=[/run/docker.sock /var/run/docker.sock]",
		"unix:///x/app":         "protocol=unix paths=[/x/app]",
		"@abstract":             "protocol=unix paths=[@abstract]",

		"70000":           `! read port "70000": it is not between 0 and 65535`,
		":70000":          `! read port "70000": it is not between 0 and 65535`,
		"127.0.0.1:99999": `! read port "99999": it is not between 0 and 65535`,
		"3010-3000":       `! read ports "3010-3000": the first is the larger one (hint: 3000-3010)`,
		"3000-":           `! read "3000-": it is neither a port nor an address`,
		"80x":             "word=80x",
		"127.0.0.1:80x":   `! read port "80x": it is not a number`,
		"300.0.0.1":       `! read "300.0.0.1": it is neither a port nor an address`,
		"300.0.0.1:80":    `! read "300.0.0.1:80": "300.0.0.1" is not an address`,
		"127.0.0.1/33":    `! read "127.0.0.1/33": it is neither a port nor an address`,
		"example.com:80":  `! read "example.com:80": "example.com" is not an address`,
		"http://":         `! read "http://": it is not an address`,
		"":                `! read "": it is empty`,
		"/usr/bin/node":   `! read "/usr/bin/node": it is a path (hint: lodge ports node for a process, lodge ports -x /usr/bin/node for a socket)`,
		"shop/":           `! read "shop/": it is not PROJECT/SERVICE`,
		"a/b/c":           `! read "a/b/c": it is not PROJECT/SERVICE`,
	} {
		e, err := filterOf(word)
		got := described(e)
		if err != nil {
			var u *kit.UsageError
			if !errors.As(err, &u) || u.Hint == "" {
				t.Errorf("%q: %v is no wrong usage with a hint", word, err)
				continue
			}
			got = "! " + err.Error() + " (hint: " + u.Hint + ")"
		}
		if got != want && !(strings.HasPrefix(want, "! ") && strings.HasPrefix(got, want)) {
			t.Errorf("%q:\n got %s\nwant %s", word, got, want)
		}
	}
}

func FuzzWord(f *testing.F) {
	for _, w := range []string{"5432", "[::1]:80", "a[1]", "http://x", "1-2", "web.shop.localhost", "10.0.0.0/8:80", ":", "*", "%"} {
		f.Add(w)
	}
	f.Fuzz(func(t *testing.T, w string) {
		e, err := filterOf(w)
		if (query.String(e) == "") != (err != nil) {
			t.Errorf("%q: it means %q, error %v", w, query.String(e), err)
		}
		query.Walk(e, func(term *query.Term, _ bool) {
			for _, v := range term.Values {
				if v.High < v.Low {
					t.Errorf("%q: %+v", w, v)
				}
			}
		})
	})
}

func TestNamesAreProjectsFirst(t *testing.T) {
	e, err := filterOf("shop", "postgres")
	if err != nil {
		t.Fatal(err)
	}
	e = Resolve(Sockets(false), e, []sockets.Home{{Project: "shop"}}, nil)
	if got := described(e); got != "names=[postgres] projects=[shop]" {
		t.Errorf("got %s", got)
	}
}

func TestHostWordsAreServices(t *testing.T) {
	ps := []localapi.Project{{ID: "1", Name: "The Shop", Label: "the-shop", URL: "https://the-shop.localhost:25672", DefaultService: "web", Services: []service.Status{
		{Name: "web", State: service.Up, Endpoints: clitest.ListensAt("127.83.20.7:8000")}, {Name: "db", State: service.Up, Endpoints: clitest.ListensAt("127.83.20.7:5432")},
	}}}
	find := func(host string) *daemonview.Found { return daemonview.FindIn(ps, host) }
	for word, want := range map[string]string{
		"web.the-shop.localhost":                 "service=the-shop/web",
		"a.web.the-shop.localhost":               "service=the-shop/web",
		"the-shop.localhost":                     "service=the-shop/web",
		"the-shop.test":                          "projects=[the-shop]",
		"db.the-shop.test:5432":                  "place=[]:5432-5432 service=the-shop/db",
		"https://web.the-shop.localhost:25672/x": "service=the-shop/web",
		"https://web.the-shop.localhost/":        "service=the-shop/web",
		"http://web.the-shop.localhost:8000":     "place=[]:8000-8000 service=the-shop/web",
		"nix.the-shop.localhost":                 "service=the-shop/nix",
		"web.other.localhost":                    "service=other/web",
		"other.test":                             "projects=[other]",
	} {
		e, err := filterOf(word)
		if err != nil {
			t.Fatal(err)
		}
		if got := described(Resolve(Sockets(false), e, nil, find)); got != want {
			t.Errorf("%s: got %s, want %s", word, got, want)
		}
	}
}

func TestEngineIsToldFewPorts(t *testing.T) {
	for _, c := range []struct {
		words []string
		want  string
	}{{[]string{"1-3", "9"}, "[1 2 3 9]"}, {[]string{"0-65535"}, "[]"}, {[]string{"1-60", "100-110"}, "[]"}} {
		e, err := filterOf(c.words...)
		if err != nil {
			t.Fatal(err)
		}
		if q, _ := socketquery.Lower(e, sockets.Query{}); fmt.Sprint(q.Filter.Ports) != c.want {
			t.Errorf("%q: got %v", c.words, q.Filter.Ports)
		}
	}
}

func TestChoose(t *testing.T) {
	for word, want := range map[string]string{
		"listen": "listen", "LISTEN": "listen", "listening": "listen", "ESTAB": "established", "time-wait": "time_wait", "TIME_WAIT": "time_wait",
		"TimeWait": "time_wait", "fin-wait-1": "fin_wait_1", "closed": "close",
		"lisen": "! did you mean listen? There are listen,", "establish": "! did you mean established?", "no": "! one of listen,", "": "! one of listen,",
	} {
		got, err := ParseState(word)
		var u *kit.UsageError
		if errors.As(err, &u) {
			got = "! " + u.Hint
		}
		if got != want && !(strings.HasPrefix(want, "! ") && strings.HasPrefix(got, want)) {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
	for word, want := range map[string]string{"all": "all-interfaces", "ALL_INTERFACES": "all-interfaces", "link_local": "link-local", "lan": "lan"} {
		if got, err := ParseScope(word); got != want {
			t.Errorf("%q: got %q, %v", word, got, err)
		}
	}
}

func TestParseUser(t *testing.T) {
	if n, err := ParseUser("4294967295"); n != 4294967295 || err != nil {
		t.Error(n, err)
	}
	if u, err := user.LookupId("0"); err == nil {
		if n, err := ParseUser(u.Username); n != 0 || err != nil {
			t.Error(n, err)
		}
	}
	var u *kit.UsageError
	if _, err := ParseUser("nobody of this name"); !errors.As(err, &u) {
		t.Error(err)
	}
}
