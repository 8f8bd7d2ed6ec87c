package tls

import (
	"cmp"
	"slices"
	"testing"
)

// The tables are in order and have each number once, as looking up needs them.
func TestTablesAreSorted(t *testing.T) {
	for name, table := range map[string][]named{"suites": suites[:], "groups": groups[:], "alerts": alerts[:]} {
		for i := range table[1:] {
			if table[i].id >= table[i+1].id {
				t.Errorf("%s: %#x stands before %#x", name, table[i].id, table[i+1].id)
			}
		}
		if !slices.IsSortedFunc(table, func(a, b named) int { return cmp.Compare(a.id, b.id) }) || find(table, table[0].id) != table[0].name {
			t.Errorf("%s is not in order", name)
		}
	}
	if suiteName(0x1301) != "TLS_AES_128_GCM_SHA256" || groupName(0x001d) != "x25519" || alertName(48) != "unknown_ca" || suiteName(0xfefe) != "0xfefe" {
		t.Error("a name is not found")
	}
}
