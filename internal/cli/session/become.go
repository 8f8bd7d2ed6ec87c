package session

import (
	"syscall"

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

// BecomeLodged executes lodged with these arguments in the place of lodge. It returns
// only if that fails.
func BecomeLodged(k *kit.Kit, args ...string) error {
	exec := k.Env.Exec
	if exec == nil {
		exec = syscall.Exec
	}
	return Missing(k.Env.Lodged, exec(k.Env.Lodged, append([]string{k.Env.Lodged}, args...), k.Env.Environ))
}
