package test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestLogs(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("logs", "lodge.toml", `version = 1
[services.one]
command = "sh -c 'echo first of one; echo second of one >&2; exec sleep 1000'"
ready = { log = "second of one" }
[services.two]
command = "sh -c 'echo first of two; printf unfinished; exec sleep 1000'"
needs = ["one"]
ready = { log = "first of two" }
`)
		p.up()
		follow := p.start("logs", "-f")
		awaitOutput(t, follow, "first of two")
		// A run's output is kept beside the services'.
		p.lodge("run", "--name", "job", "--", "sh", "-c", "echo from a job").ok(t)
		awaitOutput(t, follow, "from a job")
		p.lodge("down").ok(t)
		if r := follow.wait(); r.code != 0 {
			t.Errorf("logs -f when the project ends: %v", r)
		}
		// All of it is read back after everything has stopped.
		all := p.lodge("logs").ok(t)
		want := []string{"one    | first of one", "one    | second of one", "two    | first of two", "two    | unfinished", "job    | from a job"}
		for _, w := range want {
			if strings.Count(all, w) != 1 {
				t.Errorf("logs: want %q once:\n%s", w, all)
			}
		}
		if strings.Index(all, want[0]) > strings.Index(all, want[1]) || strings.Index(all, want[1]) > strings.Index(all, want[2]) {
			t.Errorf("logs are not in the order of time:\n%s", all)
		}
		if got := p.lodge("logs", "two").ok(t); strings.Contains(got, "of one") || !strings.Contains(got, "first of two") {
			t.Errorf("logs two:\n%s", got)
		}
		if got := p.lodge("logs", "-n", "1", "one").ok(t); got != "one    | second of one" {
			t.Errorf("logs -n 1 one: %q", got)
		}
		if got := p.lodge("logs", "--since", time.Now().Add(time.Hour).Format(time.RFC3339)).ok(t); got != "" {
			t.Errorf("logs --since in an hour: %q", got)
		}
		if got := p.lodge("logs", "--since", "1h").ok(t); got != all {
			t.Errorf("logs --since 1h: %q, want all", got)
		}
		var last time.Time
		for _, l := range strings.Split(p.lodge("logs", "--json").ok(t), "\n") {
			var rec struct {
				Time    time.Time `json:"time"`
				Service string    `json:"service"`
				Text    string    `json:"text"`
			}
			if err := json.Unmarshal([]byte(l), &rec); err != nil || rec.Service == "" || rec.Time.Before(last) {
				t.Errorf("logs --json: %v in %q", err, l)
			}
			last = rec.Time
		}
		if r := p.lodge("logs", "nobody"); r.stdout != "" {
			t.Errorf("logs of a service that is not there: %v", r)
		}
	})
}

func TestLogRotation(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		// About 60 MB: more than a service may keep.
		p := e.project("noisy", "lodge.toml", config("web", peerBin+" noisy 550000", `ready = { log = "line 550000 of" }`, `ready_timeout = "2m"`))
		p.up()
		q, _ := p.info()
		p.lodge("down").ok(t)
		files, err := filepath.Glob(filepath.Join(q.LogDir, "web.log*"))
		if err != nil || len(files) < 2 {
			t.Fatalf("log files: %v, %v; want several", files, err)
		}
		var size int64
		for _, f := range files {
			fi, err := os.Stat(f)
			if err != nil {
				t.Fatal(err)
			}
			size += fi.Size()
		}
		// Four files of 8 MiB.
		if size > 36<<20 {
			t.Errorf("the logs take %d bytes on disk in %v", size, files)
		}
		out := p.lodge("logs", "-n", "2").ok(t)
		if !strings.Contains(out, "line 549999 of") || !strings.Contains(out, "line 550000 of") {
			t.Errorf("logs -n 2: %q", out)
		}
		// What is kept is whole: consecutive lines to the end.
		all := strings.Split(p.lodge("logs").ok(t), "\n")
		if len(all) < 50000 {
			t.Fatalf("logs has %d lines", len(all))
		}
		for i, l := range all {
			if want := "line " + itoa(550000-len(all)+1+i) + " of"; !strings.Contains(l, want) {
				t.Fatalf("line %d from the end is %q, want %s", len(all)-i, l, want)
			}
		}
	})
}
