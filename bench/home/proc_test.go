package main

import (
	"os"
	"testing"
)

func TestParseRollup(t *testing.T) {
	m, err := parseRollup([]byte("559d4c1c0000-7ffd3a5f2000 ---p 00000000 00:00 0                          [rollup]\n" +
		"Rss:                3104 kB\nPss:                1043 kB\nPss_Dirty:           368 kB\nShared_Clean:       2132 kB\n"))
	if err != nil || m.rss != 3104*1024 || m.pss != 1043*1024 {
		t.Errorf("got %+v, %v", m, err)
	}
	for _, bad := range []string{"", "Rss: 1 kB\n", "Rss: x kB\nPss: 1 kB\n"} {
		if _, err := parseRollup([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestOwnProcess(t *testing.T) {
	m, err := memoryOf(os.Getpid())
	if err != nil || m.pss <= 0 || m.rss < m.pss {
		t.Errorf("memory: %+v, %v", m, err)
	}
	all, _, err := descriptors(os.Getpid())
	if err != nil || all < 3 {
		t.Errorf("descriptors: %d, %v", all, err)
	}
}
