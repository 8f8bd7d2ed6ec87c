package bpf

import (
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
)

// Leases is the table of one home's leased ports.
type Leases struct{ m *ebpf.Map }

// OpenLeases opens the table that Hooks.Add gave. It does not take f over and
// needs no privilege beyond the descriptor.
func OpenLeases(f *os.File) (*Leases, error) {
	m, err := openMap(f)
	if err != nil {
		return nil, fmt.Errorf("open table of leases: %w", err)
	}
	return &Leases{m}, nil
}

// Put keeps port for the processes in the cgroup with that id. A second Put
// moves the lease.
func (l *Leases) Put(port uint16, service uint64) error {
	if err := l.m.Put(port, service); err != nil {
		return fmt.Errorf("lease port %d: %w", port, err)
	}
	return nil
}

// Delete ends the lease of port, if there is one.
func (l *Leases) Delete(port uint16) error {
	if err := l.m.Delete(port); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return fmt.Errorf("release port %d: %w", port, err)
	}
	return nil
}

// Close lets go of the table. The leases stay.
func (l *Leases) Close() error { return l.m.Close() }
