package diff

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"lodge/internal/tap/diff/forms"
)

// server is a server of the comparison: what is the same in both recordings.
type server struct {
	key  string
	name string // its service, else its process, or ""
	port uint16 // 0 where it is an ephemeral one
	// service reports that name is that of a service, project that there are several.
	service bool
	project string
}

// label is the server as it is shown.
func (s *server) label() string {
	out := s.name
	if s.project != "" {
		out = s.project + "/" + out
	}
	if s.port != 0 {
		out += ":" + strconv.Itoa(int(s.port))
	}
	return out
}

// renamed is a server whose process has another name in the other recording.
type renamed struct {
	port uint16
	a, b string
}

// resolve gives each endpoint of a run its server. reference is the first run, which is
// resolved, or nil for it itself. It returns the servers whose processes are others.
func resolve(r *Run, reference *Run) (changed []renamed) {
	project := projectNames(r, reference)
	names := addressNames(r)
	one := oneNamePerPort(names)
	for _, e := range r.ends {
		s := &server{name: e.service, service: e.service != "", port: e.address.Port()}
		of := e.project
		if !e.address.IsValid() {
			s.name = cmp.Or(e.service, e.process, e.path)
		} else if s.port >= forms.Ephemeral {
			s.port = 0
			s.name = cmp.Or(e.service, e.process, "ephemeral port")
		} else {
			n := names[e.address]
			if n.name == "" {
				n = one[s.port]
			}
			s.name, s.service = n.name, n.service
			of = cmp.Or(of, n.project)
		}
		s.project = project[of]
		s.key = s.project + "/" + s.name + ":" + strconv.Itoa(int(s.port))
		e.server = s
	}
	if reference == nil || reference == r {
		return nil
	}
	return reconcile(r, reference)
}

// name is what an address is called.
type name struct {
	name, project string
	service       bool
}

// addressNames returns the name of each address: that of a service if there is one, else
// that of the process that has most of its contents.
func addressNames(r *Run) map[netip.AddrPort]name {
	counts := make(map[netip.AddrPort]map[name]int)
	for _, c := range r.contents {
		e := c.at
		m := counts[e.address]
		if m == nil {
			m = make(map[name]int)
			counts[e.address] = m
		}
		m[name{cmp.Or(e.service, e.process), e.project, e.service != ""}]++
	}
	out := make(map[netip.AddrPort]name)
	for at, m := range counts {
		rank := func(n name) int {
			switch {
			case n.service:
				return 2
			case n.name != "":
				return 1
			}
			return 0
		}
		out[at] = slices.MaxFunc(slices.Collect(maps.Keys(m)), func(a, b name) int {
			return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(m[a], m[b]), cmp.Compare(b.name, a.name), cmp.Compare(b.project, a.project))
		})
	}
	return out
}

// oneNamePerPort returns the names of ports that have only one.
func oneNamePerPort(names map[netip.AddrPort]name) map[uint16]name {
	out := make(map[uint16]name)
	several := make(map[uint16]bool)
	for at, n := range names {
		if n.name == "" {
			continue
		}
		if had, ok := out[at.Port()]; ok && had != n {
			several[at.Port()] = true
		}
		out[at.Port()] = n
	}
	for p := range several {
		delete(out, p)
	}
	return out
}

