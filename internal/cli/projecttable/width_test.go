package projecttable

import (
	"slices"
	"strings"
	"testing"
)

func TestTableFitsTheTerminal(t *testing.T) {
	titles := "PROJECT SERVICE STATE HOME PORTS ENGINE PID UP NAME"
	row := "main python3 ready 127.103.94.6 8000 seccomp 7765 9s https://python3.main.localhost"
	for width, left := range map[int]string{
		0: titles, 1000: titles, 95: titles,
		94: "PROJECT SERVICE STATE HOME PORTS PID UP NAME",
		80: "PROJECT SERVICE STATE HOME PORTS UP NAME",
		79: "PROJECT SERVICE STATE HOME PORTS NAME",
		10: "PROJECT SERVICE STATE HOME PORTS NAME",
	} {
		rows := [][]string{strings.Fields(titles), strings.Fields(row)}
		got := fitting(rows, width)
		if strings.Join(got[0], " ") != left || len(got[1]) != len(got[0]) || got[1][len(got[1])-1] != "https://python3.main.localhost" {
			t.Errorf("%d columns: %q", width, got)
		}
		if i := slices.Index(got[0], "PORTS"); got[1][i] != "8000" {
			t.Errorf("%d columns: %q", width, got)
		}
	}
}
