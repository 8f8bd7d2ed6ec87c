package bpf

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/cilium/ebpf"
)

// SecretKind is a function at whose entry secrets of TLS are taken.
type SecretKind string

// The functions.
const (
	// SecretOpenSSL is EVP_KDF_derive of OpenSSL 3.
	SecretOpenSSL SecretKind = "openssl"
	// SecretGnuTLS is nettle_hkdf_expand of libnettle.so.8, which GnuTLS calls.
	SecretGnuTLS SecretKind = "gnutls"
	// SecretGo is crypto/tls.(*Config).writeKeyLog of Go 1.17 and later.
	SecretGo SecretKind = "go"
)

// SecretsSpec says whose secrets are taken.
type SecretsSpec struct {
	// AllUsers takes those of all processes; else only of those that have the rights
	// of the user UID and no more.
	AllUsers bool
	UID      uint32
	// RingBytes is the size of the ring, a power of two and at least a page.
	RingBytes int
	// Turn is shared by all Secrets of the process.
	Turn Turn
}

// Secrets are probes that take secrets of TLS, and the ring to which these go. Its
// methods must not be called from several goroutines at once. Nothing is pinned:
// all of it ends with the process.
type Secrets struct {
	objects struct {
		Counts  *ebpf.Map     `ebpf:"secret_counts"`
		Ring    *ebpf.Map     `ebpf:"secret_ring"`
		OpenSSL *ebpf.Program `ebpf:"secrets_openssl"`
		GnuTLS  *ebpf.Program `ebpf:"secrets_gnutls"`
		Go      *ebpf.Program `ebpf:"secrets_go"`
	}
	pmu   uint32
	ring  *TapRing
	sites []int // perf events: each is one probe
	gone  <-chan struct{}
	turn  Turn
}

// OpenSecrets loads the programs and attaches none. It needs CAP_BPF, CAP_PERFMON
// and Linux 6.0. On error nothing stays. The error is [ErrNoUprobes] where this
// machine has none, or none that may be used.
func OpenSecrets(spec SecretsSpec) (*Secrets, error) {
	s := &Secrets{turn: spec.Turn}
	if err := s.open(spec); err != nil {
		return nil, errors.Join(fmt.Errorf("load uprobes: %w", err), s.Close())
	}
	return s, nil
}

func (s *Secrets) open(spec SecretsSpec) (err error) {
	if s.pmu, err = uprobePMU(); err != nil {
		return err
	}
	collection, err := loadSecrets()
	if err != nil {
		return fmt.Errorf("read eBPF object: %w", err)
	}
	vars := map[string]uint32{"user": spec.UID}
	if spec.AllUsers {
		vars["all_users"] = 1
	}
	if runtime.GOARCH == "arm64" {
		vars["arm64"] = 1
	}
	for name, v := range vars {
		if err := collection.Variables[name].Set(v); err != nil {
			return fmt.Errorf("set eBPF variable: %w", err)
		}
	}
	if n := spec.RingBytes; n < os.Getpagesize() || n&(n-1) != 0 {
		return fmt.Errorf("ring of %d bytes: the size must be a power of two, and at least a page", n)
	}
	collection.Maps["secret_ring"].MaxEntries = uint32(spec.RingBytes)
	if err := collection.LoadAndAssign(&s.objects, nil); err != nil {
		return fmt.Errorf("load eBPF programs (they need Linux 6.0): %w", err)
	}
	info, err := s.objects.Ring.Info()
	if err != nil {
		return fmt.Errorf("make ring: %w", err)
	}
	id, ok := info.ID()
	if !ok {
		return errors.New("make ring: the kernel does not tell its id")
	}
	s.ring = &TapRing{bytes: spec.RingBytes, id: id, ring: s.objects.Ring}
	return nil
}

// Ring returns the ring, one for all CPUs. It is the Secrets' until they are closed,
// and what a reader has of it stays the reader's.
func (s *Secrets) Ring() *TapRing { return s.ring }

