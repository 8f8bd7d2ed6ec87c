package main

import (
	"maps"
	"testing"
)

// What the tools print of one listener and the two ends of one connection.
func TestReaders(t *testing.T) {
	want := map[ends]int{
		{"127.10.0.1:20000", "*"}:               11,
		{"127.10.0.1:20000", "127.0.0.1:51514"}: 11,
		{"127.0.0.1:51514", "127.10.0.1:20000"}: 12,
	}
	for _, c := range []struct {
		name string
		read func(string) map[ends]int
		text string
	}{
		{"ss", readSS, `State  Recv-Q Send-Q Local Address:Port  Peer Address:Port Process
LISTEN 0      4096      127.10.0.1:20000      0.0.0.0:*     users:(("sockload",pid=11,fd=3))
ESTAB  0      0         127.10.0.1:20000    127.0.0.1:51514 users:(("sockload",pid=11,fd=5))
ESTAB  0      0          127.0.0.1:51514   127.10.0.1:20000 users:(("sockload",pid=12,fd=4))
`},
		{"netstat", readNetstat, `Active Internet connections (servers and established)
Proto Recv-Q Send-Q Local Address           Foreign Address         State       PID/Program name
tcp        0      0 127.10.0.1:20000        0.0.0.0:*               LISTEN      11/sockload
tcp        0      0 127.10.0.1:20000        127.0.0.1:51514         ESTABLISHED 11/sockload
tcp        0      0 127.0.0.1:51514         127.10.0.1:20000        ESTABLISHED 12/sockload
`},
		{"lsof", readLsof, `COMMAND   PID USER   FD   TYPE   DEVICE SIZE/OFF NODE NAME
sockload   11 root    3u  IPv4 10         0t0  TCP 127.10.0.1:20000 (LISTEN)
sockload   11 root    5u  IPv4 11         0t0  TCP 127.10.0.1:20000->127.0.0.1:51514 (ESTABLISHED)
sockload   12 root    4u  IPv4 12         0t0  TCP 127.0.0.1:51514->127.10.0.1:20000 (ESTABLISHED)
`},
		{"lodge", readLodgeText, `PROTO  LISTENS ON        PROCESS       USER  COMMAND
tcp    127.10.0.1:20000  sockload[11]  root  sockload -child 0

CLIENT        FROM               → TO                 SERVER        STATE
sockload[12]  127.0.0.1:51514    → 127.10.0.1:20000   sockload[11]  established
`},
		{"lodge --json", readLodgeJSON, `{"sockets":[
{"protocol":"tcp","state":"listen","local":{"ip":"127.10.0.1","port":20000},"processes":[{"pid":11,"name":"sockload"}]},
{"protocol":"tcp","local":{"ip":"127.10.0.1","port":20000},"remote":{"ip":"127.0.0.1","port":51514},"processes":[{"pid":11}]},
{"protocol":"tcp","local":{"ip":"127.0.0.1","port":51514},"remote":{"ip":"127.10.0.1","port":20000},"processes":[{"pid":12}]}
],"unknown_owners":0,"warnings":[]}
`},
	} {
		got := c.read(c.text)
		if !maps.Equal(got, want) {
			t.Errorf("%s: got %v", c.name, got)
		}
		if listed, right := shares(want, got); listed != 1 || right != 1 {
			t.Errorf("%s: %v, %v", c.name, listed, right)
		}
	}
	if listed, right := shares(want, map[ends]int{{"127.10.0.1:20000", "*"}: 0}); listed != 1.0/3 || right != 0 {
		t.Errorf("got %v, %v", listed, right)
	}
}

func TestParsePeak(t *testing.T) {
	const status = "Name:\tsockload-of-a-l\nUmask:\t0022\nVmPeak:\t    9000 kB\nVmHWM:\t    1234 kB\nVmRSS:\t    1000 kB\n"
	if got, err := parsePeak([]byte(status), "sockload-of-a-long-name"); got != 1234*1024 || err != nil {
		t.Error(got, err)
	}
	for _, bad := range []string{"", "Name:\tother\nVmHWM:\t 1 kB\n", "Name:\tsockload\n", "Name:\tsockload\nVmHWM:\tx kB\n"} {
		if got, err := parsePeak([]byte(bad), "sockload"); err == nil {
			t.Errorf("%q: %v", bad, got)
		}
	}
}

func TestParseLive(t *testing.T) {
	for text, want := range map[string]string{
		`{"capabilities":[{"name":"engine ebpf","status":"yes"},{"name":"live socket map","status":"yes","reason":"it works"}]}`: "",
		`{"capabilities":[{"name":"live socket map","status":"no","reason":"no helper"}]}`:                                       "no: no helper",
		`{"capabilities":[]}`: "this lodge has none",
	} {
		if got := parseLive([]byte(text)); got != want {
			t.Errorf("%s: %q", text, got)
		}
	}
	if got := parseLive([]byte("x")); got == "" {
		t.Error("nonsense was read")
	}
}
