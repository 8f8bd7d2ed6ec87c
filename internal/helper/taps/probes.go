package taps

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"lodge/internal/bpf"
	"lodge/internal/helper/policy"
	"lodge/internal/helperapi"
)

// NoUprobesError says that uprobes cannot be had on this machine, or are not used.
type NoUprobesError struct{ Err error }

func (e *NoUprobesError) Error() string { return e.Err.Error() }

func (e *NoUprobesError) Unwrap() error { return e.Err }

var (
	errStarted    = errors.New("take secrets of TLS: this client does already")
	errNotStarted = errors.New("this client takes no secrets of TLS")
)

// Probes are the uprobes of one client, by which it is given secrets of TLS. Its
// methods may be called by several goroutines.
type Probes struct {
	all *Shared
	uid uint32

	mu      sync.Mutex // guards what follows; held while something is probed
	secrets *bpf.Secrets
}

// Probes returns the uprobes of a client of the user uid, of which there are none yet.
func (s *Shared) Probes(uid uint32) *Probes { return &Probes{all: s, uid: uid} }

// Wait waits for probes that the kernel holds: a process that ends while it takes one out
// leaves its breakpoint in the programs that were probed (register_for_each_vma in
// kernel/events/uprobes.c fails for one that is killed).
func (s *Shared) Wait() {
	s.usage.held.Wait()
	s.trial.wait()
}

// Empty reports whether the client takes no secrets.
func (p *Probes) Empty() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.secrets == nil
}

// Start makes ready to take secrets, once a process of our own has stood it to be probed.
// It returns the ring to which they go.
func (p *Probes) Start(ctx context.Context) (rep helperapi.SecretsReply, ring *os.File, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.secrets != nil {
		return rep, nil, errStarted
	}
	if p.all.usage.holds(p.uid) {
		return rep, nil, &NoUprobesError{fmt.Errorf("take secrets of TLS: of an earlier tap of user %d, %w", p.uid, bpf.ErrHeld)}
	}
	if err := bpf.UprobesAllowed(); err != nil {
		return rep, nil, &NoUprobesError{err}
	}
	if err := p.all.trial.run(ctx); err != nil {
		return rep, nil, &NoUprobesError{err}
	}
	const size = policy.SecretRingBytes
	if err := p.all.usage.take(p.uid, 0, size); err != nil {
		return rep, nil, err
	}
	secrets, err := bpf.OpenSecrets(bpf.SecretsSpec{AllUsers: policy.SeesSecrets(p.uid), UID: p.uid, RingBytes: size, Turn: p.all.turn})
	if err != nil {
		p.all.usage.release(p.uid, 0, size, nil)
		return rep, nil, &NoUprobesError{err}
	}
	p.secrets = secrets
	if ring, err = secrets.Ring().File(); err != nil {
		return rep, nil, errors.Join(err, p.close())
	}
	return helperapi.SecretsReply{RingBytes: size}, ring, nil
}

// Add puts a probe at an offset of the file, which stays the caller's.
func (p *Probes) Add(f *os.File, kind helperapi.SecretKind, offset uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.secrets == nil:
		return errNotStarted
	case p.secrets.Probes() >= policy.Probes:
		return &NotProbedError{fmt.Sprintf("there are %d probes already, as many as one client may have", policy.Probes)}
	}
	if err := check(f, p.uid, kind, offset); err != nil {
		return err
	}
	if err := p.all.usage.takeProbe(p.uid); err != nil {
		return err
	}
	err := p.secrets.Attach(f, bpf.SecretKind(kind), offset)
	if err != nil {
		p.all.usage.releaseProbes(p.uid, 1)
	}
	return err
}

// Counts returns what became of the client's secrets until now.
func (p *Probes) Counts() (helperapi.SecretCounts, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts()
}

func (p *Probes) counts() (helperapi.SecretCounts, error) {
	if p.secrets == nil {
		return helperapi.SecretCounts{}, errNotStarted
	}
	c, err := p.secrets.Counts()
	return helperapi.SecretCounts{
		Probes: p.secrets.Probes(), Seen: c.Seen, Delivered: c.Delivered,
		RingFull: c.RingFull, Unreadable: c.Unreadable, NotAllowed: c.NotAllowed,
	}, err
}

// End takes all probes out, and returns what became of all secrets.
func (p *Probes) End() (helperapi.SecretCounts, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.secrets == nil {
		return helperapi.SecretCounts{}, errNotStarted
	}
	probes := p.secrets.Probes()
	err := p.detach()
	c, cerr := p.counts()
	c.Probes = probes
	return c, errors.Join(err, cerr, p.close())
}

// Close ends it for a client that has gone.
func (p *Probes) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.secrets == nil {
		return nil
	}
	return p.close()
}

// detach takes all probes out. The caller holds mu.
func (p *Probes) detach() error {
	n := p.secrets.Probes()
	err := p.secrets.Detach()
	if errors.Is(err, bpf.ErrHeld) {
		p.all.usage.hold(p.uid, n, p.secrets.Gone())
	} else {
		p.all.usage.releaseProbes(p.uid, n)
	}
	return err
}

// close takes all probes out, and lets go of the ring. The caller holds mu.
func (p *Probes) close() error {
	ring := p.secrets.Ring()
	err := p.detach()
	err = errors.Join(err, p.secrets.Close())
	p.secrets = nil
	p.all.usage.release(p.uid, 0, policy.SecretRingBytes, []*bpf.TapRing{ring})
	return err
}
