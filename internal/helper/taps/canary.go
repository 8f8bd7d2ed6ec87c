package taps

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"

	"lodge/internal/bpf"
	"lodge/internal/canary"
)

// canaryRing has room for the calls of several canaries, which see each other.
const canaryRing = 64 << 10

// canaryPatience is how long the canary may take, which needs a moment on an idle machine.
const canaryPatience = 20 * time.Second

// trial has a process of our own probed before any other is.
type trial struct {
	command []string // nil: lodge-helper's
	turn    bpf.Turn

	mu sync.Mutex // guards held
	// held is closed when the kernel has let go of the probe of an earlier one, nil: it has.
	held <-chan struct{}
}

// run has a process of our own probed, and returns nil where it came to no harm and
// the probe saw what it did. Not where the kernel still holds the probe of an earlier one,
// for which a thread of this process waits.
func (t *trial) run(ctx context.Context) error {
	command := t.command
	if len(command) == 0 {
		command = []string{"/proc/self/exe", "--canary"}
	}
	err := t.isHeld()
	if err == nil {
		err = t.probe(ctx, command, canaryPatience)
	}
	if err != nil {
		return fmt.Errorf("try uprobes on a process of our own, so that nothing else is probed: %w", err)
	}
	return nil
}

// isHeld returns nil unless the kernel holds the probe of an earlier one.
func (t *trial) isHeld() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.held == nil {
		return nil
	}
	select {
	case <-t.held:
		t.held = nil
		return nil
	default:
		return bpf.ErrHeld
	}
}

// wait waits until the kernel holds no probe of it.
func (t *trial) wait() {
	t.mu.Lock()
	held := t.held
	t.mu.Unlock()
	if held != nil {
		<-held
	}
}

func (t *trial) probe(ctx context.Context, command []string, patience time.Duration) (err error) {
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return err
	}
	offset, err := canary.Place(maps)
	if err = errors.Join(err, maps.Close()); err != nil {
		return err
	}
	exe, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer exe.Close()
	// The same program as for others. Root's: the canary has the helper's rights.
	probes, err := bpf.OpenSecrets(bpf.SecretsSpec{AllUsers: true, RingBytes: canaryRing, Turn: t.turn})
	if err != nil {
		return err
	}
	defer func() {
		cerr := probes.Close()
		if errors.Is(cerr, bpf.ErrHeld) {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.held = probes.Gone()
		}
		err = errors.Join(err, cerr)
	}()
	if err := probes.Attach(exe, bpf.SecretOpenSSL, offset); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = []string{}
	cmd.Dir = "/"
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("it did not end: %w", context.Cause(ctx))
		}
		return fmt.Errorf("run it: %w", err)
	}
	c, err := probes.Counts()
	if err != nil {
		return err
	}
	if c.Delivered < canary.Calls || c.Seen != c.Delivered {
		return fmt.Errorf("the probe saw %d of %d calls, and read %d", c.Seen, canary.Calls, c.Delivered)
	}
	return nil
}
