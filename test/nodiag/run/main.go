// Command run starts a command without sock_diag, as on a kernel that lacks it
// or in a sandbox that forbids it:
//
//	go run ./test/nodiag/run [-all] [-errno NUMBER] COMMAND…
package main

import (
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
	flag.Parse()
	if err := run(nodiag.Filter{All: *all, Errno: unix.Errno(*errno)}, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "nodiag:", err)
		os.Exit(1)
	}
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
