package words

import (
	"fmt"
	"strings"

	"lodge/internal/explain/facts"
	"lodge/internal/sockets"
	"lodge/internal/sockets/holders"
)

// Holder names the processes that hold a socket.
func Holder(f *facts.Facts, r *sockets.Row) string {
	switch own := f.HeldByLodge(r); {
	case own != nil:
		return LodgeHolder(f, r, own)
	case len(r.Processes) > 0:
		all := f.Foreign(r.Processes)
		s := Processes(all)
		if r.Service != "" {
			p := all[0]
			s = fmt.Sprintf("service %s of project %s (%s, pid %d)", r.Service, r.Project, Printable(p.Name), p.PID)
		}
		return s
	case f.UID == 0 && !r.Unknown && facts.Listens(r) && len(r.Processes) == 0 && r.Closed == nil:
		return "a process that cannot be seen from here"
	case r.Unknown && r.User != "":
		return "a process of user " + r.User + " that may not be seen from here"
	case r.Unknown:
		return "a process that may not be seen from here"
	case r.Closed != nil:
		return Process(r.Closed) + ", which has closed it"
	}
	return "nobody any more"
}

func Processes(ps []*sockets.Process) string {
	if len(ps) == 1 {
		return Process(ps[0])
	}
	same := true
	for _, p := range ps[1:] {
		same = same && p.Name == ps[0].Name
	}
	if same && len(ps) > 2 {
		return fmt.Sprintf("%s (pid %d and %d more)", Printable(ps[0].Name), ps[0].PID, len(ps)-1)
	}
	var out []string
	for _, p := range ps[:min(len(ps), 3)] {
		out = append(out, Process(p))
	}
	if len(ps) > 3 {
		out = append(out, fmt.Sprintf("%d more", len(ps)-3))
	}
	return Join(out)
}

func Process(p *sockets.Process) string { return fmt.Sprintf("%s (pid %d)", Printable(p.Name), p.PID) }

// Shown are those holders of a socket of which more is told: lodge itself only
// where no other process holds it.
func Shown(f *facts.Facts, r *sockets.Row) []*sockets.Process {
	ps := f.Foreign(r.Processes)
	if len(ps) == 0 {
		ps = r.Processes
	}
	return ps[:min(len(ps), 3)]
}

// Deleted says that a process runs a file that is not there any more.
func Deleted(p *sockets.Process) string {
	path, ok := strings.CutSuffix(p.Executable, " (deleted)")
	if !ok {
		return ""
	}
	return fmt.Sprintf("its executable %s was deleted or replaced since it started: it still runs the old one", Printable(path))
}

// Forwards reports where Docker's proxy sends what it gets: a published port's
// listener is not the server itself.
func Forwards(p *sockets.Process) string {
	to, ok := holders.ForwardsTo(p.Name, p.Command)
	if !ok {
		return ""
	}
	return fmt.Sprintf("forwards to a container, at %s port %d", to.Addr(), to.Port())
}

// Parents writes the ancestors that explain a process, nearest first.
func Parents(f *facts.Facts, pid int) string {
	var out []string
	for _, a := range f.Processes[pid].Ancestors {
		out = append(out, fmt.Sprintf("%s (%d)", Printable(a.Name), a.PID))
	}
	if len(out) > 6 {
		out = append(out[:5:5], "…", out[len(out)-1])
	}
	return strings.Join(out, " < ")
}

// UnseenWhy reports why no process is shown for a socket that facts.Listens, and what to
// do about it.
func UnseenWhy(f *facts.Facts, r *sockets.Row) string {
	switch {
	case r.Unknown && f.UID != 0:
		return "it is another user's: run lodge explain as root to see which process"
	case f.UID != 0:
		return "no process that may be seen from here has it"
	case f.OtherPIDNamespace:
		return "its process is in another pid namespace (the machine's, a container's, Windows' side of WSL) and cannot be seen from this one: look there"
	}
	return "no process has it as a descriptor: either that is on its way between two processes (SCM_RIGHTS), or the socket is one of the kernel, such as for NFS or a tunnel; a process of a pid namespace that is not below this one would not be seen"
}

// Inherited tells that the holders of a listening socket got it from the program
// that started them, which has ended, and do not wait for connections: such as a
// child that a server left behind. It is "" where that is not so, or not known.
func Inherited(f *facts.Facts, r *sockets.Row) string {
	pid, ok := f.Inherited[r.Inode]
	if !ok {
		return ""
	}
	for _, p := range r.Processes {
		if p.PID == pid {
			return fmt.Sprintf("%s only inherited the socket, it seems: the program that started it and that listened has ended, and %s does not wait for connections", Process(p), Printable(p.Name))
		}
	}
	return ""
}
