package explain

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"lodge/internal/sockets"
)

// Own returns what a process is of lodge itself, such as "keeper", or "" for
// any other process. To end one of these ends a project, or the names of all.
//
// It is known by its executable, which is this program's or is called lodge and
// was built from its source, and by its arguments: a program of somebody else
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
	case "lodged":
		return "daemon"
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
	e, err := elf.NewFile(f)
	if err != nil {
		return true
	}
	section := e.Section(".go.buildinfo")
	if section == nil || section.Size > 1<<20 {
		return true
	}
	// The lines of debug.BuildInfo stand in it as text (debug/buildinfo).
	b, err := section.Data()
	return err != nil || !bytes.Contains(b, []byte("\nmod\t"+own.Main.Path+"\t"))
}

// role is Own, also for a keeper that the daemon tells of.
func (f *Facts) role(p *sockets.Process) string {
	if slices.ContainsFunc(f.Projects, func(q Project) bool { return q.KeeperPID != 0 && q.KeeperPID == p.PID }) {
		return "keeper"
	}
	return Own(p)
}

// setApart puts the processes of lodge itself behind the others that hold the
// same socket, and notes which they are.
func (f *Facts) setApart() {
	f.Own = make(map[int]string)
	apart := func(ps []*sockets.Process) {
		var others, own []*sockets.Process
		for _, p := range ps {
			if role := f.role(p); role != "" {
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

// foreign are the holders of a socket that are not lodge's own.
func (f *Facts) foreign(ps []*sockets.Process) []*sockets.Process {
	return slices.DeleteFunc(slices.Clone(ps), func(p *sockets.Process) bool { return f.Own[p.PID] != "" })
}

// lodgeHas returns the process of lodge that alone holds a socket, or nil.
func (f *Facts) lodgeHas(r *sockets.Row) *sockets.Process {
	if len(r.Processes) == 0 || len(f.foreign(r.Processes)) > 0 {
		return nil
	}
	return r.Processes[0]
}

// Kept is a service of which the answer tells, because lodge holds a socket for
// it, because it had the port, or because its name was given.
type Kept struct {
	Project string `json:"project"`
	Path    string `json:"path"`
	Service
	// Log are the last lines of its output, oldest first.
	Log []string `json:"log,omitempty"`
	// Held says that lodge holds the socket that was asked about.
	Held bool `json:"held_by_lodge,omitempty"`
}

// keptFor returns the service for which lodge holds a socket by itself, or nil.
func (f *Facts) keptFor(r *sockets.Row) *Kept {
	holder := f.lodgeHas(r)
	if holder == nil || f.Own[holder.PID] != "keeper" || r.Local == nil {
		return nil
	}
	for i := range f.Projects {
		p := &f.Projects[i]
		if p != f.project(r.Local.IP) && p.KeeperPID != holder.PID {
			continue
		}
		return &Kept{Project: p.Name, Path: p.Path, Service: p.at(r.Local.Port), Held: true}
	}
	return nil
}

// at finds the service that listens on a port, or that had it; one without a
// name where none is known.
func (p *Project) at(port uint16) Service {
	for _, s := range p.Services {
		if slices.Contains(s.ports(), port) {
			return s
		}
	}
	for _, s := range p.Services {
		if slices.Contains(s.Ports, port) {
			return s
		}
	}
	return Service{}
}

// tells finds the service of which the answer tells, and reads the end of its
// log where it is not well.
func (f *Facts) tells(tail func(path, service string) []string) {
	for _, rows := range [][]*sockets.Row{f.listening(), f.at(func(r *sockets.Row) bool { return r.State == "bound" })} {
		for _, r := range rows {
			if f.Kept == nil {
				f.Kept = f.keptFor(r)
			}
		}
	}
	switch n := f.Name; {
	case f.Kept != nil:
	case n != nil && n.Service != nil:
		f.Kept = &Kept{Project: n.Project, Path: n.Path, Service: *n.Service}
	case n == nil && len(f.at(listens)) == 0:
		f.Kept = f.ended()
	}
	if k := f.Kept; k != nil && k.Name != "" && k.State != "ready" && tail != nil {
		k.Log = tail(k.Path, k.Name)
	}
}

// ended returns the service that had the port and has ended, if one has.
func (f *Facts) ended() *Kept {
	for i := range f.Projects {
		p := &f.Projects[i]
		for _, ip := range f.connectTo() {
			if q := f.project(ip); q != nil && q != p {
				continue
			}
			for _, s := range p.Services {
				if s.Ended && f.Question.HasPort && slices.Contains(s.Ports, f.Question.Port) {
					return &Kept{Project: p.Name, Path: p.Path, Service: s}
				}
			}
		}
	}
	return nil
}

// lodgeWho names lodge as the holder of a socket, and what for.
func (f *Facts) lodgeWho(r *sockets.Row, p *sockets.Process) string {
	who := fmt.Sprintf("lodge (pid %d)", p.PID)
	if p.UID != f.UID && p.User != "" {
		who = fmt.Sprintf("lodge of user %s (pid %d)", p.User, p.PID)
	}
	switch k := f.keptFor(r); {
	case k != nil && k.Name != "":
		return fmt.Sprintf("%s, which keeps it for service %s of project %s,", who, k.Name, k.Project)
	case k != nil:
		return fmt.Sprintf("%s, which keeps it for project %s,", who, k.Project)
	case f.Own[p.PID] == "daemon" && listens(r):
		return who + ", which serves the names of projects there,"
	}
	return who
}

// keptAnswer reports how the service is for which lodge holds a socket.
func (f *Facts) keptAnswer(r *sockets.Row) string {
	if k := f.keptFor(r); k != nil && k.Name != "" {
		s := fmt.Sprintf(" Service %s %s", k.Name, k.does())
		if k.Exit != nil && k.Ended && k.State != "exited" {
			s += fmt.Sprintf("; its exit status was %d", *k.Exit)
		}
		return s + "."
	}
	return ""
}

// servedLine names what leads to lodge's own port.
func (f *Facts) servedLine(rows []sockets.Row) []Line {
	if f.Name != nil || !slices.ContainsFunc(rows, func(r sockets.Row) bool {
		p := f.lodgeHas(&r)
		return p != nil && f.Own[p.PID] == "daemon" && listens(&r)
	}) {
		return nil
	}
	var urls []string
	for _, p := range f.Projects {
		for _, s := range p.Services {
			if s.URL != "" {
				urls = append(urls, s.URL)
			}
		}
	}
	if len(urls) == 0 {
		return nil
	}
	if n := len(urls) - maxShown; n > 0 {
		urls = append(urls[:maxShown:maxShown], count(n, "more", "more"))
	}
	return []Line{{"serves", joinNames(urls)}}
}

// keptLines are the evidence about that service.
func (f *Facts) keptLines() []Line {
	k := f.Kept
	if k == nil || k.Name == "" {
		return nil
	}
	var out []Line
	if f.Name == nil {
		text := fmt.Sprintf("%s of project %s, %s", k.Name, k.Project, k.State)
		if k.Exit != nil {
			text += fmt.Sprintf(", exit status %d", *k.Exit)
		}
		if k.Reason != "" && k.State != "ready" {
			text += ": " + k.Reason
		}
		out = append(out, Line{"service", text})
	}
	for _, l := range k.Log[max(len(k.Log)-maxShown, 0):] {
		out = append(out, Line{"log", plainText(l)})
	}
	return out
}

// stopLodge is the command that ends what lodge holds a socket for.
func (f *Facts) stopLodge(r *sockets.Row, p *sockets.Process) string {
	k := f.keptFor(r)
	switch {
	case k != nil && k.Name != "":
		return fmt.Sprintf("to stop the service: cd %s && lodge down %s", ShellWord(k.Path), k.Name)
	case k != nil:
		return fmt.Sprintf("to stop the project: cd %s && lodge down", ShellWord(k.Path))
	case f.Own[p.PID] == "daemon":
		return "it is lodge's own and ends with the last project (lodge down --all): use another port"
	}
	return "it is lodge's own: end the project, or the command, that it belongs to (lodge down)"
}
