package test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"

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
		r.killed("daemon"), r.killed("keeper"), r.killed("helper"), r.killed("shim"),
		r.held("daemon"), r.held("keeper"), r.held("helper"),
		{"kill -9 of the command", func(c *process) { _ = c.cmd.Process.Kill() }},
		{"SIGINT to the command", func(c *process) { _ = c.cmd.Process.Signal(syscall.SIGINT) }},
		{"SIGSTOP and SIGKILL to the command", func(c *process) {
			_ = c.cmd.Process.Signal(syscall.SIGSTOP)
			r.pause()
			_ = c.cmd.Process.Kill()
		}},
		r.removed("the runtime directory is emptied", "*"),
		r.removed("the daemon's socket is removed", "lodge.sock"),
		r.removed("the keepers' directory is removed", "k"),
		r.removed("the keepers' records are removed", "k/*.json"),
		{"the keepers' records are cut off", func(*process) {
			for _, f := range r.runtimeFiles("k/*.json") {
				_ = os.Truncate(f, 20)
			}
		}},
	}
	return all[r.rand.IntN(len(all))]
}

// killed is the end of all processes of a kind that there are.
func (r *rounds) killed(role string) harm {
	return harm{"kill -9 of the " + role, func(*process) {
		for _, pid := range r.having(role) {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}}
}

// held stops the processes of a kind, which go on, or are killed, when the next
// command has ended.
func (r *rounds) held(role string) harm {
	kill := r.rand.IntN(3) == 0
	name := "SIGSTOP to the " + role
	if kill {
		name += ", and SIGKILL after the next command"
	}
	return harm{name, func(*process) {
		for _, pid := range r.having(role) {
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

func (r *rounds) removed(name, pattern string) harm {
	return harm{name, func(*process) {
		for _, f := range r.runtimeFiles(pattern) {
			if err := os.RemoveAll(f); err != nil {
				r.t.Errorf("remove %s: %v", f, err)
			}
		}
	}}
}

func (r *rounds) runtimeFiles(pattern string) []string {
	files, _ := filepath.Glob(filepath.Join(r.lodgeRuntime(), pattern))
	return files
}

// having lists lodge's own processes of a kind: daemon, keeper, helper, or the
// shim that a program inside is before its exec. It remembers their cgroups,
// for the look at what is left at the end.
func (r *rounds) having(role string) []int {
	var out []int
	for _, p := range r.processes() {
		exe, _ := os.Readlink("/proc/" + itoa(p.pid) + "/exe")
		if strings.TrimSuffix(exe, " (deleted)") != r.bin {
			continue
		}
		is := "shim"
		if len(p.cmdline) > 1 && p.cmdline[0] != "lodge-shim" && p.cmdline[0] != "lodge-hosts" {
			is = p.cmdline[1]
		}
		if is == role {
			out = append(out, p.pid)
		}
	}
	return out
}
