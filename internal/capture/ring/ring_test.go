package ring

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

// fakeCPU is a ring in memory, written as the kernel does.
type fakeCPU struct {
	*cpu
	heads [2]uint64 // head and tail
}

func newFake(size int) *fakeCPU {
	f := &fakeCPU{}
	// Aligned as a mapping is.
	words := make([]uint64, 2*size/8)
	data := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), 2*size)
	f.cpu = &cpu{data: data, size: uint64(size), least: recordSize, head: &f.heads[0], tail: &f.heads[1]}
	return f
}

// write adds a record with flags in its length, at both places of the mapping. It
// reports whether there was room.
func (f *fakeCPU) write(body []byte, flags uint32) bool {
	n := uint64(8 + (len(body)+7)&^7)
	if f.heads[0]-f.heads[1]+n > f.size {
		return false
	}
	b := make([]byte, n)
	binary.NativeEndian.PutUint32(b, uint32(len(body))|flags)
	copy(b[8:], body)
	for i, c := range b {
		at := (f.heads[0] + uint64(i)) & (f.size - 1)
		f.data[at], f.data[at+f.size] = c, c
	}
	f.heads[0] += n
	return true
}

// record makes a record of a packet with that time.
func record(at uint64, lost uint32, data string) []byte {
	b := make([]byte, recordSize, recordSize+len(data)+16)
	ne := binary.NativeEndian
	ne.PutUint64(b, at)
	for i, v := range []uint64{11, 12, 13, 14, 15, 16} {
		ne.PutUint64(b[8+8*i:], v)
	}
	for i, v := range []uint32{21, 22, 23, 24, 25, 26, 27} {
		ne.PutUint32(b[56+4*i:], v)
	}
	ne.PutUint32(b[84:], uint32(len(data)+5))
	ne.PutUint32(b[88:], uint32(len(data)))
	ne.PutUint32(b[recordLost:], lost)
	ne.PutUint16(b[96:], 1448)
	b[98] = byte(InProcess)
	copy(b[recordComm:], "nginx")
	b = append(b, data...)
	return append(b, "what was there before"[:len(data)%16]...) // room that is not used
}

// drain gives the packets that are in the rings.
func (r *Rings) drain(handle func(*Packet) error, all bool) (given, held bool, err error) {
	give, after := r.packets(handle)
	defer func() { after(given) }()
	n, held, err := r.Records.drain(give, all)
	return n > 0, held, err
}

// readAll reads what is in the rings, as its text.
func readAll(t testing.TB, r *Rings, all bool) (out []string, given, held bool, err error) {
	t.Helper()
	given, held, err = r.drain(func(p *Packet) error {
		out = append(out, string(p.Data))
		return nil
	}, all)
	return out, given, held, err
}

