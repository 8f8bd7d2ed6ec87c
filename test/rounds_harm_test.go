package test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// harm is one thing that goes wrong on a machine.
type harm struct {
	name string
	do   func(command *process)
}

// anyHarm chooses what goes wrong.
func (r *rounds) anyHarm() harm {
	all := []harm{
		r.killed("daemon"), r.killed("keeper"), r.killed("helper"), r.killed("service"),
		r.killed("daemon", "keeper"), r.killed("daemon", "keeper", "helper"), r.killedShim(),
		r.held("daemon"), r.held("keeper"), r.held("helper"), r.held("service"),
		r.held("daemon", "keeper", "helper"),
		{"kill -9 of the command", func(c *process) { _ = c.cmd.Process.Kill() }},
		{"SIGINT to the command", func(c *process) { _ = c.cmd.Process.Signal(syscall.SIGINT) }},
		{"SIGSTOP and SIGKILL to the command", func(c *process) {
			_ = c.cmd.Process.Signal(syscall.SIGSTOP)
			r.pause()
			_ = c.cmd.Process.Kill()
		}},
		r.removed("the runtime directory is emptied", r.runtime, "lodge/*"),
		r.removed("the runtime directory is removed", r.runtime, "lodge"),
		r.removed("the daemon's socket is removed", r.runtime, "lodge/lodge.sock"),
		r.removed("the keepers' directory is removed", r.runtime, "lodge/k"),
		r.removed("the keepers' records are removed", r.runtime, "lodge/k/*.json"),
		r.removed("the state directory is emptied", r.state, "lodge/*"),
		r.removed("the records in the state directory are removed", r.state, "lodge/run-*"),
		{"the keepers' records are cut off", func(*process) {
			for _, f := range r.files(r.runtime, "lodge/k/*.json") {
				_ = os.Truncate(f, 20)
			}
		}},
	}
	return all[r.rand.IntN(len(all))]
}

// killed is the end of all processes of these kinds that there are.
func (r *rounds) killed(roles ...string) harm {
	return harm{"kill -9 of the " + strings.Join(roles, ", "), func(*process) {
		for _, pid := range r.having(r.processes(), roles...) {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}}
}

// killedShim is the end of the next program inside that has not begun yet.
func (r *rounds) killedShim() harm {
	return harm{"kill -9 of the shim", func(command *process) {
		for over := time.Now().Add(shimPatience); time.Now().Before(over); {
			for _, pid := range r.having(r.processes(), "shim") {
				_ = unix.Kill(pid, unix.SIGKILL)
				over = time.Now()
			}
			select {
			case <-command.done:
				return
			default:
			}
		}
	}}
}

// shimPatience bounds the search for a shim. There may be none: with ebpf there
// is one only where a program gets a hosts file of its own.
const shimPatience = 2 * time.Second

// held stops the processes of these kinds, which go on, or are killed, when the
// next command has ended.
func (r *rounds) held(roles ...string) harm {
	kill := r.rand.IntN(3) == 0
	name := "SIGSTOP to the " + strings.Join(roles, ", ")
	if kill {
		name += ", and SIGKILL after the next command"
	}
	return harm{name, func(*process) {
		for _, pid := range r.having(r.processes(), roles...) {
			if unix.Kill(pid, unix.SIGSTOP) != nil {
				continue
			}
			if kill {
				pid = -pid
			}
			r.stopped = append(r.stopped, pid)
		}
	}}
}

// goOn ends the stop of what was stopped, by SIGCONT or by SIGKILL.
func (r *rounds) goOn() {
	for _, pid := range r.stopped {
		if pid < 0 {
			_ = unix.Kill(-pid, unix.SIGKILL)
		} else {
			_ = unix.Kill(pid, unix.SIGCONT)
		}
	}
	r.stopped = nil
}

func (r *rounds) removed(name, dir, pattern string) harm {
	return harm{name, func(*process) {
		for _, f := range r.files(dir, pattern) {
			// Something may be made in a directory while it is being removed.
			if err := os.RemoveAll(f); err != nil && !errors.Is(err, unix.ENOTEMPTY) {
				r.t.Errorf("remove %s: %v", f, err)
			}
		}
	}}
}

func (r *rounds) files(dir, pattern string) []string {
	files, _ := filepath.Glob(filepath.Join(dir, pattern))
	return files
}

// having lists those of the processes that are of some kinds: lodge's own, which
// are daemon, keeper, helper, and the shim that a program inside is before its
// exec; service and away, the servers of the project; and visitor, a command inside that
// does not end by itself.
func (r *rounds) having(ps []proc, roles ...string) []int {
	var out []int
	for _, p := range ps {
		if slices.Contains(roles, r.role(p)) {
			out = append(out, p.pid)
		}
	}
	return out
}

func (r *rounds) role(p proc) string {
	exe, _ := os.Readlink("/proc/" + itoa(p.pid) + "/exe")
	switch {
	case exe == peerBin && p.cmdline[len(p.cmdline)-1] == r.services["away"].text:
		return "away" // no process of a service: nothing starts it again if it is killed
	case exe == peerBin:
		return "service"
	case slices.Equal(p.cmdline, visitor):
		return "visitor"
	}
	return roleOf(r.bin, p)
}
