// Command run starts a command without sock_diag, as on a kernel that lacks it
// or in a sandbox that forbids it:
//
//	go run ./test/nodiag/run [-all] [-errno NUMBER] [-uid NUMBER] COMMAND…
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"

	"lodge/test/nodiag"
)

func main() {
	all := flag.Bool("all", false, "refuse every netlink socket")
	errno := flag.Int("errno", int(unix.EPROTONOSUPPORT), "the `NUMBER` of the error")
	uid := flag.Int("uid", -1, "as the user with this `NUMBER`")
	flag.Parse()
	if err := become(*uid); err != nil {
		fmt.Fprintln(os.Stderr, "nodiag:", err)
		os.Exit(1)
	}
	if err := run(nodiag.Filter{All: *all, Errno: unix.Errno(*errno)}, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "nodiag:", err)
		os.Exit(1)
	}
}

// become changes the user, and its group to the one of the same number.
func become(uid int) error {
	if uid < 0 || uid == os.Geteuid() {
		return nil
	}
	if err := errors.Join(unix.Setgroups(nil), unix.Setgid(uid), unix.Setuid(uid)); err != nil {
		return fmt.Errorf("become user %d: %w", uid, err)
	}
	return nil
}

func run(f nodiag.Filter, argv []string) error {
	if len(argv) == 0 {
		return fmt.Errorf("start a command: %w", flag.ErrHelp)
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return err
	}
	if err := f.Install(); err != nil {
		return err
	}
	return os.NewSyscallError("execve", unix.Exec(path, argv, os.Environ()))
}
