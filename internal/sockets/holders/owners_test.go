package holders

import (
	"slices"
	"testing"
)

func TestOwners(t *testing.T) {
	ps := []*Process{{PID: 10}, {PID: 11}, {PID: 12}}
	o := NewOwners(ps, []Holding{
		{Inode: 7, Process: 2}, {Inode: 1 << 31, Process: 0, Opened: 5}, {Inode: 7, Process: 1},
		{Inode: 7, Process: 2}, {Inode: 0, Process: 1}, {Inode: 9, Process: 3}, {Inode: 8, Process: 1<<32 - 1},
		{Inode: 1<<32 - 1, Process: 0, Opened: 1e9},
	})
	for inode, want := range map[uint32][]int32{7: {2, 1}, 1 << 31: {0}, 1<<32 - 1: {0}, 0: nil, 8: nil, 9: nil, 1: nil} {
		if got := o.Holders(inode); !slices.Equal(got, want) {
			t.Errorf("holders of %d: %v, want %v", inode, got, want)
		}
	}
	if at, ok := o.OpenedAt(1<<32 - 1); !ok || at.Unix() != 1 {
		t.Errorf("opened: %v, %v", at, ok)
	}
	for _, inode := range []uint32{0, 1, 7} {
		if at, ok := o.OpenedAt(inode); ok {
			t.Errorf("opened of %d: %v", inode, at)
		}
	}
	for _, none := range []*Owners{{}, NewOwners(nil, nil)} {
		if got := none.Holders(7); len(got) != 0 {
			t.Errorf("an empty table: %v", got)
		}
	}
}

// Neither the number of sockets nor of one socket's holders makes it wrong.
func TestOwnersMany(t *testing.T) {
	ps := make([]*Process, 300)
	var hs []Holding
	for p := range ps {
		ps[p] = &Process{PID: p + 1}
		hs = append(hs, Holding{Inode: 5000, Process: uint32(p)})
		for i := range 100 {
			hs = append(hs, Holding{Inode: uint32(100000 + 100*p + i), Process: uint32(p)})
		}
	}
	o := NewOwners(ps, hs)
	if got := len(o.Holders(5000)); got != len(ps) {
		t.Errorf("%d holders, want %d", got, len(ps))
	}
	for p := range ps {
		for i := range 100 {
			if got := o.Holders(uint32(100000 + 100*p + i)); len(got) != 1 || int(got[0]) != p {
				t.Fatalf("process %d, socket %d: %v", p, i, got)
			}
		}
	}
}

func BenchmarkOwners(b *testing.B) {
	ps := make([]*Process, 1000)
	hs := make([]Holding, 200000)
	for i := range ps {
		ps[i] = &Process{PID: i}
	}
	for i := range hs {
		hs[i] = Holding{Inode: uint32(100000 + i), Process: uint32(i % 1000)}
	}
	for b.Loop() {
		o := NewOwners(ps, hs)
		for i := range hs {
			if o.Holders(uint32(100000 + i))[0] < 0 {
				b.Fatal(i)
			}
		}
	}
}
