package bpf

import (
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
)

// TapRing is the ring of one tap and CPU: a map of type BPF_MAP_TYPE_RINGBUF. Its
// memory is the kernel's, and is charged to this process and not to the reader.
type TapRing struct {
	CPU   int
	bytes int
	id    ebpf.MapID
	ring  *ebpf.Map // nil once let go of
}

// openRings makes a ring for each CPU that is online, like the one that spec
// describes.
func openRings(spec *ebpf.MapSpec, ringBytes int) (_ []*TapRing, err error) {
	if ringBytes < os.Getpagesize() || ringBytes&(ringBytes-1) != 0 {
		return nil, fmt.Errorf("ring of %d bytes: the size must be a power of two, and at least a page", ringBytes)
	}
	cpus, err := OnlineCPUs()
	if err != nil {
		return nil, err
	}
	var rings []*TapRing
	defer func() {
		if err != nil {
			for _, r := range rings {
				err = errors.Join(err, r.release())
			}
		}
	}()
	for _, cpu := range cpus {
		spec := spec.Copy()
		spec.MaxEntries = uint32(ringBytes)
		m, err := ebpf.NewMap(spec)
		if err != nil {
			return nil, fmt.Errorf("make ring of CPU %d: %w", cpu, err)
		}
		r := &TapRing{CPU: cpu, bytes: ringBytes, ring: m}
		rings = append(rings, r)
		info, err := m.Info()
		if err != nil {
			return nil, fmt.Errorf("make ring of CPU %d: %w", cpu, err)
		}
		id, ok := info.ID()
		if !ok {
			return nil, fmt.Errorf("make ring of CPU %d: the kernel does not tell its id", cpu)
		}
		r.id = id
	}
	return rings, nil
}

// File returns a descriptor of the ring for its reader, which package
// capture/ring opens. The caller closes it.
func (r *TapRing) File() (*os.File, error) { return dup(r.ring.FD(), "ring") }

// Bytes returns the size of the ring.
func (r *TapRing) Bytes() int { return r.bytes }

// release lets go of the ring. If a reader has it, it stays that one's.
func (r *TapRing) release() error {
	if r.ring == nil {
		return nil
	}
	err := r.ring.Close()
	r.ring = nil
	return err
}

// Held reports whether the ring is still there, though its tap is closed: its
// reader has its memory, or a descriptor of it. The kernel knows a map by its id
// until the last of these is gone. Held needs CAP_SYS_ADMIN.
func (r *TapRing) Held() bool {
	if r.ring != nil {
		return true
	}
	m, err := ebpf.NewMapFromID(r.id)
	if err != nil {
		return !errors.Is(err, os.ErrNotExist)
	}
	return m.Close() == nil
}
