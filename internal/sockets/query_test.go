package sockets

import (
	"fmt"
	"strings"
	"testing"

	"lodge/internal/sockets/diag"
)

func TestKernelStates(t *testing.T) {
	for _, c := range []struct {
		states []string
		proto  uint8
		want   uint32
	}{
		{nil, diag.ProtoTCP, 0xfff | 1<<12 | 1<<13}, {nil, diag.ProtoUDP, 0xfff},
		{[]string{"listen"}, diag.ProtoTCP, 1 << 10}, {[]string{"listen"}, diag.ProtoUDP, 1 << 10},
		{[]string{"bound"}, diag.ProtoTCP, 1<<7 | 1<<13}, {[]string{"bound"}, diag.ProtoUDP, 1 << 7},
		{[]string{"connected"}, diag.ProtoTCP, 0}, {[]string{"connected"}, diag.ProtoUDP, 1 << 1},
		{[]string{"syn_recv", "time_wait"}, diag.ProtoTCP, 1<<3 | 1<<12 | 1<<6},
	} {
		q := Query{States: c.states}
		if got := q.kernelStates(c.proto); got != c.want {
			t.Errorf("%v of %d: %#x, want %#x", c.states, c.proto, got, c.want)
		}
	}
}

func TestQueryIsChecked(t *testing.T) {
	for _, q := range []Query{{States: []string{"open"}}, {Protocols: []string{"sctp"}}} {
		if _, err := List(t.Context(), q); err == nil || !strings.HasPrefix(err.Error(), "list sockets: ") {
			t.Errorf("%+v: %v", q, err)
		}
	}
}

func TestParseSockstat(t *testing.T) {
	// /proc/net/sockstat and sockstat6 of Linux 6.18.
	text := "sockets: used 30\nTCP: inuse 6 orphan 0 tw 3 alloc 202006 mem 331\nUDP: inuse 5 mem 0\nUDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n"
	if n := parseSockstat([]byte(text)); n != 9 {
		t.Errorf("got %d", n)
	}
	if n := parseSockstat([]byte("TCP6: inuse 2\nUDP6: inuse 1\n")); n != 2 {
		t.Errorf("got %d", n)
	}
	if n := parseSockstat([]byte("TCP:\nTCP: inuse\nTCP: inuse x tw 99999999999\n")); n != 0 {
		t.Errorf("got %d", n)
	}
}

func TestParsePasswd(t *testing.T) {
	for line, want := range map[string]string{
		"root:x:0:0:root:/root:/bin/bash": "0 root", "ann:x:1000:100::/:": "1000 ann", "ann:x:1000": "", "": "", "ann:x": "", "ann:x:y:": "", ":x:1:": "", "+::::::": "",
	} {
		uid, name, ok := parsePasswd(line)
		if ok != (want != "") || ok && want != fmt.Sprint(uid, " ", name) {
			t.Errorf("%q: %d %q %v", line, uid, name, ok)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add([]byte("root:x:0:0:root:/root:/bin/bash"))
	f.Add([]byte("TCP: inuse 6 orphan 0 tw 3"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _, _ = parsePasswd(string(b))
		_ = parseSockstat(b)
	})
}
