// Package stall says why a process does not answer: it is stopped by a signal,
// held by a debugger, frozen with its cgroup, or waits for a device. A process
// like that accepts connections (the kernel does that for it) and says nothing.
//
// It reads /proc and the cgroup file system. It continues and ends nothing.
package stall

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"lodge/internal/procfs"
)

// State is why a process does not run.
type State string

// The states in which a process does not run.
const (
	Stopped State = "stopped" // by SIGSTOP and the like: T in /proc/PID/stat
	Traced  State = "traced"  // held by a debugger: t
	Frozen  State = "frozen"  // with its cgroup (cgroup.freeze, freezer.state)
	Blocked State = "blocked" // in a system call that no signal ends: D
)

// Halt is a process that does not run.
type Halt struct {
	PID   int
	State State
	// Tracer is the debugger of a traced process, or 0.
	Tracer int
	// Freezer is the file of the cgroup file system that a frozen process is
	// thawed by, or "".
	Freezer string
	// Foreign says that the process belongs to another user than this one.
	Foreign bool
}

// Look reports whether the process does not run, and why. A blocked process
// often goes on within moments: look at it again.
func Look(pid int) (Halt, bool) { return machine{proc: "/proc"}.look(pid) }

// Reason is what is wrong with the process, in a few words.
func (h Halt) Reason() string {
	switch h.State {
	case Stopped:
		return "stopped by a signal (state T)"
	case Traced:
		if h.Tracer > 0 {
			return fmt.Sprintf("held by a debugger, process %d (state t)", h.Tracer)
		}
		return "held by a debugger (state t)"
	case Frozen:
		if h.Freezer != "" {
			return "frozen with its cgroup " + filepath.Dir(h.Freezer)
		}
		return "frozen with its cgroup"
	}
	return "blocked in a system call, such as on a disk or a network file system (state D)"
}

// Hint is what makes the process run again, or "" where that is not known.
func (h Halt) Hint() string {
	sudo := ""
	if h.Foreign && os.Geteuid() != 0 {
		sudo = "sudo "
	}
	switch h.State {
	case Stopped:
		return fmt.Sprintf("%skill -CONT %d", sudo, h.PID)
	case Traced:
		if h.Tracer > 0 {
			return fmt.Sprintf("continue or detach in the debugger, or end it: %skill %d", sudo, h.Tracer)
		}
		return "continue or detach in the debugger"
	case Frozen:
		word := "0"
		if filepath.Base(h.Freezer) == "freezer.state" {
			word = "THAWED"
		}
		if h.Freezer != "" {
			return fmt.Sprintf("thaw it: echo %s | %stee %s", word, sudo, h.Freezer)
		}
		return "thaw it"
	}
	return fmt.Sprintf("see what it waits for: %scat /proc/%d/stack", sudo, h.PID)
}

// machine is where the kernel's files are.
type machine struct{ proc string }

func (m machine) read(pid int, name string) []byte {
	b, _ := os.ReadFile(filepath.Join(m.proc, strconv.Itoa(pid), name)) // a process that has gone is not halted
	return b
}

func (m machine) look(pid int) (Halt, bool) {
	if pid <= 0 {
		return Halt{}, false
	}
	h := Halt{PID: pid}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(m.proc, strconv.Itoa(pid)), &st); err != nil {
		return Halt{}, false
	}
	h.Foreign = int(st.Uid) != os.Geteuid()
	switch state := m.state(pid); state {
	case 'T':
		h.State = Stopped
		return h, true
	case 't':
		h.State, h.Tracer = Traced, statusField(m.read(pid, "status"), "TracerPid")
		if group := statusField(m.read(h.Tracer, "status"), "Tgid"); group > 0 {
			h.Tracer = group // TracerPid is a thread
		}
		return h, true
	case 'Z', 'X', 0:
		return Halt{}, false
	case 'D': // the version 1 freezer leaves its tasks in this state
		h.State = Blocked
	}
	if file, ok := m.frozen(pid); ok {
		h.State, h.Freezer = Frozen, file
	}
	return h, h.State != ""
}

// state returns the process's state as proc(5) has it, or 0 if it has gone.
// A debugger may hold another thread than the first: that counts too.
func (m machine) state(pid int) byte {
	s, err := procfs.ParseStat(m.read(pid, "stat"))
	if err != nil {
		return 0
	}
	if s.State == 'T' || s.State == 't' || s.State == 'Z' || s.State == 'X' {
		return s.State
	}
	threads, _ := os.ReadDir(filepath.Join(m.proc, strconv.Itoa(pid), "task"))
	for _, t := range threads {
		if s, err := procfs.ParseStat(m.read(pid, filepath.Join("task", t.Name(), "stat"))); err == nil && s.State == 't' {
			return 't'
		}
	}
	return s.State
}

// statusField reads a number of /proc/PID/status, or 0.
func statusField(status []byte, name string) int {
	_, rest, ok := bytes.Cut(status, []byte("\n"+name+":"))
	if !ok {
		return 0
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	n, _ := strconv.Atoi(string(bytes.TrimSpace(line)))
	return n
}

// frozen reports whether the process is frozen, and the file by which it is
// thawed: that of the outermost cgroup that was frozen.
func (m machine) frozen(pid int) (file string, ok bool) {
	mounts, _ := os.ReadFile(filepath.Join(m.proc, "self", "mountinfo"))
	for line := range strings.Lines(string(m.read(pid, "cgroup"))) {
		// hierarchy-ID:controller-list:cgroup-path (cgroups(7))
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(parts) != 3 || !filepath.IsLocal(strings.TrimPrefix(parts[2], "/")) {
			continue // also the root, which cannot be frozen
		}
		switch {
		case parts[0] == "0" && parts[1] == "":
			mount := mountPoint(mounts, "cgroup2", "")
			if mount == "" || !hasLine(filepath.Join(mount, parts[2], "cgroup.events"), "frozen 1") {
				continue
			}
			return outermost(mount, parts[2], "cgroup.freeze", "1"), true
		case strings.Contains(","+parts[1]+",", ",freezer,"):
			mount := mountPoint(mounts, "cgroup", "freezer")
			if mount == "" || !hasLine(filepath.Join(mount, parts[2], "freezer.state"), "FROZEN") {
				continue
			}
			return outermost(mount, parts[2], "freezer.state", "FROZEN"), true
		}
	}
	return "", false
}

// outermost returns the file of that name of the outermost cgroup above path,
// or at it, in which it says word.
func outermost(mount, path, name, word string) string {
	dir := mount
	for part := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		dir = filepath.Join(dir, part)
		if file := filepath.Join(dir, name); hasLine(file, word) {
			return file
		}
	}
	return ""
}

func hasLine(file, want string) bool {
	b, _ := os.ReadFile(file) // the root cgroup has no such files
	for line := range strings.Lines(string(b)) {
		if strings.TrimSpace(line) == want {
			return true
		}
	}
	return false
}

// mountPoint returns where a file system of that type is mounted, whose
// options have the word option if that is not "" (/proc/PID/mountinfo, proc(5)).
func mountPoint(mountinfo []byte, fstype, option string) string {
	for line := range strings.Lines(string(mountinfo)) {
		left, right, ok := strings.Cut(line, " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if !ok || len(l) < 5 || len(r) < 3 || r[0] != fstype {
			continue
		}
		if option == "" || strings.Contains(","+r[2]+",", ","+option+",") {
			return unescape(l[4])
		}
	}
	return ""
}

// unescape undoes the octal escapes of mountinfo.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}
