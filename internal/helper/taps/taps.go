// Package taps is the taps of lo and of Unix sockets of one helper: the taps of each client, and what
// they share, which is one program for each network namespace and the bounds of
// each user. A tap of Unix sockets has programs of its own. Package bpf has the program, package capture/ring reads what is
// handed over.
//
// All of it is held by descriptors of this process, so nothing of it is left when
// that ends, except for the rings that users keep. These are memory of the kernel
// that this process was charged for: it counts as the user's until the user lets
// go of it, also after the tap.
package taps

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"lodge/internal/bpf"
	"lodge/internal/helper/policy"
	"lodge/internal/helperapi"
)

// Shared is what all clients share.
type Shared struct {
	usage  *usage
	trial  trial
	turn   bpf.Turn   // of all probes
	mu     sync.Mutex // guards spaces, how many taps each has, and unix
	spaces map[spaceID]*space
	unix   map[uint32]int // taps of Unix sockets, by user
}

// spaceID is the device and inode of a network namespace's file.
type spaceID struct{ dev, ino uint64 }

// space is a network namespace in which something is tapped.
type space struct {
	users int // taps that are there or being made; guarded by Shared.mu
	// opening is held while the program is attached. Then taps or err is set.
	opening sync.Mutex
	opened  bool
	taps    *bpf.Taps
	err     error
}

// New returns taps of which there are none yet. canary is the command that is probed
// before any other program, nil: lodge-helper's.
func New(canary []string) *Shared {
	turn := bpf.NewTurn()
	return &Shared{usage: newUsage(), trial: trial{command: canary, turn: turn}, turn: turn, spaces: map[spaceID]*space{}, unix: map[uint32]int{}}
}

// TooManyError says that there are as many taps as there may be.
type TooManyError struct{ What string }

func (e *TooManyError) Error() string { return "start tap: " + e.What }

// UnsupportedError says that this kernel has no taps of this user.
type UnsupportedError struct{ Err error }

func (e *UnsupportedError) Error() string { return e.Err.Error() }

func (e *UnsupportedError) Unwrap() error { return e.Err }

// Taps are the taps of one client. Its methods may be called by several
// goroutines.
type Taps struct {
	all   *Shared
	uid   uint32
	pid   func() uint32
	netns func() (*os.File, error)

	mu   sync.Mutex // guards what follows; held while a tap is ended
	last uint64
	open map[uint64]*tap
}

// tap is one of them.
type tap struct {
	kernelTap
	space *spaceID // nil: it has its own programs
	bytes int64    // of all rings
}

// kernelTap is what package bpf makes.
type kernelTap interface {
	Rings() []*bpf.TapRing
	Counts() (bpf.TapCounts, error)
	Close() error
}

// Client returns the taps of a client of the user uid. pid returns its process, 0 where
// that is not known, netns the network namespace that it is in.
func (s *Shared) Client(uid uint32, pid func() uint32, netns func() (*os.File, error)) *Taps {
	return &Taps{all: s, uid: uid, pid: pid, netns: netns, open: map[uint64]*tap{}}
}

// Empty reports whether the client has no taps.
func (t *Taps) Empty() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.open) == 0
}

// Start starts a tap.
func (t *Taps) Start(req helperapi.TapRequest) (_ helperapi.TapReply, err error) {
	var none helperapi.TapReply
	spec, err := t.spec(req)
	if err != nil {
		return none, err
	}
	bytes, err := t.take(&spec.RingBytes)
	if err != nil {
		return none, err
	}
	ok := false
	defer func() {
		if !ok {
			t.all.usage.release(t.uid, 1, bytes, nil)
		}
	}()
	ns, err := t.netns()
	if err != nil {
		return none, err
	}
	defer ns.Close()
	id, sp, err := t.all.enter(ns)
	if err != nil {
		return none, err
	}
	one, err := t.add(sp, spec)
	if err != nil {
		return none, errors.Join(err, t.all.leave(id))
	}
	ok = true
	kind := helperapi.TapPacket
	if sp.taps.KnowsSenders() {
		kind = helperapi.TapTCX
	}
	return t.opened(&tap{one, &id, bytes}, kind, spec.RingBytes), nil
}

