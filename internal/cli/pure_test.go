package cli

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/keeperapi"
	"lodge/internal/loopback"
	"lodge/internal/service"
)

func TestParseSince(t *testing.T) {
	zone := time.FixedZone("east", 2*3600)
	now := time.Date(2026, 3, 4, 15, 6, 7, 8, zone)
	for text, want := range map[string]string{
		"10m":                         "2026-03-04T14:56:07.000000008+02:00",
		"0s":                          "2026-03-04T15:06:07.000000008+02:00",
		"1h30m":                       "2026-03-04T13:36:07.000000008+02:00",
		"2026-01-02T03:04:05Z":        "2026-01-02T03:04:05Z",
		"2026-01-02T03:04:05.5+01:00": "2026-01-02T03:04:05.5+01:00",
		"2026-01-02 03:04:05":         "2026-01-02T03:04:05+02:00",
		"2026-01-02 03:04":            "2026-01-02T03:04:00+02:00",
		"2026-01-02":                  "2026-01-02T00:00:00+02:00",
		"03:04:05":                    "2026-03-04T03:04:05+02:00",
		"03:04":                       "2026-03-04T03:04:00+02:00",
		"yesterday":                   "",
		"":                            "",
		"-10m":                        "",
		"10":                          "",
		"25:00":                       "",
		"2026-13-01":                  "",
	} {
		got, err := parseSince(text, now)
		if want == "" {
			if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", text)) {
				t.Errorf("%q: got %v, %v", text, got, err)
			}
			continue
		}
		if err != nil || got.Format(time.RFC3339Nano) != want {
			t.Errorf("%q: got %s, %v", text, got.Format(time.RFC3339Nano), err)
		}
	}
}

func TestPorts(t *testing.T) {
	ep := func(proto loopback.Protocol, ip string, port uint16) loopback.Endpoint {
		return loopback.Endpoint{Protocol: proto, IP: netip.MustParseAddr(ip), Port: port}
	}
	for _, c := range []struct {
		eps  []loopback.Endpoint
		want string
	}{
		{nil, "-"},
		{[]loopback.Endpoint{ep(loopback.TCP, "127.83.1.2", 8000)}, "8000"},
		{[]loopback.Endpoint{ep(loopback.UDP, "127.83.1.2", 53)}, "53/udp"},
		{[]loopback.Endpoint{
			ep(loopback.UDP, "127.83.1.2", 53), ep(loopback.TCP, "::1", 8000), ep(loopback.TCP, "127.83.1.2", 443),
			ep(loopback.TCP, "127.83.1.2", 8000), ep(loopback.TCP, "127.83.1.2", 53),
		}, "53,443,8000,53/udp"},
	} {
		if got := ports(c.eps); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestDirs(t *testing.T) {
	home := t.TempDir()
	root := os.Getuid() == 0
	for _, c := range []struct {
		name           string
		env            []string
		runtime, state string // what they end with
		root           bool   // as root only
	}{
		{"named", []string{"XDG_RUNTIME_DIR=/a", "XDG_STATE_HOME=/b", "HOME=" + home}, "/a/lodge", "/b/lodge", root},
		{"the last counts", []string{"XDG_RUNTIME_DIR=/z", "XDG_RUNTIME_DIR=/a", "XDG_STATE_HOME=/b"}, "/a/lodge", "/b/lodge", root},
		{"not absolute", []string{"XDG_RUNTIME_DIR=a", "XDG_STATE_HOME=./b", "HOME=" + home}, "/run/lodge", "/var/lib/lodge", true},
		{"not named", []string{"HOME=" + home}, "/run/lodge", "/var/lib/lodge", true},
		{"nothing at all", nil, "/run/lodge", "/var/lib/lodge", true},
	} {
		if c.root != root {
			continue
		}
		d := (&app{env: Env{Environ: c.env}}).dirs()
		if d.Runtime != c.runtime || d.State != c.state {
			t.Errorf("%s: got %+v", c.name, d)
		}
	}
	if !root {
		d := (&app{env: Env{Environ: []string{"HOME=" + home}}}).dirs()
		if d.State != filepath.Join(home, ".local/state/lodge") {
			t.Errorf("got %+v", d)
		}
	}
}

func TestStatusOfErrors(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
		want string
	}{
		{nil, 0, ""},
		{&exitError{code: 42}, 42, ""},
		{errors.New("do it: no"), 1, "lodge: do it: no\n"},
		{errors.Join(errors.New("one"), errors.New("two")), 1, "lodge: one; two\n"},
		{&usageError{err: errors.New("read x"), hint: "y"}, 2, "lodge: read x (hint: y)\n"},
		{fmt.Errorf("deep: %w", &hinted{err: unix.ENOSPC, hint: "make room"}), 1, "lodge: deep: no space left on device (hint: make room)\n"},
		{&keeperapi.Error{Message: "start service db: no", Hint: "h", Service: "db", LastLines: []string{"a", "b"}}, 1, "db | a\ndb | b\nlodge: start service db: no (hint: h)\n"},
	} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		a := &app{out: w, err: w}
		code := a.status(c.err)
		_ = w.Close()
		b := make([]byte, 4096)
		n, _ := r.Read(b)
		_ = r.Close()
		if code != c.code || string(b[:n]) != c.want {
			t.Errorf("%v: %d, %q", c.err, code, b[:n])
		}
	}
}

func TestUntilEnded(t *testing.T) {
	p := func(states ...service.State) keeperapi.Project {
		var out keeperapi.Project
		for i, st := range states {
			out.Services = append(out.Services, service.Status{Name: string(rune('a' + i)), State: st, Reason: "why"})
		}
		return out
	}
	for _, c := range []struct {
		p     keeperapi.Project
		names []string
		want  string
	}{
		{p(service.Up, service.Exited), nil, ""},
		{p(service.Failed, service.Backoff), nil, ""},
		{p(service.Exited, service.Stopped), nil, "all services ended"},
		{p(service.Exited, service.Failed), nil, "run service b: why"},
		{p(service.Up, service.Exited), []string{"b"}, "all services ended"},
	} {
		err := untilEnded(c.names)(c.p)
		if (err == nil) != (c.want == "") || err != nil && err.Error() != c.want {
			t.Errorf("%v: %v, want %q", c.p.Services, err, c.want)
		}
	}
}
