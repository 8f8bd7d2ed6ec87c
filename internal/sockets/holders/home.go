package holders

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
	"lodge/internal/mark"
	"lodge/internal/procfs"
)

// readHome says in which home a process is.
func readHome(w *searcher, dir int, p *Process) {
	if ip, service, ok := cgroupHome(p.Cgroup); ok {
		for _, h := range w.Homes {
			if h.IP4 == ip {
				p.Project, p.Service = h.Project, service
			}
		}
		return
	}
	marked := mark.Mark{}
	if b, err := w.read(dir, "limits"); err == nil {
		marked, _ = mark.Parse(b) // a process that has just ended has no limits
	}
	for i := range w.Homes {
		h := &w.Homes[i]
		if marked.Home == 0 || h.Mark != marked.Home || !h.mayHold(p) {
			continue
		}
		if marked.Is(h.Mark, "") {
			return // the keeper
		}
		p.Project = h.Project
		for _, name := range h.Services {
			if marked.Is(h.Mark, name) {
				p.Service = name
				return
			}
		}
	}
	if marked.Home != 0 && p.Project == "" {
		return // of a home that is not asked about
	}
	// Without a mark, or of no service that is listed.
	b, err := w.read(dir, "environ")
	if err != nil {
		return
	}
	id, service := environHome(b)
	for _, h := range w.Homes {
		if h.ID != "" && h.ID == id && (p.Project == "" || p.Project == h.Project) && h.mayHold(p) {
			p.Project, p.Service = h.Project, service
		}
	}
}

// mayHold reports whether a process that says so can be inside the home. Marks
// and environments can be copied: of another user than the keeper it must be a
// descendant of the keeper, which is the subreaper of all that is inside.
func (h *Home) mayHold(p *Process) bool {
	if h.Keeper == 0 {
		return true
	}
	var st unix.Stat_t
	if unix.Stat("/proc/"+strconv.Itoa(h.Keeper), &st) == nil && st.Uid == p.UID {
		return true
	}
	pid := p.ParentPID
	for range ancestorsMost {
		if pid == h.Keeper || pid <= 1 {
			break
		}
		s, err := procfs.ReadStat(pid)
		if err != nil {
			return false
		}
		pid = s.Parent
	}
	return pid == h.Keeper
}

// cgroupHome reads the path of a cgroup inside a home of the ebpf engine:
// /lodge-UID-RANDOM/home-ADDRESS/in/SERVICE, where a byte of the service may
// be written %NN. Only a path that begins so is one: a user who may make
// cgroups somewhere below cannot imitate a home.
func cgroupHome(path string) (ip netip.Addr, service string, ok bool) {
	parts := strings.SplitN(path, "/", 6)
	if len(parts) < 5 || parts[0] != "" || !strings.HasPrefix(parts[1], "lodge-") || parts[3] != "in" || parts[4] == "" {
		return netip.Addr{}, "", false
	}
	text, isHome := strings.CutPrefix(parts[2], "home-")
	ip, err := netip.ParseAddr(text)
	if !isHome || err != nil || !ip.Is4() || !loopback.HomeRange.Contains(ip) {
		return netip.Addr{}, "", false
	}
	var b []byte
	for name := parts[4]; name != ""; {
		if name[0] != '%' {
			b, name = append(b, name[0]), name[1:]
			continue
		}
		if len(name) < 3 {
			return netip.Addr{}, "", false
		}
		n, err := strconv.ParseUint(name[1:3], 16, 8)
		if err != nil {
			return netip.Addr{}, "", false
		}
		b, name = append(b, byte(n)), name[3:]
	}
	return ip, string(b), true
}

// environHome reads the variables that the seccomp and none engines set.
func environHome(b []byte) (id, service string) {
	for kv := range bytes.SplitSeq(b, []byte{0}) {
		if v, ok := bytes.CutPrefix(kv, []byte("LODGE_HOME_ID=")); ok {
			id = string(v)
		} else if v, ok := bytes.CutPrefix(kv, []byte("LODGE_SERVICE=")); ok {
			service = string(v)
		}
	}
	return id, service
}

// Home is what a caller knows of a project: its address, and whose it is.
type Home struct {
	IP4, IP6 netip.Addr
	Project  string
	ID       string
	// Keeper is the process that is the ancestor of all that is inside, or 0
	// where that is not known.
	Keeper int
	// Mark is what its processes carry, and Services the names of its services.
	Mark     mark.Home
	Services []string
	// Moved are sockets for IPv6 alone that are at another port of ::1 than
	// their programs asked for.
	Moved []Moved
}

// Moved is a socket at the port Real of ::1 that its program, and other programs
// inside the home, know as Port.
type Moved struct {
	Protocol   loopback.Protocol
	Port, Real uint16
}