// projects are those of the servers of a run, sorted.
func projects(r *Run) []string {
	all := make(map[string]bool)
	for _, e := range r.ends {
		if e.project != "" {
			all[e.project] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// projectNames returns what each project of the run is called in the comparison: as in
// the reference; "" where the reference has only one, and this is it.
func projectNames(r *Run, reference *Run) map[string]string {
	own := projects(r)
	ref := own
	if reference != nil {
		ref = projects(reference)
	}
	out := make(map[string]string)
	var left []string // of own: those that the reference does not have
	for _, p := range own {
		out[p] = p
		if !slices.Contains(ref, p) {
			left = append(left, p)
		}
	}
	missing := slices.DeleteFunc(slices.Clone(ref), func(p string) bool { return slices.Contains(own, p) })
	if len(left) == 1 && len(missing) == 1 {
		out[left[0]] = missing[0]
	}
	if len(ref) == 1 {
		for p, as := range out {
			if as == ref[0] {
				out[p] = ""
			}
		}
	}
	return out
}

// reconcile takes a server for one of the reference that has the same port and another
// name, where both are the only ones without a counterpart at that port.
func reconcile(r *Run, reference *Run) (changed []renamed) {
	own, theirs := servers(r), servers(reference)
	alone := func(list, other map[string]*server, port uint16) (found []*server) {
		for _, k := range slices.Sorted(maps.Keys(list)) {
			if s := list[k]; s.port == port && other[k] == nil {
				found = append(found, s)
			}
		}
		return found
	}
	ports := make(map[uint16]bool)
	for _, s := range own {
		ports[s.port] = s.port != 0
	}
	for _, port := range slices.Sorted(maps.Keys(ports)) {
		mine, other := alone(own, theirs, port), alone(theirs, own, port)
		if !ports[port] || len(mine) != 1 || len(other) != 1 {
			continue
		}
		a, b := other[0], mine[0]
		if a.name != "" && b.name != "" && a.name != b.name && a.service == b.service {
			changed = append(changed, renamed{port, a.name, b.name})
		}
		for _, e := range r.ends {
			if e.server.key == b.key {
				e.server = a
			}
		}
	}
	return changed
}

func servers(r *Run) map[string]*server {
	out := make(map[string]*server)
	for _, e := range r.ends {
		out[e.server.key] = e.server
	}
	return out
}

// replacements returns what belongs to each of two runs and is the same otherwise: the
// directories of their services, the names of their projects, their addresses.
func replacements(a, b *Run) (ofA, ofB []forms.Replacement) {
	add := func(x, y, as string) {
		if x != y && x != "" && y != "" {
			ofA, ofB = append(ofA, forms.Replacement{Old: x, New: as}), append(ofB, forms.Replacement{Old: y, New: as})
		}
	}
	da, db := directories(a), directories(b)
	for _, key := range slices.Sorted(maps.Keys(da)) {
		x, y := da[key], db[key]
		add(x, y, "{directory}")
		if y != "" {
			x, y = differentRoots(x, y)
			add(x, y, "{directory}")
		}
	}
	if pa, pb := mainProject(a, a), mainProject(b, a); pa != "" && pb != "" {
		for _, domain := range []string{".localhost", ".test"} {
			add(pa+domain, pb+domain, "{project}"+domain)
		}
	}
	ia, ib := addresses(a), addresses(b)
	for _, key := range slices.Sorted(maps.Keys(ia)) {
		if len(ib[key]) == 0 || slices.Equal(ia[key], ib[key]) {
			continue
		}
		for _, x := range ia[key] {
			ofA = append(ofA, forms.Replacement{Old: x, New: "{address}"})
		}
		for _, y := range ib[key] {
			ofB = append(ofB, forms.Replacement{Old: y, New: "{address}"})
		}
	}
	return ofA, ofB
}

// differentRoots returns two paths without the last elements that are the same.
func differentRoots(a, b string) (string, string) {
	for {
		i, j := strings.LastIndexByte(a, '/'), strings.LastIndexByte(b, '/')
		if i <= 0 || j <= 0 || a[i:] != b[j:] {
			return a, b
		}
		a, b = a[:i], b[:j]
	}
}

// mainProject returns the project that is the reference's only one, or stands for it.
func mainProject(r *Run, reference *Run) string {
	for p, as := range projectNames(r, reference) {
		if as == "" {
			return p
		}
	}
	return ""
}

// directories returns the working directory of each server's process, by server.
func directories(r *Run) map[string]string {
	out := make(map[string]string)
	for _, e := range r.ends {
		if len(e.dir) > 1 && (out[e.server.key] == "" || e.dir < out[e.server.key]) {
			out[e.server.key] = e.dir
		}
	}
	return out
}

// addresses returns the addresses of each server, sorted, by server.
func addresses(r *Run) map[string][]string {
	out := make(map[string][]string)
	for _, e := range r.ends {
		if !e.address.IsValid() {
			continue
		}
		ip := e.address.Addr().Unmap().WithZone("").String()
		if list := out[e.server.key]; !slices.Contains(list, ip) {
			out[e.server.key] = append(list, ip)
		}
	}
	for _, list := range out {
		slices.Sort(list)
	}
	return out
}
