package kit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/keeperapi"
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
		got, err := ParseSince(text, now)
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
		d := (&Kit{Env: Env{Environ: c.env}}).Dirs()
		if d.Runtime != c.runtime || d.State != c.state {
			t.Errorf("%s: got %+v", c.name, d)
		}
	}
	if !root {
		d := (&Kit{Env: Env{Environ: []string{"HOME=" + home}}}).Dirs()
		if d.State != filepath.Join(home, ".local/state/lodge") {
			t.Errorf("got %+v", d)
		}
	}
}

// One remark a run: more would hide the result.
func TestRemark(t *testing.T) {
	var errs strings.Builder
	k := &Kit{Err: &errs}
	k.Remark("first")
	k.Remark("second")
	k.Warn("third", "fourth")
	if got := errs.String(); got != "lodge: first\nlodge: third\nlodge: fourth\n" {
		t.Errorf("got %q", got)
	}
}

func TestStatusOfErrors(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
		want string
	}{
		{nil, 0, ""},
		{&ExitError{Code: 42}, 42, ""},
		{errors.New("do it: no"), 1, "lodge: do it: no\n"},
		{errors.Join(errors.New("one"), errors.New("two")), 1, "lodge: one; two\n"},
		{&UsageError{Err: errors.New("read x"), Hint: "y"}, 2, "lodge: read x (hint: y)\n"},
		{fmt.Errorf("deep: %w", &Hinted{Err: unix.ENOSPC, Hint: "make room"}), 1, "lodge: deep: no space left on device (hint: make room)\n"},
		{&keeperapi.Error{Message: "start service db: no", Hint: "h", Service: "db", LastLines: []string{"a", "b"}}, 1, "db | a\ndb | b\nlodge: start service db: no (hint: h)\n"},
	} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		code := status(w, c.err)
		_ = w.Close()
		b := make([]byte, 4096)
		n, _ := r.Read(b)
		_ = r.Close()
		if code != c.code || string(b[:n]) != c.want {
			t.Errorf("%v: %d, %q", c.err, code, b[:n])
		}
	}
}
