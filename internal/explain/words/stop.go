package words

import (
	"fmt"
	"net/netip"
	"strings"

	"lodge/internal/explain/facts"
	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

// HowToStop returns the command that ends the holder of a socket, by what supervises
// it.
func HowToStop(f *facts.Facts, r *sockets.Row) string {
	if own := f.HeldByLodge(r); own != nil {
		return StopLodge(f, r, own)
	}
	if r.Project != "" && r.Service != "" {
		if p := f.ProjectNamed(r.Project); p != nil {
			return fmt.Sprintf("to stop the service: cd %s && lodge down %s", ShellWord(p.Path), r.Service)
		}
	}
	for _, p := range r.Processes {
		if p.Container != "" {
			return "to stop the container: docker stop " + Short(p.Container)
		}
	}
	if len(r.Processes) == 0 {
		return UnseenWhy(f, r)
	}
	hint := fmt.Sprintf("to stop it: lodge explain --kill %s", Shortest(f))
	for _, p := range r.Processes {
		if IsUnit(p) {
			return fmt.Sprintf("to stop it: systemctl stop %s (it may come back when it is killed)", p.Unit)
		}
	}
	if f.Question.Operation == "" {
		return hint
	}
	return hint + ", or use another port"
}

// IsUnit reports whether systemd supervises a process by itself.
func IsUnit(p *sockets.Process) bool {
	return strings.HasSuffix(p.Unit, ".service") && !strings.HasPrefix(p.Unit, "user@")
}

// Shortest is the shortest way to ask for the same port again.
func Shortest(f *facts.Facts) string {
	if f.Unix != nil {
		return ShellWord(f.Unix.Path)
	}
	if len(f.Question.IPs) == 1 && !f.Question.IPs[0].IsUnspecified() {
		return netip.AddrPortFrom(f.Question.IPs[0], f.Question.Port).String()
	}
	if f.Question.Protocol == loopback.UDP {
		return fmt.Sprintf("%d/udp", f.Question.Port)
	}
	return fmt.Sprintf(":%d", f.Question.Port)
}

// StopLodge is the command that ends what lodge holds a socket for.
func StopLodge(f *facts.Facts, r *sockets.Row, p *sockets.Process) string {
	k := f.KeptFor(r)
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