func TestRecord(t *testing.T) {
	f := newFake(4096)
	f.write(record(1000, 0, "hello"), 0)
	r := &Rings{Records: &Records{cpus: []*cpu{f.cpu}}}
	var got Packet
	if _, _, err := r.drain(func(p *Packet) error { got = *p; return nil }, true); err != nil {
		t.Fatal(err)
	}
	if string(got.Data) != "hello" {
		t.Errorf("data %q", got.Data)
	}
	if got.Time.IsZero() {
		t.Error("no time")
	}
	got.Data, got.Time = nil, got.Time.Truncate(1<<62)
	want := Packet{
		Time: got.Time, Boot: 1000, Cookie: 11, DstCookie: 12, Cgroup: 13, SoftLimit: 15, HardLimit: 16, Start: 14, PID: 21, TID: 22, UID: 23, DstUID: 24,
		Inode: 25, DstInode: 26, DstPID: 27, OrigLen: 10, Segment: 1448, Flags: InProcess, Comm: "nginx",
	}
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestOrder: packets of several CPUs come by their time, around the end of the
// rings many times, and all of them.
func TestOrder(t *testing.T) {
	fakes := []*fakeCPU{newFake(4096), newFake(4096), newFake(8192)}
	r := &Rings{Records: &Records{}}
	for _, f := range fakes {
		r.cpus = append(r.cpus, f.cpu)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	var got []uint64
	wrote, lost := 0, make([]uint32, len(fakes))
	for now := uint64(1); now < 5000; now++ {
		i := rng.IntN(len(fakes))
		if fakes[i].write(record(now, lost[i], strings.Repeat("x", rng.IntN(300))), 0) {
			wrote++
		} else {
			lost[i]++
		}
		if rng.IntN(20) == 0 {
			fakes[rng.IntN(len(fakes))].write([]byte("given up"), recordEmpty)
		}
		if rng.IntN(30) > 0 {
			continue
		}
		if _, _, err := r.drain(func(p *Packet) error { got = append(got, p.Boot); return nil }, true); err != nil {
			t.Fatal(err)
		}
	}
	for i, f := range fakes { // so that all losses are told
		f.heads[1] = f.heads[0]
		f.cpu.from, f.cpu.freed, f.cpu.have = f.heads[0], f.heads[0], false
		f.write(record(1<<40, lost[i], ""), 0)
	}
	c := r.Counts()
	if _, _, err := r.drain(func(*Packet) error { return nil }, true); err != nil {
		t.Fatal(err)
	}
	total := uint64(0)
	for _, n := range lost {
		total += uint64(n)
	}
	if !slices.IsSorted(got) || len(got) > wrote || len(got) < wrote-200 || c.Late != 0 {
		t.Errorf("%d packets of %d, in order: %v; %+v", len(got), wrote, slices.IsSorted(got), c)
	}
	if n := r.Counts().Lost; n != total || total == 0 {
		t.Errorf("%d lost, want %d", n, total)
	}
}

// TestHeldBack: a packet that is younger than what may be under way on another CPU
// waits, as does what is behind a record that is being written.
func TestHeldBack(t *testing.T) {
	a, b := newFake(4096), newFake(4096)
	r := &Rings{Records: &Records{cpus: []*cpu{a.cpu, b.cpu}}}
	now, err := new(clock).read()
	if err != nil {
		t.Fatal(err)
	}
	a.write(record(1, 0, "old"), 0)
	a.write(record(now+1e12, 0, "young"), 0)
	b.write(record(2, 0, "busy"), recordBusy)
	b.write(record(3, 0, "behind it"), 0)
	got, given, held, err := readAll(t, r, false)
	if fmt.Sprint(got) != "[old]" || !given || !held || err != nil {
		t.Errorf("%v, %v, %v, %v", got, given, held, err)
	}
	got, given, held, err = readAll(t, r, false)
	if len(got) > 0 || given || !held || err != nil {
		t.Errorf("%v, %v, %v, %v", got, given, held, err)
	}
	binary.NativeEndian.PutUint32(b.data, binary.NativeEndian.Uint32(b.data)&^recordBusy)
	got, _, _, err = readAll(t, r, true)
	if fmt.Sprint(got) != "[busy behind it young]" || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	if a.heads[0] != a.heads[1] || b.heads[0] != b.heads[1] {
		t.Error("what was read is not given back")
	}
	a.write(record(5, 0, "late"), 0)
	if got, _, _, _ := readAll(t, r, true); fmt.Sprint(got) != "[late]" || r.Counts().Late != 1 {
		t.Errorf("%v, %+v", got, r.Counts())
	}
}

// TestHandleFails: what was given before an error is given back, and the rest
// stays.
func TestHandleFails(t *testing.T) {
	f := newFake(4096)
	r := &Rings{Records: &Records{cpus: []*cpu{f.cpu}}}
	for i := range 5 {
		f.write(record(uint64(i), 0, fmt.Sprint(i)), 0)
	}
	n := 0
	_, _, err := r.drain(func(*Packet) error {
		if n++; n == 2 {
			return os.ErrClosed
		}
		return nil
	}, true)
	if !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	if got, _, _, err := readAll(t, r, true); fmt.Sprint(got) != "[2 3 4]" || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}

// TestBadRecords: none of them is read, nor anything else.
func TestBadRecords(t *testing.T) {
	long := record(1, 0, "x")
	binary.NativeEndian.PutUint32(long[88:], 1<<20)
	cut := record(1, 0, "xyz")
	binary.NativeEndian.PutUint32(cut[84:], 2)
	for name, write := range map[string]func(*fakeCPU){
		"short":           func(f *fakeCPU) { f.write([]byte("short"), 0) },
		"longer than all": func(f *fakeCPU) { f.write(record(1, 0, "x"), 1<<20) },
		"longer packet":   func(f *fakeCPU) { f.write(long, 0) },
		"shorter packet":  func(f *fakeCPU) { f.write(cut, 0) },
		"no end":          func(f *fakeCPU) { f.write(record(1, 0, "x"), 0); f.heads[0] -= 16 },
	} {
		f := newFake(4096)
		write(f)
		if got, _, _, err := readAll(t, &Rings{Records: &Records{cpus: []*cpu{f.cpu}}}, true); len(got) > 0 || err == nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestOpenBad(t *testing.T) {
	for _, size := range []int{0, 100, 5000, 1 << 20} {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Open([]*os.File{f}, size); err == nil {
			t.Errorf("rings of %d bytes in %s", size, os.DevNull)
		}
		if err := f.Close(); err == nil {
			t.Error("the file was not taken over")
		}
	}
}

// TestRunNothing: no rings at all.
func TestRunNothing(t *testing.T) {
	r, err := Open(nil, 4096)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx, func(*Packet) error { return nil }) }()
	cancel()
	if err := errors.Join(<-done, r.Close()); err != nil {
		t.Error(err)
	}
}

// FuzzRing: whatever is in a ring, reading it ends, and stays within it.
func FuzzRing(f *testing.F) {
	f.Add(record(1, 0, "hello"), uint32(0), uint16(0))
	f.Add(record(1, 0, ""), uint32(recordEmpty), uint16(8))
	f.Add([]byte{1, 2, 3}, uint32(recordBusy), uint16(4000))
	f.Fuzz(func(t *testing.T, body []byte, flags uint32, head uint16) {
		fake := newFake(4096)
		if len(body) > 4000 {
			body = body[:4000]
		}
		for range 3 {
			fake.write(body, flags)
		}
		fake.heads[0] = (fake.heads[0] + uint64(head)) &^ 7
		r := &Rings{Records: &Records{cpus: []*cpu{fake.cpu}}}
		n := 0
		_, _, _ = r.drain(func(p *Packet) error {
			for range p.Data {
				n++
			}
			return nil
		}, true)
	})
}
