package gather

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"lodge/internal/elffile"
	"lodge/internal/explain/facts"
	"lodge/internal/sockets"
)

// Own returns what a process is of lodge itself, such as "keeper", or "" for
// any other process. To end one of these ends a project, or the names of all.
//
// It is known by its executable, which is this program's or is called lodge and
// was built from its source, and by its arguments: another program
// may be called lodge too. Where the executable may not be read, because it is
// another user's, its name counts; the caller could not end it either.
func Own(p *sockets.Process) string {
	role := ownRole(strings.Fields(p.Command))
	exe := filepath.Base(strings.TrimSuffix(p.Executable, " (deleted)"))
	switch {
	case strings.HasPrefix(exe, "lodge"):
		if isAnothers(p.PID) {
			return ""
		}
		if p.Command == "" {
			return "process" // its arguments cannot be read
		}
		return role
	case p.Executable == "" && strings.HasPrefix(p.Name, "lodge"):
		// Another user's: neither its executable nor, perhaps, its arguments.
		if p.Command == "" {
			return "process"
		}
		return role
	case role != "" && isThisProgram(p.PID):
		return role
	}
	return ""
}

// ownRole reads arguments of lodge: the command that it carries out.
func ownRole(args []string) string {
	if len(args) == 0 {
		return ""
	}
	switch filepath.Base(args[0]) {
	case "lodge-shim", "lodge-hosts": // before they become the program that was asked for
		return "shim"
	case "lodge-helper":
		return "helper"
	case "lodge-keeper":
		return "keeper"
	case "lodged":
		if len(args) > 1 && args[1] == "keeper" {
			return "keeper" // lodge-keeper is not beside it
		}
		if len(args) < 2 || args[1] != "command" {
			return "daemon"
		}
		args = args[1:] // it carries out a command of lodge: what follows is lodge's command line
	}
	for _, a := range args[1:] {
		if strings.HasPrefix(a, "-") {
			continue
		}
		if slices.Contains([]string{
			"keeper", "daemon", "helper", "up", "run", "exec", "logs", "open", "restart", "down", "top", "probe", "ports", "explain", "trust", "setup", "doctor", "ls",
		}, a) {
			return a
		}
		return ""
	}
	return ""
}

// isThisProgram reports whether a process runs the file that this one runs.
func isThisProgram(pid int) bool {
	own, err := os.Stat("/proc/self/exe")
	if err != nil {
		return false
	}
	other, err := os.Stat("/proc/" + strconv.Itoa(pid) + "/exe")
	return err == nil && os.SameFile(own, other)
}

// isAnothers reports whether the executable of a process can be read and was
// not built from this program's source, in whatever version.
func isAnothers(pid int) bool {
	if isThisProgram(pid) {
		return false
	}
	own, ok := debug.ReadBuildInfo()
	if !ok {
		return false
	}
	f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/exe")
	if err != nil {
		return false
	}
	defer f.Close()
	return !builtFrom(f, own.Main.Path)
}

// builtFrom reports whether a file is a Go program whose main package is of the module.
// The linker's -s and -w, and strip(1), leave what says so.
func builtFrom(f io.ReaderAt, module string) bool {
	// The lines of debug.BuildInfo stand in it as text (debug/buildinfo).
	b, err := elffile.ReadSection(f, ".go.buildinfo", 1<<20)
	return err == nil && bytes.Contains(b, []byte("\nmod\t"+module+"\t"))
}

// role is Own, also for a keeper that the daemon tells of.
func role(f *facts.Facts, p *sockets.Process) string {
	if slices.ContainsFunc(f.Projects, func(q facts.Project) bool { return q.KeeperPID != 0 && q.KeeperPID == p.PID }) {
		return "keeper"
	}
	return Own(p)
}

// setApart puts the processes of lodge itself behind the others that hold the
// same socket, and notes which they are.
func setApart(f *facts.Facts) {
	f.Own = make(map[int]string)
	apart := func(ps []*sockets.Process) {
		var others, own []*sockets.Process
		for _, p := range ps {
			if role := role(f, p); role != "" {
				f.Own[p.PID] = role
				own = append(own, p)
			} else {
				others = append(others, p)
			}
		}
		copy(ps, append(others, own...))
	}
	for _, rows := range [][]sockets.Row{f.Rows, f.Serving, f.Elsewhere, f.There} {
		for i := range rows {
			apart(rows[i].Processes)
			if rows[i].Peer != nil {
				apart(rows[i].Peer.Processes)
			}
		}
	}
}
