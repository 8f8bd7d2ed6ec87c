package sockets

import (
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lodge/internal/sockets/holders"
)

// told is what another program says of a socket.
type told struct {
	state string
	pids  []int
	line  string
}

var (
	ssSocket = regexp.MustCompile(` sk:([0-9a-f]+)`)
	ssPID    = regexp.MustCompile(`,pid=([0-9]+),`)
)

// ss lists the sockets of a network namespace by cookie.
func ss(t testing.TB, space, flags string) map[uint64]told {
	t.Helper()
	out := map[uint64]told{}
	for line := range strings.Lines(run(t, "nsenter", "--net="+spaceDir+"/"+space, "ss", "-anpeHO", flags)) {
		m := ssSocket.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("ss says %q", line)
		}
		cookie, err := strconv.ParseUint(m[1], 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		s := told{state: strings.Fields(line)[0], line: line}
		for _, p := range ssPID.FindAllStringSubmatch(line, -1) {
			pid, err := strconv.Atoi(p[1])
			if err != nil {
				t.Fatal(err)
			}
			s.pids = append(s.pids, pid)
		}
		slices.Sort(s.pids)
		s.pids = slices.Compact(s.pids)
		out[cookie] = s
	}
	return out
}

// lsof lists the holders of the Internet sockets of a network namespace by
// inode.
func lsof(t testing.TB, space string) map[uint32][]int {
	t.Helper()
	out := map[uint32][]int{}
	// lsof exits 1 where it could not look at every process.
	text, err := exec.Command("nsenter", "--net="+spaceDir+"/"+space, "lsof", "-nP", "-i", "-F", "pd").Output()
	if len(text) == 0 {
		t.Fatal("lsof:", err)
	}
	pid := 0
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch line[0] {
		case 'p':
			pid, err = strconv.Atoi(line[1:])
			if err != nil {
				t.Fatal(err)
			}
		case 'd':
			inode, err := strconv.ParseUint(line[1:], 10, 32)
			if err != nil {
				t.Fatalf("lsof says %q", line)
			}
			out[uint32(inode)] = append(out[uint32(inode)], pid)
		}
	}
	for i := range out {
		slices.Sort(out[i])
		out[i] = slices.Compact(out[i])
	}
	return out
}

// ssState is the word of ss for a state.
func ssState(state string) string {
	switch state {
	case "listen":
		return "LISTEN"
	case "established", "connected":
		return "ESTAB"
	case "bound", "close":
		return "UNCONN"
	}
	return strings.ReplaceAll(state, "_", "-")
}

func pidsOf(ps []*holders.Process) []int {
	var out []int
	for _, p := range ps {
		out = append(out, p.PID)
	}
	return out
}

