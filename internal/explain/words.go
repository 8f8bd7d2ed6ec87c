package explain

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"lodge/internal/show"
	"lodge/internal/sockets"
)

// endpoint writes an address with the port that was asked for.
func (f *Facts) endpoint(ip netip.Addr) string {
	return netip.AddrPortFrom(ip, f.Input.Port).String()
}

// own writes a socket's own address, a wildcard as what it means.
func (f *Facts) own(r *sockets.Row) string {
	if r.Local == nil {
		return printable(r.Path)
	}
	ip := r.Local.IP
	if r.RealPort != 0 {
		return fmt.Sprintf("%s (inside; from outside it is port %d)", r.Local.AddrPort(), r.RealPort)
	}
	if !ip.IsUnspecified() {
		return r.Local.AddrPort().String()
	}
	all := "all addresses"
	switch {
	case ip.Is4():
		all = "all IPv4 addresses"
	case r.V6Only:
		all = "all IPv6 addresses"
	case r.Source == sockets.SourceProc:
		all = "all IPv6 addresses, and IPv4 unless IPV6_V6ONLY is set"
	}
	return fmt.Sprintf("%s (%s)", r.Local.AddrPort(), all)
}

// dial writes the address by which a listener is reached from this machine.
func (f *Facts) dial(r *sockets.Row) string {
	ip, port := r.Local.IP, r.Local.Port
	switch {
	case ip.IsUnspecified() && ip.Is4():
		ip = ip4Loopback
	case ip.IsUnspecified():
		ip = netip.IPv6Loopback()
	}
	if r.RealPort != 0 {
		port = r.RealPort
	}
	return netip.AddrPortFrom(ip, port).String()
}

// far writes the far end of a connection with who is there.
func (f *Facts) far(r *sockets.Row) string {
	if r.Peer != nil && len(r.Peer.Processes) > 0 {
		return processes(r.Peer.Processes) + " at " + r.Remote.AddrPort().String()
	}
	return r.Remote.AddrPort().String()
}

// who names those who hold a socket.
func (f *Facts) who(r *sockets.Row) string {
	switch own := f.lodgeHas(r); {
	case own != nil:
		return f.lodgeWho(r, own)
	case len(r.Processes) > 0:
		all := f.foreign(r.Processes)
		s := processes(all)
		if r.Service != "" {
			p := all[0]
			s = fmt.Sprintf("service %s of project %s (%s, pid %d)", r.Service, r.Project, printable(p.Name), p.PID)
		}
		return s
	case f.UID == 0 && !r.Unknown && listens(r) && len(r.Processes) == 0 && r.Closed == nil:
		return "a process that cannot be seen from here"
	case r.Unknown && r.User != "":
		return "a process of user " + r.User + " that may not be seen from here"
	case r.Unknown:
		return "a process that may not be seen from here"
	case r.Closed != nil:
		return process(r.Closed) + ", which has closed it"
	}
	return "nobody any more"
}

func processes(ps []*sockets.Process) string {
	if len(ps) == 1 {
		return process(ps[0])
	}
	same := true
	for _, p := range ps[1:] {
		same = same && p.Name == ps[0].Name
	}
	if same && len(ps) > 2 {
		return fmt.Sprintf("%s (pid %d and %d more)", printable(ps[0].Name), ps[0].PID, len(ps)-1)
	}
	var out []string
	for _, p := range ps[:min(len(ps), 3)] {
		out = append(out, process(p))
	}
	if len(ps) > 3 {
		out = append(out, fmt.Sprintf("%d more", len(ps)-3))
	}
	return joinNames(out)
}

func process(p *sockets.Process) string { return fmt.Sprintf("%s (pid %d)", printable(p.Name), p.PID) }

// line writes a socket in one line of evidence.
func (f *Facts) line(r *sockets.Row) string {
	var s string
	switch {
	case r.Remote != nil:
		s = fmt.Sprintf("%s -> %s, %s", r.Local.AddrPort(), r.Remote.AddrPort(), state(r.State))
	default:
		s = fmt.Sprintf("%s, %s", f.own(r), state(r.State))
	}
	if len(r.Processes) > 0 || r.Unknown || r.Closed != nil {
		s += ": " + strings.TrimSuffix(f.who(r), ",")
	}
	return s
}

