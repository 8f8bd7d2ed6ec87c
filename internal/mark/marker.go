package mark

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Marker starts the processes of services of one home, in a process that [Set]
// marked. A nil Marker marks nothing. Its methods may be called from several
// goroutines.
type Marker struct {
	home Home

	// starting is held while this process has the soft limit of a service: a
	// child gets it by fork, so nothing that it starts is ever without.
	starting sync.Mutex

	mu    sync.Mutex // guards names
	names map[uint64]string
}

// NewMarker returns the marker of the home, or nil where this process does not
// have its mark.
func NewMarker(h Home) *Marker {
	m, err := Read(os.Getpid())
	if err != nil || h == 0 || m.Home != h {
		return nil
	}
	return &Marker{home: h, names: make(map[uint64]string)}
}

// Start calls start, which forks, while this process has the mark of the
// service.
func (m *Marker) Start(service string, start func() (int, error)) (int, error) {
	if m == nil {
		return start()
	}
	soft := m.home.soft(service)
	m.mu.Lock()
	m.names[soft] = service
	m.mu.Unlock()
	m.starting.Lock()
	defer m.starting.Unlock()
	var own unix.Rlimit
	if err := unix.Prlimit(0, unix.RLIMIT_RTTIME, nil, &own); err != nil || own.Max < soft {
		return start() // the mark was removed
	}
	// The soft limit may be any number below the hard one.
	_ = unix.Prlimit(0, unix.RLIMIT_RTTIME, &unix.Rlimit{Cur: soft, Max: own.Max}, nil)
	defer func() { _ = unix.Prlimit(0, unix.RLIMIT_RTTIME, &own, nil) }()
	return start()
}

// Whose is what a mark says of a process, beside the service's name.
type Whose int

const (
	Unmarked Whose = iota
	Ours           // of this home; of no known service where the name is ""
	Foreign        // of another home
)

// Whose returns to which service a process belongs, by its mark.
func (m *Marker) Whose(pid int) (string, Whose) {
	if m == nil {
		return "", Unmarked
	}
	got, err := Read(pid)
	switch {
	case err != nil || got.Home == 0:
		return "", Unmarked
	case got.Home != m.home:
		return "", Foreign
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.names[got.soft], Ours
}