// A made population of some thousands of sockets: what List says of it is what
// its makers say, what ss says, and what lsof says.
func TestPopulation(t *testing.T) {
	space, name := newSpace(t)
	for _, program := range []string{"ss", "lsof", "nsenter"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs %s", program)
		}
	}
	// An interface that loses everything: its other end takes no packet for
	// another address than its own.
	run(t, "ip", "-n", name, "link", "add", "lost0", "type", "veth", "peer", "name", "lost1")
	run(t, "ip", "-n", name, "addr", "add", "10.9.9.1/24", "dev", "lost0")
	for _, dev := range []string{"lost0", "lost1"} {
		run(t, "ip", "-n", name, "link", "set", dev, "up")
	}
	for _, ip := range []string{"10.9.9.8", "10.9.9.9"} {
		run(t, "ip", "-n", name, "neigh", "add", ip, "lladdr", "02:00:00:00:00:01", "dev", "lost0", "nud", "permanent")
	}
	actors := []*actor{
		start(t, space, "states", nil),
		start(t, space, "fork 3", nil),
		start(t, space, "bind keep", nil),
		start(t, space, "bind away", nil),
		start(t, space, "thread", nil),
		start(t, space, "headless", nil),
	}
	processes := 24
	if testing.Short() {
		processes = 4
	}
	asNobody := as(t, 65534)
	for i := range processes {
		var change func(*exec.Cmd)
		if i%4 == 3 {
			change = asNobody
		}
		actors = append(actors, start(t, space, "many 10", change))
	}
	truth := map[uint64][]held{}
	count := 0
	for _, a := range actors {
		for _, h := range a.holds {
			truth[h.Cookie] = append(truth[h.Cookie], h)
			count++
		}
	}
	table := listIn(t, space, Query{Details: true, TCPInfo: true})
	t.Logf("%d sockets, %d holders told by their makers", len(table.Rows), count)
	rows := map[uint64]*Row{}
	for i := range table.Rows {
		r := &table.Rows[i]
		if rows[r.Cookie] != nil {
			t.Errorf("told twice: %+v", r)
		}
		rows[r.Cookie] = r
	}

	t.Run("makers", func(t *testing.T) {
		for cookie, hs := range truth {
			r := rows[cookie]
			if r == nil {
				t.Errorf("missing: %+v", hs[0])
				continue
			}
			var want []int
			for _, h := range hs {
				want = append(want, h.PID)
				if h.Inode != r.Inode {
					t.Errorf("%s: inode %d, is %d", h.What, r.Inode, h.Inode)
				}
			}
			slices.Sort(want)
			if got := pidsOf(r.Processes); !slices.Equal(got, slices.Compact(want)) {
				t.Errorf("%s: holders %v, are %v", hs[0].What, got, want)
			}
		}
		for cookie, r := range rows {
			if truth[cookie] == nil && len(r.Processes) != 0 {
				t.Errorf("nobody says to hold %+v", r)
			}
		}
	})
	t.Run("ss", func(t *testing.T) {
		all := ss(t, name, "-t")
		for cookie, s := range ss(t, name, "-u") {
			all[cookie] = s
		}
		for cookie, s := range all {
			r := rows[cookie]
			if r == nil {
				t.Errorf("missing: %s", s.line)
				continue
			}
			if !strings.EqualFold(ssState(r.State), s.state) {
				t.Errorf("state %s: %s", r.State, s.line)
			}
			for _, pid := range s.pids {
				if !holdsIt(r.Processes, pid) {
					t.Errorf("holders %v: %s", pidsOf(r.Processes), s.line)
				}
			}
			if len(r.Processes) > 0 && len(s.pids) == 0 {
				if w := truth[cookie][0].What; !strings.Contains(w, "thread") {
					t.Errorf("%s: ss knows no holder: %s", w, s.line)
				}
			}
		}
		for cookie, r := range rows {
			_, ok := all[cookie]
			if bound := r.Protocol == "tcp" && r.State == "bound"; !ok && !bound {
				t.Errorf("ss does not know %+v", r)
			}
		}
	})
	t.Run("lsof", func(t *testing.T) {
		byInode := map[uint32]*Row{}
		for _, r := range rows {
			if r.Inode != 0 {
				byInode[r.Inode] = r
			}
		}
		found := 0
		for inode, pids := range lsof(t, name) {
			r := byInode[inode]
			if r == nil {
				t.Errorf("lsof knows inode %d of %v", inode, pids)
				continue
			}
			found++
			for _, pid := range pids {
				if !holdsIt(r.Processes, pid) {
					t.Errorf("lsof: %v hold %+v", pids, r)
				}
			}
		}
		if found < len(byInode)/2 {
			t.Errorf("lsof knows %d of %d", found, len(byInode))
		}
	})
	t.Run("states", func(t *testing.T) {
		n := map[string]int{}
		for _, r := range rows {
			n[string(r.Protocol)+" "+r.State]++
		}
		for _, want := range []string{
			"tcp listen", "tcp established", "tcp bound", "tcp time_wait", "tcp fin_wait_1", "tcp fin_wait_2",
			"tcp close_wait", "tcp last_ack", "tcp syn_sent", "tcp syn_recv", "udp bound", "udp connected",
		} {
			if n[want] == 0 {
				t.Errorf("none in %s: %v", want, n)
			}
		}
	})
	t.Run("peers", func(t *testing.T) { comparePeers(t, rows) })
	t.Run("one port", func(t *testing.T) {
		for cookie, hs := range truth {
			if hs[0].What != "shared" {
				continue
			}
			port := rows[cookie].Local.Port
			few := listIn(t, space, Query{Filter: Filter{Ports: []uint16{port}}})
			want := 0
			for _, r := range rows {
				if r.Local.Port == port || r.Remote != nil && r.Remote.Port == port {
					want++
				}
			}
			if len(few.Rows) != want {
				t.Errorf("port %d: %d rows, not %d", port, len(few.Rows), want)
			}
			for i := range few.Rows {
				r := &few.Rows[i]
				if full := rows[r.Cookie]; !slices.Equal(pidsOf(full.Processes), pidsOf(r.Processes)) || (r.Peer == nil) != (full.Peer == nil) {
					t.Errorf("port %d: %+v, not %+v", port, r, full)
				}
			}
		}
	})
	t.Run("one state", func(t *testing.T) {
		for _, state := range States() {
			few := listIn(t, space, Query{States: []string{state}})
			for i := range few.Rows {
				r := &few.Rows[i]
				full := rows[r.Cookie]
				if full == nil || r.State != state || (r.Peer == nil) != (full.Peer == nil) ||
					r.Peer != nil && !slices.Equal(pidsOf(full.Peer.Processes), pidsOf(r.Peer.Processes)) {
					t.Errorf("%s: %+v, not %+v", state, r, full)
				}
			}
		}
	})
	t.Run("all namespaces", func(t *testing.T) {
		wide, err := List(t.Context(), Query{AllNamespaces: true})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for i := range wide.Rows {
			r := &wide.Rows[i]
			if r.NamespaceName != name {
				continue
			}
			n++
			if full := rows[r.Cookie]; full == nil || !slices.Equal(pidsOf(full.Processes), pidsOf(r.Processes)) {
				t.Errorf("from outside: %+v, not %+v", r, full)
			}
		}
		if n < len(truth) {
			t.Errorf("%d sockets seen from outside, %d from inside", n, len(truth))
		}
		for i := range table.Rows {
			if table.Rows[i].Namespace != 0 {
				t.Errorf("from inside: %+v", &table.Rows[i])
			}
		}
	})
}