// state writes a state as people know it.
func state(s string) string {
	switch s {
	case "listen":
		return "listens"
	case "bound":
		return "bound"
	case "established":
		return "connected"
	}
	return strings.ToUpper(s)
}

// shown are those holders of a socket of which more is told: lodge itself only
// where nobody else holds it.
func (f *Facts) shown(r *sockets.Row) []*sockets.Process {
	ps := f.foreign(r.Processes)
	if len(ps) == 0 {
		ps = r.Processes
	}
	return ps[:min(len(ps), 3)]
}

// plainText returns a line of a program's output without colours and without what
// could harm a terminal.
func plainText(s string) string { return show.CleanLine(s, false) }

// about tells of those who hold a socket: command, start, directory, parents.
func (f *Facts) about(r *sockets.Row) []string {
	var out []string
	for _, p := range f.shown(r) {
		if p.Command != "" {
			out = append(out, fmt.Sprintf("pid %d runs %s", p.PID, p.Command))
		}
		if to := forwards(p); to != "" {
			out = append(out, to)
		}
		if s := deleted(p); s != "" {
			out = append(out, s)
		}
		out = append(out, f.Processes[p.PID].Limits...)
		if p.StartedAt != nil {
			out = append(out, fmt.Sprintf("started %s", ago(f.Now.Sub(*p.StartedAt))))
		}
		if p.Directory != "" {
			out = append(out, "in "+p.Directory)
		}
		if chain := f.parents(p.PID); chain != "" {
			out = append(out, "started by "+chain)
		}
	}
	return out
}

// deleted says that a process runs a file that is not there any more.
func deleted(p *sockets.Process) string {
	path, ok := strings.CutSuffix(p.Executable, " (deleted)")
	if !ok {
		return ""
	}
	return fmt.Sprintf("its executable %s was deleted or replaced since it started: it still runs the old one", printable(path))
}

// forwards reports where Docker's proxy sends what it gets: a published port's
// listener is not the server itself.
func forwards(p *sockets.Process) string {
	to, ok := forwardsTo(p)
	if !ok {
		return ""
	}
	return fmt.Sprintf("forwards to a container, at %s port %d", to.Addr(), to.Port())
}

// parents writes the ancestors that explain a process, nearest first.
func (f *Facts) parents(pid int) string {
	var out []string
	for _, a := range f.Processes[pid].Ancestors {
		out = append(out, fmt.Sprintf("%s (%d)", printable(a.Name), a.PID))
	}
	if len(out) > 6 {
		out = append(out[:5:5], "…", out[len(out)-1])
	}
	return strings.Join(out, " < ")
}

func upper(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 || strings.Contains(s[:min(len(s), 24)], " (pid ") {
		return s // a program's name stays as it is
	}
	return string(unicode.ToUpper(r)) + s[n:]
}

func ago(d time.Duration) string           { return show.Ago(d) }
func count(n int, one, many string) string { return show.Count(n, one, many) }

// printable returns a process's name, which may be any bytes.
func printable(s string) string {
	if s == "" {
		return "?"
	}
	return show.Clean(s, false)
}

// ShellWord writes a path as one word of a shell's command line (POSIX,
// Shell Command Language, section 2.2.2).
func ShellWord(s string) string {
	plain := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("/._-+,:@%", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// pids are the processes that would have to end, so none of lodge's own.
func (f *Facts) pids(r *sockets.Row) []int {
	var out []int
	for _, p := range f.foreign(r.Processes) {
		out = append(out, p.PID)
	}
	return out
}

// short writes a container's id as people do.
func short(id string) string {
	if len(id) == 64 {
		return id[:12]
	}
	return id
}

func add(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

func strs(ips []netip.Addr) []string {
	var out []string
	for _, ip := range ips {
		out = append(out, ip.String())
	}
	return out
}
