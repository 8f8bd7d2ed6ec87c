package owners

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

func sample() *Table {
	return &Table{
		Boot:   5e9,
		Hidden: 3,
		Processes: []Process{
			{PID: 7, Parent: 1, UID: 1000, Start: 42, Name: "curl", Command: "curl\x00-s\x00", Cut: true},
			{PID: 9, UID: 1<<32 - 1, Start: 1 << 63, Name: ""},
		},
		Holdings: []Holding{{Inode: 4711, Process: 1, Opened: 3e9}, {Inode: 1<<32 - 1, Process: 0}},
		Closed: []Closed{
			{Namespace: 4026531833, Local: netip.MustParseAddrPort("127.0.0.1:49342"), Remote: netip.MustParseAddrPort("127.0.0.1:80"), Process: 0, At: 4e9},
			{Local: netip.MustParseAddrPort("[::1]:1"), Remote: netip.MustParseAddrPort("[fd6c::1]:65535"), Process: 1},
		},
		Warnings: []string{"", "one\nline"},
	}
}

func TestBytes(t *testing.T) {
	for _, want := range []*Table{sample(), {Processes: []Process{}, Holdings: []Holding{}, Closed: []Closed{}}} {
		got, err := Parse(want.Append(nil))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	}
}

// The literal bytes of a table with one process and one socket.
func TestLiteralBytes(t *testing.T) {
	want := "low1" + "\x01\x00\x00\x00" + "\x01\x00\x00\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00" +
		"\x00\xca\x9a\x3b\x00\x00\x00\x00" +
		"\x02\x01\x00\x00" + "\x01\x00\x00\x00" + "\xe8\x03\x00\x00" + "\x2a\x00\x00\x00\x00\x00\x00\x00" + "\x00" + "\x02\x00sh" + "\x00\x00" +
		"\x67\x12\x00\x00" + "\x00\x00\x00\x00"
	one := &Table{
		Boot:      1e9,
		Processes: []Process{{PID: 258, Parent: 1, UID: 1000, Start: 42, Name: "sh"}},
		Holdings:  []Holding{{Inode: 4711}},
	}
	if got := string(one.Append(nil)); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestBadBytes(t *testing.T) {
	good := sample().Append(nil)
	for n := range good {
		if _, err := Parse(good[:n]); err == nil {
			t.Fatalf("%d of %d bytes: no error", n, len(good))
		}
	}
	change := func(at int, v uint32) []byte {
		b := bytes.Clone(good)
		binary.LittleEndian.PutUint32(b[at:], v)
		return b
	}
	holding := headerLen + 2*processLen + len("curl") + len("curl\x00-s\x00")
	for name, b := range map[string][]byte{
		"more":               append(bytes.Clone(good), 0),
		"another beginning":  change(0, 1),
		"too many processes": change(4, 1<<32-1),
		"too many holdings":  change(8, 1<<32-1),
		"too many opened":    change(12, 1<<32-1),
		"too many closed":    change(16, 1<<32-1),
		"too many warnings":  change(20, 1<<32-1),
		"holding's process":  change(holding+4, 2),
		"opened's holding":   change(holding+2*holdingLen, 2),
		"closed's process":   change(holding+2*holdingLen+openedLen+4, 2),
	} {
		if _, err := Parse(b); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLongText(t *testing.T) {
	long := &Table{Warnings: []string{strings.Repeat("x", 70000)}}
	got, err := Parse(long.Append(nil))
	if err != nil || len(got.Warnings[0]) != maxTextSize {
		t.Errorf("%v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample().Append(nil))
	f.Add((&Table{}).Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		table, err := Parse(b)
		if err != nil {
			return
		}
		for _, h := range table.Holdings {
			_ = table.Processes[h.Process]
		}
		for _, c := range table.Closed {
			_ = table.Processes[c.Process]
		}
		again, err := Parse(table.Append(nil))
		if err != nil || !reflect.DeepEqual(again, table) {
			t.Errorf("%+v, %v, want %+v", again, err, table)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	t := &Table{Processes: make([]Process, 1000), Holdings: make([]Holding, 200000)}
	for i := range t.Holdings {
		t.Holdings[i] = Holding{Inode: uint32(i + 1), Process: uint32(i % 1000)}
	}
	buf := t.Append(nil)
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		if _, err := Parse(buf); err != nil {
			b.Fatal(err)
		}
	}
}
