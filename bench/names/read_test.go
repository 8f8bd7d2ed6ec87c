package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"lodge/bench/internal/rounds"
)

func TestParseWrk(t *testing.T) {
	v, err := parseWrk([]byte("Running 1s test @ http://x\n  1 threads and 64 connections\n" + `{"per_second":1234.5,"p50_us":7,"p99_us":90,"requests":1235,"errors":2}` + "\n"))
	if want := (load{PerSecond: 1234.5, P50: 7, P99: 90, Requests: 1235, Errors: 2}); err != nil || v != want {
		t.Errorf("got %+v, %v", v, err)
	}
	for _, bad := range []string{"", "unable to connect\n", "{\"per_second\":\n", `{"per_second":0,"requests":0}`} {
		if _, err := parseWrk([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

const h2loadSays = `starting benchmark...
TLS Protocol: TLSv1.3
Application protocol: h2

finished in 1.00s, 12042.50 req/s, 1.83MB/s
requests: 12042 total, 12106 started, 12042 done, 12040 succeeded, 2 failed, 1 errored, 1 timeout
status codes: 12040 2xx, 0 3xx, 0 4xx, 2 5xx
`

func TestParseH2load(t *testing.T) {
	v, err := parseH2load([]byte(h2loadSays))
	if want := (load{PerSecond: 12042.5, Requests: 12040, Errors: 2}); err != nil || v != want {
		t.Errorf("got %+v, %v", v, err)
	}
	for _, bad := range []string{"", strings.Replace(h2loadSays, "protocol: h2", "protocol: http/1.1", 1), strings.Replace(h2loadSays, "12040 succeeded", "0 succeeded", 1)} {
		if _, err := parseH2load([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestParseH2log(t *testing.T) {
	var log strings.Builder
	for _, us := range []string{"30", "10", "20", "50", "40"} {
		log.WriteString("1790000000000000\t200\t" + us + "\n")
	}
	p50, p99, err := parseH2log([]byte(log.String()))
	if err != nil || p50 != 30 || p99 != 50 {
		t.Errorf("got %v, %v, %v", p50, p99, err)
	}
	for _, bad := range []string{"", "1\t200\n", "1\t200\tx\n"} {
		if _, _, err := parseH2log([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestOwnTree(t *testing.T) {
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { child.Process.Kill(); child.Wait() }()
	all := tree(os.Getpid())
	if len(all) < 2 || all[0] != os.Getpid() {
		t.Errorf("tree: %v, without %d", all, child.Process.Pid)
	}
	if m := memoryOf(all); m.PSS <= 0 || m.Peak < m.PSS {
		t.Errorf("memory: %+v", m)
	}
	if kb := parseKB([]byte("Rss: 3 kB\nPss:   17 kB\n"), "Pss:"); kb != 17*1024 {
		t.Errorf("Pss: %v", kb)
	}
}

// A hold names the peer that it was compared with, and fails where it should.
func TestHoldHTTP1(t *testing.T) {
	row := func(name string, perSecond, p99 float64) loadRow {
		r := loadRow{Name: name}
		for range 9 {
			r.loads = append(r.loads, load{PerSecond: perSecond, P99: p99, Requests: 1})
		}
		return r
	}
	r := report{HTTP1: []loadTable{{Cell: "c", Conns: 64, Bytes: 100, Rows: []loadRow{
		row(lodgeName, 100, 10), row(nginxName, 120, 9), row(haproxyName, 90, 11), row(caddyName, 50, 60), row(portlessName, 20, 90),
	}}}}
	r.holdHTTP1(&r.HTTP1[0])
	want := map[string]string{"level with " + haproxyName: rounds.Yes, "p99 no worse than that of " + haproxyName: rounds.Yes, "3 times " + caddyName: rounds.No, "4 times " + portlessName: rounds.Yes}
	for _, h := range r.Holds {
		for what, verdict := range want {
			if strings.Contains(h.What, what) {
				if h.Verdict != verdict {
					t.Errorf("%s: %s", h.What, h.Verdict)
				}
				delete(want, what)
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("not judged: %v in %+v", want, r.Holds)
	}
}
