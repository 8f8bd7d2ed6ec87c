package bpf

import (
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// maxPrefixes is max_entries of tap_prefixes in src/tap.h.
const maxPrefixes = 1024

// Tap is one reader's view of the packets. Its methods must not be called from
// several goroutines at once.
type Tap struct {
	all   *Taps
	index uint32
	open  bool // the program serves it
	rings []*TapRing
	// maps are the tap's own. A map of perf events lets go of those that were put
	// into it when the descriptor by which they were is closed.
	maps   []*ebpf.Map
	counts *ebpf.Map // one of them
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
	if tap.rings, err = openRings(spec.RingBytes); err != nil {
		return nil, err
	}
	if err := tap.fill(spec); err != nil {
		return nil, err
	}
	t.inUse[index], tap.open = true, true
	return tap, t.setEnd()
}

// fill makes the maps of the tap. The one with its configuration comes last:
// from there on it is served.
func (t *Tap) fill(spec TapSpec) error {
	o := &t.all.objects
	n, err := CPUs()
	if err != nil {
		return err
	}
	for _, events := range []struct {
		outer  *ebpf.Map
		urgent bool
	}{{o.RingsOf, false}, {o.UrgentOf, true}} {
		_, err := t.inner(events.outer, tapMapTapEvents, n, func(m *ebpf.Map) error {
			for _, r := range t.rings {
				if err := m.Put(uint32(r.CPU), uint32(r.event(events.urgent))); err != nil {
					return fmt.Errorf("add ring of CPU %d: %w", r.CPU, err)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if len(spec.Prefixes) > 0 {
		_, err := t.inner(o.PrefixesOf, tapMapTapPrefixes, maxPrefixes, func(m *ebpf.Map) error {
			for _, p := range spec.Prefixes {
				if err := m.Put(prefix(p.Masked()), uint32(1)); err != nil {
					return fmt.Errorf("add prefix %s: %w", p, err)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if t.counts, err = t.inner(o.CountsOf, tapMapTapCounts, 1, nil); err != nil {
		return err
	}
	_, err = t.inner(o.Taps, tapMapTapOne, 1, func(m *ebpf.Map) error { return m.Put(uint32(0), spec.value()) })
	return err
}

// inner makes a map of the tap, like the one of that name in src/tap.h, has fill
// fill it and puts it into a map of maps.
func (t *Tap) inner(outer *ebpf.Map, name string, entries int, fill func(*ebpf.Map) error) (*ebpf.Map, error) {
	spec := t.all.spec.Maps[name].Copy()
	spec.MaxEntries = uint32(entries)
	m, err := ebpf.NewMap(spec)
	if err != nil {
		return nil, fmt.Errorf("make map %s: %w", name, err)
	}
	t.maps = append(t.maps, m)
	if fill != nil {
		if err := fill(m); err != nil {
			return nil, fmt.Errorf("fill map %s: %w", name, err)
		}
	}
	if err := outer.Put(t.index, m); err != nil {
		return nil, fmt.Errorf("add map %s: %w", name, err)
	}
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
// When it returns no program counts for the tap any more: the kernel waits for
// those that run at each change of a map of maps (bpf(2), map-in-map).
func (t *Tap) remove() error {
	o := &t.all.objects
	var errs []error
	for _, m := range []*ebpf.Map{o.Taps, o.CountsOf, o.RingsOf, o.UrgentOf, o.PrefixesOf} {
		if err := m.Delete(t.index); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			errs = append(errs, fmt.Errorf("remove tap: %w", err))
		}
	}
	if t.open {
		t.open = false
		t.all.inUse[t.index] = false
		errs = append(errs, t.all.setEnd())
	}
	return errors.Join(errs...)
}

// Rings returns the tap's rings, one for each CPU that is online. They stay the
// tap's until it is closed, and what a reader has mapped stays the reader's.
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
// Its rings are let go of; see [TapRing.Mapped].
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

// File returns a descriptor of the ring for its reader, which package
// capture/ring opens. The caller closes it.
func (r *TapRing) File() (*os.File, error) { return dup(r.main, "ring") }