// comparePeers holds that both ends of each connection are joined.
func comparePeers(t *testing.T, rows map[uint64]*Row) {
	byEnds := map[string]*Row{}
	for _, r := range rows {
		if r.Remote != nil {
			byEnds[fmt.Sprint(r.Protocol, r.Local.AddrPort(), r.Remote.AddrPort())] = r
		}
	}
	n := 0
	for _, r := range rows {
		if r.Remote == nil {
			if r.Peer != nil {
				t.Errorf("the other end of nothing: %+v", r)
			}
			continue
		}
		other := byEnds[fmt.Sprint(r.Protocol, r.Remote.AddrPort(), r.Local.AddrPort())]
		switch {
		case other == nil && r.Protocol == "udp":
			if r.Peer == nil || len(r.Peer.Processes) == 0 {
				t.Errorf("no receiver: %+v", r)
			}
		case other == nil:
			if r.Peer != nil {
				t.Errorf("the other end of what has none: %+v", r)
			}
		case r.Peer == nil || r.Peer.Inode != other.Inode || !slices.Equal(pidsOf(r.Peer.Processes), pidsOf(other.Processes)):
			t.Errorf("the other end is %+v: %+v", other, r)
		default:
			n++
		}
	}
	if n < 20 {
		t.Errorf("only %d ends joined", n)
	}
}
