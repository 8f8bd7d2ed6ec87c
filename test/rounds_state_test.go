package test

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// runsOnce brings the project up, which finds what runs already, and checks
// that it runs whole and not twice: each service has one server among all
// processes of this environment, listed, ready, and reached from outside and
// inside.
func (r *rounds) runsOnce(number int) {
	r.t.Helper()
	var up result
	eventually(r.t, func() string {
		if up = r.lodge(r.upArgs()...); up.code != 0 {
			return fmt.Sprintf("round %d: %v", number, up)
		}
		return ""
	})
	r.note()
	r.noteCgroups()
	eventually(r.t, func() string {
		if wrong := r.wrong(); wrong != "" {
			return fmt.Sprintf("round %d: %s\n%s", number, wrong, r.all())
		}
		return ""
	})
	s := r.services["away"]
	r.curl(fmt.Sprintf("http://localhost:%d/", s.port), s.text)
}

// wrong reports what is not as it should be, or "".
func (r *rounds) wrong() string {
	ps := r.processes()
	for name, s := range r.services {
		if pids := servers(ps, s.text); len(pids) != 1 {
			return fmt.Sprintf("%d servers of %s: %v, want one", len(pids), name, pids)
		}
	}
	for role, want := range map[string]int{"keeper": 1, "daemon": 1, "visitor": 0} {
		if pids := r.having(ps, role); len(pids) != want {
			return fmt.Sprintf("processes of %s: %v, want %d", role, pids, want)
		}
	}
	var here []lsProject
	for _, q := range r.ls().Projects {
		if q.Path == r.dir {
			here = append(here, q)
		}
	}
	if len(here) != 1 {
		return fmt.Sprintf("ls lists the project %d times: %+v", len(here), here)
	}
	q := here[0]
	if q.Engine != r.engine {
		return fmt.Sprintf("it runs with engine %s (%s)", q.Engine, q.EngineReason)
	}
	for name, s := range r.services {
		i := slices.IndexFunc(q.Services, func(l lsService) bool { return l.Name == name })
		if i < 0 || q.Services[i].State != "ready" {
			return fmt.Sprintf("%s is not ready: %+v", name, q.Services)
		}
		listens := slices.ContainsFunc(q.Services[i].Endpoints, func(e lsEndpoint) bool { return e.IP == q.Home && e.Port == s.port })
		if !listens {
			return fmt.Sprintf("%s listens nowhere in its home %s: %+v", name, q.Home, q.Services[i].Endpoints)
		}
		at := q.Services[i].Endpoints[0]
		if got, err := get(netip.AddrPortFrom(at.IP, at.Port), "/"); err != nil || !strings.Contains(got, s.text) {
			return fmt.Sprintf("%s at %s:%d answers %q, %v", name, at.IP, at.Port, got, err)
		}
	}
	return ""
}

// servers lists the processes that serve a text, whoever is their parent.
func servers(ps []proc, text string) []int {
	var out []int
	for _, p := range ps {
		if p.cmdline[0] == peerBin && p.cmdline[len(p.cmdline)-1] == text {
			out = append(out, p.pid)
		}
	}
	return out
}

// all lists the processes of this environment, for a failure.
func (r *rounds) all() string {
	var b strings.Builder
	for _, p := range r.processes() {
		fmt.Fprintln(&b, p)
	}
	return b.String()
}

// nothingRuns waits until no service and no keeper is left.
func (r *rounds) nothingRuns() {
	r.t.Helper()
	eventually(r.t, func() string {
		if pids := r.having(r.processes(), "service", "away", "visitor", "shim", "keeper"); len(pids) > 0 {
			return fmt.Sprintf("processes %v are left after down\n%s", pids, r.all())
		}
		return ""
	})
}

// noteCgroups remembers the homes' cgroups as the keepers' own say them, which
// needs no record.
func (r *rounds) noteCgroups() {
	if r.engine != ebpf {
		return
	}
	root := cgroup2(r.t)
	for _, pid := range r.having(r.processes(), "keeper") {
		b, _ := os.ReadFile("/proc/" + itoa(pid) + "/cgroup")
		for _, l := range strings.Split(string(b), "\n") {
			if path, ok := strings.CutPrefix(l, "0::"); ok && filepath.Base(path) == "keeper" {
				if home := filepath.Join(root, filepath.Dir(path)); !slices.Contains(r.cgroups, home) {
					r.cgroups = append(r.cgroups, home)
				}
			}
		}
	}
}

// cgroup2 returns where the unified hierarchy is mounted.
func cgroup2(t *testing.T) string {
	t.Helper()
	f, err := os.Open("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		if fields := strings.Fields(sc.Text()); len(fields) > 2 && fields[2] == "cgroup2" {
			return fields[1]
		}
	}
	t.Fatal("cgroup2 is mounted nowhere")
	return ""
}
