package bpf

import (
	"errors"
	"fmt"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// Tap is one reader's view of the packets. Its methods must not be called from
// several goroutines at once.
type Tap struct {
	all    *Taps
	index  uint32
	open   bool // the program serves it
	rings  []*TapRing
	maps   []*ebpf.Map // its own, but for the rings
	counts *ebpf.Map   // one of them
	final  TapCounts
}

// ErrTooManyTaps says that there are as many taps as there may be.
var ErrTooManyTaps = fmt.Errorf("there are as many taps as there may be (%d)", MaxTaps)

// ErrNoOwners says that a tap of one user's packets cannot be had.
var ErrNoOwners = fmt.Errorf("which user's a packet is cannot be told: %w", errNoTCX)

// Add makes a tap, which gets packets from here on. spare is how many more there
// must be room for. On error nothing stays.
func (t *Taps) Add(spec TapSpec, spare int) (_ *Tap, err error) {
	if !spec.AllUsers && !t.KnowsSenders() {
		return nil, fmt.Errorf("start tap: %w", ErrNoOwners)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	index, free := -1, 0
	for i, used := range t.inUse {
		if used {
			continue
		}
		if free++; index < 0 {
			index = i
		}
	}
	if free <= spare {
		return nil, fmt.Errorf("start tap: %w", ErrTooManyTaps)
	}
	tap := &Tap{all: t, index: uint32(index)}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("start tap: %w", err), tap.remove(), tap.closeAll())
		}
	}()
	if tap.rings, err = openRings(t.spec.Maps[tapMapTapRing], spec.RingBytes); err != nil {
		return nil, err
	}
	if err := tap.fill(spec); err != nil {
		return nil, err
	}
	t.inUse[index], tap.open = true, true
	return tap, t.setEnd()
}

// fill makes the maps of the tap. The one with its configuration comes last:
// from there on it is served. The kernel waits for a grace period of RCU at each
// change of a map of maps: all but that one wait for the same.
func (t *Tap) fill(spec TapSpec) error {
	o := &t.all.objects
	var todo group
	for _, r := range t.rings {
		todo.do(func() error {
			if err := o.RingsOf.Put(t.ringIndex(r), r.ring); err != nil {
				return fmt.Errorf("add ring of CPU %d: %w", r.CPU, err)
			}
			return nil
		})
	}
	if len(spec.Prefixes) > 0 {
		m, err := t.inner(tapMapTapPrefixes)
		if err != nil {
			return errors.Join(err, todo.wait())
		}
		for _, p := range spec.Prefixes {
			if err := m.Put(prefix(p.Masked()), uint32(1)); err != nil {
				return errors.Join(fmt.Errorf("add prefix %s: %w", p, err), todo.wait())
			}
		}
		todo.do(func() error { return put(o.PrefixesOf, t.index, m) })
	}
	counts, err := t.inner(tapMapTapCounts)
	if err != nil {
		return errors.Join(err, todo.wait())
	}
	t.counts = counts
	todo.do(func() error { return put(o.CountsOf, t.index, counts) })
	if err := todo.wait(); err != nil {
		return err
	}
	m, err := t.inner(tapMapTapOne)
	if err != nil {
		return err
	}
	if err := m.Put(uint32(0), spec.value()); err != nil {
		return fmt.Errorf("write tap: %w", err)
	}
	return put(o.Taps, t.index, m)
}

// ringIndex is where a ring of the tap is among all of them.
func (t *Tap) ringIndex(r *TapRing) uint32 { return t.index*uint32(t.all.cpus) + uint32(r.CPU) }

func put(outer *ebpf.Map, index uint32, m *ebpf.Map) error {
	if err := outer.Put(index, m); err != nil {
		return fmt.Errorf("add tap: %w", err)
	}
	return nil
}

// group does things at the same time.
type group struct {
	all  sync.WaitGroup
	mu   sync.Mutex // guards errs
	errs []error
}

func (g *group) do(f func() error) {
	g.all.Go(func() {
		if err := f(); err != nil {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.errs = append(g.errs, err)
		}
	})
}

func (g *group) wait() error {
	g.all.Wait()
	return errors.Join(g.errs...)
}

// inner makes a map of the tap, like the one of that name in src/tap.h.
func (t *Tap) inner(name string) (*ebpf.Map, error) {
	m, err := ebpf.NewMap(t.all.spec.Maps[name].Copy())
	if err != nil {
		return nil, fmt.Errorf("make map %s: %w", name, err)
	}
	t.maps = append(t.maps, m)
	return m, nil
}

// setEnd tells the program how far it must look. The caller holds mu.
func (t *Taps) setEnd() error {
	end := uint32(0)
	for i, used := range t.inUse {
		if used {
			end = uint32(i + 1)
		}
	}
	if err := t.objects.TapsEnd.Set(end); err != nil {
		return fmt.Errorf("set eBPF variable: %w", err)
	}
	return nil
}

// remove takes the tap out of the program's maps. The caller holds the Taps' mu.
// When its configuration is out, no program counts for the tap any more: the
// kernel waits for those that run at each change of a map of maps.
func (t *Tap) remove() error {
	o := &t.all.objects
	remove := func(m *ebpf.Map, index uint32) error {
		if err := m.Delete(index); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("remove tap: %w", err)
		}
		return nil
	}
	errs := []error{remove(o.Taps, t.index)}
	var todo group
	for _, m := range []*ebpf.Map{o.CountsOf, o.PrefixesOf} {
		todo.do(func() error { return remove(m, t.index) })
	}
	for _, r := range t.rings {
		todo.do(func() error { return remove(o.RingsOf, t.ringIndex(r)) })
	}
	errs = append(errs, todo.wait())
	if t.open {
		t.open = false
		t.all.inUse[t.index] = false
		errs = append(errs, t.all.setEnd())
	}
	return errors.Join(errs...)
}

// Rings returns the tap's rings, one for each CPU that was online. They are the
// tap's until it is closed, and what a reader has of them stays the reader's.
func (t *Tap) Rings() []*TapRing { return t.rings }

// Counts returns what became of the packets until now, and after Close of all
// of them.
func (t *Tap) Counts() (TapCounts, error) {
	if !t.open {
		return t.final, nil
	}
	return readCounts(t.counts, false)
}

// Close ends the tap: the program serves it no more, and its counts are final.
// Its rings are let go of; see [TapRing.Held].
func (t *Tap) Close() error {
	if !t.open {
		return nil
	}
	t.all.mu.Lock()
	defer t.all.mu.Unlock()
	err := t.remove()
	final, cerr := readCounts(t.counts, true)
	t.final = final
	return errors.Join(err, cerr, t.closeAll())
}

func (t *Tap) closeAll() error {
	var errs []error
	for _, m := range t.maps {
		errs = append(errs, m.Close())
	}
	for _, r := range t.rings {
		errs = append(errs, r.release())
	}
	return errors.Join(errs...)
}

// returnZero is a program that does nothing.
func returnZero() asm.Instructions { return asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()} }
