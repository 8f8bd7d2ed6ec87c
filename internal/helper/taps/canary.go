package taps

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"lodge/internal/bpf"
	"lodge/internal/canary"
)

// canaryRing has room for the calls of several canaries, which see each other.
const canaryRing = 64 << 10

// canaryPatience is how long the canary may take, which needs a moment on an idle machine.
const canaryPatience = 20 * time.Second

// tryCanary has a process of our own probed, and returns nil where it came to no harm and
// the probe saw what it did.
func tryCanary(ctx context.Context, command []string) error {
	if len(command) == 0 {
		command = []string{"/proc/self/exe", "--canary"}
	}
	if err := probeCanary(ctx, command, canaryPatience); err != nil {
		return fmt.Errorf("try uprobes on a process of our own, so that nothing else is probed: %w", err)
	}
	return nil
}

func probeCanary(ctx context.Context, command []string, patience time.Duration) (err error) {
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
	s, err := bpf.OpenSecrets(bpf.SecretsSpec{AllUsers: true, RingBytes: canaryRing})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.Attach(exe, bpf.SecretOpenSSL, offset); err != nil {
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
	c, err := s.Counts()
	if err != nil {
		return err
	}
	if c.Delivered < canary.Calls || c.Seen != c.Delivered {
		return fmt.Errorf("the probe saw %d of %d calls, and read %d", c.Seen, canary.Calls, c.Delivered)
	}
	return nil
}
