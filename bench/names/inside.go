package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lodge/bench/internal/scratch"
)

// hostName is the one name that all servers serve.
const hostName = "app.localhost"

// again runs this program once more, in a network namespace where all ports
// are free, and in a mount namespace whose hosts file has the name: wrk asks
// the resolver, and sends the name that it was given as SNI.
func (b *bench) again(ctx context.Context, args []string) error {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	// The signal of a parent's death is that of its thread's.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS, Pdeathsig: unix.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.WaitDelay = 2 * time.Minute // it tidies up
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		return fmt.Errorf("run in namespaces of its own: %w", err)
	}
	return nil
}

// maxFiles is how many descriptors each process may have: a proxy has two for
// each WebSocket.
const maxFiles = 1 << 17

// settle makes the namespaces what they are to be.
func (b *bench) settle(ctx context.Context) error {
	if err := scratch.IP(ctx, "link", "set", "lo", "up"); err != nil {
		return err
	}
	// Without an address that is none of loopback's, getaddrinfo(3) says to who
	// gives AI_ADDRCONFIG, as h2load does, that there is no IPv4. This one is for
	// documentation (RFC 5737).
	if err := scratch.IP(ctx, "addr", "add", "192.0.2.1/32", "dev", "lo"); err != nil {
		return err
	}
	hosts := b.w.Path("hosts")
	if err := os.WriteFile(hosts, []byte("127.0.0.1 localhost "+hostName+"\n::1 localhost\n"), 0o644); err != nil {
		return err
	}
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	// No peer is to change the machine's configuration, or whom it trusts.
	if err := errors.Join(
		unix.Mount("/etc", "/etc", "", unix.MS_BIND|unix.MS_REC, ""),
		unix.Mount("", "/etc", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""),
	); err != nil {
		return fmt.Errorf("make /etc read-only: %w", err)
	}
	if err := unix.Mount(hosts, "/etc/hosts", "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount hosts file: %w", err)
	}
	// Not all roots may (CAP_SYS_RESOURCE); there are fewer WebSockets then.
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: maxFiles, Max: maxFiles}); err != nil && !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("raise the number of descriptors: %w", err)
	}
	return nil
}

// mostSockets is how many WebSockets a proxy can have, up to n.
func mostSockets(n int) int {
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil {
		return n
	}
	return int(min(uint64(n), (lim.Max-min(lim.Max, 200))/2))
}
