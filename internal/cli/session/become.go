package session

import (
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"lodge/internal/cli/kit"
)

// OffloadCommand is the first argument of lodged where it carries out a command of lodge;
// the command line of lodge follows.
const OffloadCommand = "command"

// Offload has lodged carry out this command line: lodge becomes lodged. It returns only
// if that fails.
func Offload(k *kit.Kit) error {
	return BecomeLodged(k, append([]string{OffloadCommand}, k.Env.Args...)...)
}

// timerSlack is by how much timers of a program that works beside others may be late, in
// nanoseconds.
const timerSlack = 1_000_000

// OffloadBeside is Offload for a command that works beside programs whose speed matters.
// Its timers may be a millisecond late: a thread of Go's runtime looks every 20 µs at what
// the others do as long as they do anything (sysmon in runtime/proc.go), and takes a
// processor from someone each time. What a thread has set is kept by execve(2) and is its
// threads' to come (PR_SET_TIMERSLACK, prctl(2)).
func OffloadBeside(k *kit.Kit) error {
	runtime.LockOSThread() // the thread that executes it
	defer runtime.UnlockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, timerSlack, 0, 0, 0) // without it, it is only slower
	return Offload(k)
}

// BecomeLodged executes lodged with these arguments in the place of lodge. It returns
// only if that fails.
func BecomeLodged(k *kit.Kit, args ...string) error {
	exec := k.Env.Exec
	if exec == nil {
		exec = syscall.Exec
	}
	return Missing(k.Env.Lodged, exec(k.Env.Lodged, append([]string{k.Env.Lodged}, args...), k.Env.Environ))
}
