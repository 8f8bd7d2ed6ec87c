package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// postgresBin returns the directory of the newest PostgreSQL.
func postgresBin(t *testing.T) string {
	t.Helper()
	all, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(all) == 0 {
		t.Skip("program postgres is missing (hint: sh test/install)")
	}
	return filepath.Dir(all[len(all)-1])
}

// databases makes two projects with a database each, both on port 5432.
func (e *env) databases(bin string) [2]*project {
	e.t.Helper()
	as := ""
	if e.uid == 0 {
		need(e.t, "setpriv")
		as = fmt.Sprintf("setpriv --reuid=%d --regid=%d --clear-groups ", nobody, nobody)
	}
	// The server's working directory is its data directory, so -k is relative
	// to that.
	ps := e.pair("lodge.toml", config("db", as+bin+"/postgres -D data -k ../sock -p 5432",
		// It listens before it takes anybody.
		`ready = { command = "`+bin+`/pg_isready -q -h 127.0.0.1" }`))
	for _, p := range ps {
		for _, d := range []string{"data", "sock"} {
			p.mkdir(filepath.Join(p.dir, d))
			if e.uid == 0 {
				if err := os.Chown(filepath.Join(p.dir, d), nobody, nobody); err != nil {
					e.t.Fatal(err)
				}
			}
		}
		initdb := append(strings.Fields(as), bin+"/initdb", "-D", "data", "-A", "trust", "-U", "me", "--no-sync", "--locale=C", "-E", "UTF8")
		p.as(append([]string{"PATH=" + testPath}, e.environ...), p.dir, initdb...).ok(e.t)
	}
	return ps
}

// PostgreSQL refuses to run as root, and initdb wants a user with a passwd
// entry.
func TestPostgreSQL(t *testing.T) {
	bin := postgresBin(t)
	eachEngine(t, func(t *testing.T, e *env) {
		ps := e.databases(bin)
		for _, p := range ps {
			p.up()
		}
		differ(t, ps[0].home("tcp", 5432), ps[1].home("tcp", 5432))
		psql := func(host, sql string) []string {
			return []string{bin + "/psql", "-X", "-At", "-h", host, "-U", "me", "-d", "postgres", "-c", sql}
		}
		for _, p := range ps {
			p.exec(psql("localhost", "create table who (name text); insert into who values ('"+p.name+"')")...)
		}
		for _, p := range ps {
			home := p.home("tcp", 5432).Addr().String()
			for _, host := range []string{"localhost", "127.0.0.1", "::1", filepath.Join(p.dir, "sock")} {
				if got := p.exec(psql(host, "select name from who")...); got != p.name {
					t.Errorf("psql inside %s, -h %s: %q", p.name, host, got)
				}
			}
			for _, host := range []string{home, filepath.Join(p.dir, "sock")} {
				if got := p.as(e.environ, p.dir, psql(host, "select name from who")...).ok(t); got != p.name {
					t.Errorf("psql outside of %s, -h %s: %q", p.name, host, got)
				}
			}
		}
	}, asUser(nobody))
}

func TestRedis(t *testing.T) {
	need(t, "redis-server")
	need(t, "redis-cli")
	eachEngine(t, func(t *testing.T, e *env) {
		// Without a file Redis listens on every address, and once more on IPv6
		// alone: what it does is its own business.
		ps := e.pair("lodge.toml", config("redis", "redis-server --port 6379 --save '' --appendonly no"))
		for _, p := range ps {
			p.up()
		}
		differ(t, ps[0].home("tcp", 6379), ps[1].home("tcp", 6379))
		for _, p := range ps {
			if got := p.exec("redis-cli", "set", "who", p.name); got != "OK" {
				t.Errorf("redis-cli set inside %s: %q", p.name, got)
			}
		}
		for _, p := range ps {
			for _, host := range []string{"localhost", "127.0.0.1", "::1"} {
				if got := p.exec("redis-cli", "-h", host, "get", "who"); got != p.name {
					t.Errorf("redis-cli -h %s inside %s: %q", host, p.name, got)
				}
			}
			home := p.home("tcp", 6379).Addr().String()
			if got := p.as(e.environ, p.dir, need(t, "redis-cli"), "-h", home, "get", "who").ok(t); got != p.name {
				t.Errorf("redis-cli outside of %s: %q", p.name, got)
			}
		}
	})
}

func TestMemcached(t *testing.T) {
	need(t, "memcached")
	eachEngine(t, func(t *testing.T, e *env) {
		command := "memcached -p 11211 -U 11211"
		if e.uid == 0 {
			command += " -u root"
		}
		ps := e.pair("lodge.toml", config("cache", command))
		for _, p := range ps {
			p.up()
		}
		differ(t, ps[0].home("tcp", 11211), ps[1].home("tcp", 11211))
		differ(t, ps[0].home("udp", 11211), ps[1].home("udp", 11211))
		for _, p := range ps {
			set := fmt.Sprintf(`set who 0 0 %d\r\n%s\r\n`, len(p.name), p.name)
			if got := p.exec(peerBin, "tcp", "localhost:11211", set); got != "STORED" {
				t.Errorf("set inside %s over TCP: %q", p.name, got)
			}
		}
		// memcached's UDP frame: request id, sequence, count, reserved
		// (doc/protocol.txt, "UDP protocol").
		const frame = `\x00\x01\x00\x00\x00\x01\x00\x00`
		for _, p := range ps {
			home := p.home("udp", 11211).String()
			if got := p.exec(peerBin, "udp", "127.0.0.1:11211", frame+`get who\r\n`); !strings.Contains(got, p.name) {
				t.Errorf("get inside %s over UDP: %q", p.name, got)
			}
			if got := p.as(e.environ, p.dir, peerBin, "udp", home, frame+`get who\r\n`).ok(t); !strings.Contains(got, p.name) {
				t.Errorf("get outside of %s over UDP: %q", p.name, got)
			}
			if got := p.as(e.environ, p.dir, peerBin, "tcp", home, `get who\r\n`).ok(t); !strings.HasPrefix(got, "VALUE who") {
				t.Errorf("get outside of %s over TCP: %q", p.name, got)
			}
		}
	})
}