// program returns the program for a function.
func (s *Secrets) program(kind SecretKind) (*ebpf.Program, error) {
	p := map[SecretKind]*ebpf.Program{SecretOpenSSL: s.objects.OpenSSL, SecretGnuTLS: s.objects.GnuTLS, SecretGo: s.objects.Go}[kind]
	if p == nil {
		return nil, fmt.Errorf("a function of the kind %q is not known", kind)
	}
	return p, nil
}

// Probes returns how many places are probed.
func (s *Secrets) Probes() int { return len(s.sites) }

// SecretCounts says what became of secrets: Seen is the sum of the others. A secret
// is one derivation, of which a connection has up to five.
type SecretCounts struct {
	Seen, Delivered uint64
	// RingFull and Unreadable are lost: there was no room for them, or they could not
	// be read in the process.
	RingFull, Unreadable uint64
	// NotAllowed are of processes whose secrets the reader may not have.
	NotAllowed uint64
}

// Counts returns what became of the secrets until now. While probes run, one may be
// half counted.
func (s *Secrets) Counts() (out SecretCounts, err error) {
	var cpus []secretsSecretCounts
	if err := s.objects.Counts.Lookup(uint32(0), &cpus); err != nil {
		return out, fmt.Errorf("read counts of secrets: %w", err)
	}
	for i := range cpus {
		c := &cpus[i]
		out.Seen += c.Seen
		out.Delivered += c.Delivered
		out.RingFull += c.RingFull
		out.Unreadable += c.Unreadable
		out.NotAllowed += c.NotAllowed
	}
	return out, nil
}

// ErrHeld says that the kernel has not let go of probes yet: a process stands still within
// one, such as for a page that its file system does not give. They go when it goes on or
// ends.
var ErrHeld = errors.New("the kernel holds probes: a process stands still within one, for a page that is not given to it")

// heldAfter is for how long nothing goes on, where the kernel holds a probe.
const heldAfter = 10 * time.Second

// Turn lets one probe after the other be set or taken out, of all [Secrets] that share it.
// The kernel takes a lock for each that processes need to fork, and those that wait for it
// are before those that fork: of 24 that were taken out at once, no process of the machine
// could fork for three seconds.
type Turn chan struct{}

// NewTurn returns a turn that is nobody's.
func NewTurn() Turn { return make(Turn, 1) }

// Detach takes all probes out. The kernel waits for a grace period of RCU for each, which is
// some ten milliseconds. Where that does not end, the error is [ErrHeld], and Gone says when
// it has.
func (s *Secrets) Detach() error {
	if len(s.sites) == 0 {
		return nil
	}
	sites := s.sites
	s.sites = nil
	one, gone, failed := make(chan struct{}, len(sites)), make(chan struct{}), make(chan error, 1)
	s.gone = gone
	// It cannot be interrupted: where it is held, this goroutine is left to the kernel.
	go func() {
		defer close(gone)
		var errs []error
		for _, fd := range sites {
			s.turn <- struct{}{}
			errs = append(errs, closeProbe(fd))
			<-s.turn
			one <- struct{}{}
		}
		failed <- errors.Join(errs...)
	}()
	held := time.NewTimer(heldAfter)
	defer held.Stop()
	for {
		select {
		case <-one:
			held.Reset(heldAfter)
		case err := <-failed:
			return err
		case <-held.C:
			return ErrHeld
		}
	}
}

// Gone returns a channel that is closed when the kernel has let go of the probes that were
// taken out last; nil if there were none.
func (s *Secrets) Gone() <-chan struct{} { return s.gone }

// Close takes all probes out and lets go of the ring; see [TapRing.Held].
func (s *Secrets) Close() error {
	errs := []error{s.Detach()}
	for _, p := range []*ebpf.Program{s.objects.OpenSSL, s.objects.GnuTLS, s.objects.Go} {
		if p != nil {
			errs = append(errs, p.Close())
		}
	}
	if s.objects.Counts != nil {
		errs = append(errs, s.objects.Counts.Close())
	}
	switch {
	case s.ring != nil:
		errs = append(errs, s.ring.release())
	case s.objects.Ring != nil:
		errs = append(errs, s.objects.Ring.Close())
	}
	return errors.Join(errs...)
}