// take notes that the user has one more tap, whose rings have so many bytes each, or as
// many as are the default, and returns how many that are in all.
func (t *Taps) take(ringBytes *int) (int64, error) {
	cpus, err := bpf.OnlineCPUs()
	if err != nil {
		return 0, err
	}
	if *ringBytes == 0 {
		*ringBytes = defaultRingBytes(len(cpus))
	}
	bytes := int64(*ringBytes) * int64(len(cpus))
	return bytes, t.all.usage.take(t.uid, 1, bytes)
}

// opened notes a tap, and describes it.
func (t *Taps) opened(one *tap, kind helperapi.TapKind, ringBytes int) helperapi.TapReply {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last++
	t.open[t.last] = one
	return helperapi.TapReply{ID: t.last, Kind: kind, Rings: len(one.Rings()), RingBytes: ringBytes}
}

// add makes a tap where there is room for one of the user.
func (t *Taps) add(sp *space, spec bpf.TapSpec) (*bpf.Tap, error) {
	spare := policy.SpareTaps
	if t.uid == 0 {
		spare = 0
	}
	one, err := sp.taps.Add(spec, spare)
	switch {
	case errors.Is(err, bpf.ErrTooManyTaps):
		return nil, &TooManyError{"there are as many in this network namespace as there may be"}
	case errors.Is(err, bpf.ErrNoOwners):
		return nil, &UnsupportedError{err}
	}
	return one, err
}

// spec checks a request.
func (t *Taps) spec(req helperapi.TapRequest) (bpf.TapSpec, error) {
	spec := bpf.TapSpec{
		AllUsers: policy.SeesPackets(t.uid), UID: t.uid, Acks: req.Acks, Others: req.Others,
		Snaplen: req.Snaplen, Prefixes: req.Prefixes, RingBytes: req.RingBytes,
	}
	if len(req.Ports) > helperapi.MaxTapPorts || len(req.Prefixes) > helperapi.MaxTapPrefixes {
		return spec, fmt.Errorf("start tap: %d ranges of ports and %d prefixes, more than %d and %d",
			len(req.Ports), len(req.Prefixes), helperapi.MaxTapPorts, helperapi.MaxTapPrefixes)
	}
	for _, r := range req.Ports {
		if r.First > r.Last {
			return spec, fmt.Errorf("start tap: ports %d to %d", r.First, r.Last)
		}
		spec.Ports = append(spec.Ports, bpf.PortRange(r))
	}
	for _, p := range req.Prefixes {
		if !p.IsValid() {
			return spec, fmt.Errorf("start tap: prefix %s is not valid", p)
		}
	}
	return spec, checkRing(req.RingBytes)
}

func checkRing(n int) error {
	if n != 0 && (n < os.Getpagesize() || n&(n-1) != 0 || n > policy.UserRingBytes) {
		return fmt.Errorf("start tap: rings of %d bytes: the size must be a power of two, from %d to %d",
			n, os.Getpagesize(), policy.UserRingBytes)
	}
	return nil
}

// enter returns the namespace's program, and attaches it for the first tap. leave
// must follow.
func (s *Shared) enter(ns *os.File) (spaceID, *space, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(ns.Fd()), &st); err != nil {
		return spaceID{}, nil, os.NewSyscallError("fstat", err)
	}
	id := spaceID{uint64(st.Dev), st.Ino}
	s.mu.Lock()
	sp := s.spaces[id]
	if sp == nil {
		sp = &space{}
		s.spaces[id] = sp
	}
	sp.users++
	s.mu.Unlock()
	sp.opening.Lock()
	defer sp.opening.Unlock()
	if !sp.opened {
		sp.opened = true
		sp.taps, sp.err = bpf.OpenTaps(ns)
	}
	if sp.err != nil {
		return id, nil, errors.Join(sp.err, s.leave(id))
	}
	return id, sp, nil
}

// leave notes that a tap of the namespace is gone, and detaches the program after
// the last one.
func (s *Shared) leave(id spaceID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sp := s.spaces[id]
	if sp.users--; sp.users > 0 {
		return nil
	}
	delete(s.spaces, id)
	if sp.taps == nil {
		return nil
	}
	return sp.taps.Close()
}

// Spaces returns in how many network namespaces something is tapped.
func (s *Shared) Spaces() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.spaces)
}
