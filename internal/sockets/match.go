package sockets

import (
	"net/netip"
	"path"
	"slices"
	"strings"

	"lodge/internal/sockets/diag"
	"lodge/internal/sockets/holders"
)

// matchSocket applies what can be told without processes: addresses, ports,
// states, scope.
func (q *Query) matchSocket(s *Snapshot, r *diag.Record) bool {
	f := &q.Filter
	if len(q.States) > 0 && !slices.Contains(q.States, r.StateName()) {
		return false
	}
	if r.Proto == diag.ProtoUnix {
		return len(f.Ports) == 0 && len(f.Addresses) == 0 && len(f.Scopes) == 0 && (len(f.Paths) == 0 || hasPath(s, r, f.Paths))
	}
	if len(f.Paths) > 0 {
		return false
	}
	if len(f.Ports) > 0 && !slices.Contains(f.Ports, r.LocalPort) && !(r.Connected() && slices.Contains(f.Ports, r.RemotePort)) {
		return false
	}
	if len(f.Addresses) > 0 && !within(f.Addresses, diag.Addr(&r.Local)) && !(r.Connected() && within(f.Addresses, diag.Addr(&r.Remote))) {
		return false
	}
	if len(f.Scopes) > 0 && !slices.Contains(f.Scopes, s.spaces[r.Space].scopes.Scope(diag.Addr(&r.Local))) {
		return false
	}
	return true
}

// hasPath reports whether one end of a Unix socket's connection has one of the
// paths.
func hasPath(s *Snapshot, r *diag.Record, paths []string) bool {
	if slices.Contains(paths, s.unix[r.Extra-1].Path) {
		return true
	}
	if r.Peer < 0 {
		return false
	}
	p := &s.recs[r.Peer]
	return p.Proto == diag.ProtoUnix && p.Extra != 0 && slices.Contains(paths, s.unix[p.Extra-1].Path)
}

func within(prefixes []netip.Prefix, ip netip.Addr) bool {
	for _, p := range prefixes {
		if plainPrefix(p).Contains(ip.WithZone("")) {
			return true
		}
	}
	return false
}

// byOwner reports whether the filter asks for what only the processes tell.
func (f *Filter) byOwner() bool {
	return len(f.PIDs)+len(f.Names)+len(f.Users)+len(f.Projects)+len(f.Services) > 0
}

// matchOwner applies the rest of the filter to a row.
func (f *Filter) matchOwner(row *Row) bool {
	procs, project, service := row.Processes, []string{row.Project}, []string{row.Service}
	if row.Closed != nil {
		procs = append(slices.Clip(procs), row.Closed)
	}
	if row.Peer != nil {
		procs = append(slices.Clip(procs), row.Peer.Processes...)
		project, service = append(project, row.Peer.Project), append(service, row.Peer.Service)
	}
	any := func(f func(*holders.Process) bool) bool { return slices.ContainsFunc(procs, f) }
	if len(f.PIDs) > 0 && !any(func(p *holders.Process) bool { return slices.Contains(f.PIDs, p.PID) }) {
		return false
	}
	if len(f.Names) > 0 && !any(func(p *holders.Process) bool { return matchName(f.Names, p) }) {
		return false
	}
	// Whose a socket is, and as whom its holders run: both are asked for with
	// a user. The other end's user is not.
	if len(f.Users) > 0 && !(row.UID != nil && slices.Contains(f.Users, *row.UID)) &&
		!slices.ContainsFunc(row.Processes, func(p *holders.Process) bool { return slices.Contains(f.Users, p.UID) }) {
		return false
	}
	has := func(want, got []string) bool {
		return slices.ContainsFunc(got, func(s string) bool { return s != "" && slices.Contains(want, s) })
	}
	if len(f.Projects) > 0 && !has(f.Projects, project) {
		return false
	}
	return len(f.Services) == 0 || has(f.Services, service)
}

func matchName(names []string, p *holders.Process) bool {
	for _, n := range names {
		if n != "" && (containsFold(p.Name, n) || p.Executable != "" && containsFold(path.Base(p.Executable), n)) {
			return true
		}
	}
	return false
}

func containsFold(s, part string) bool {
	return strings.Contains(strings.ToLower(s), strings.ToLower(part))
}

// kernelStates returns the mask of states to ask the kernel for.
func (q *Query) kernelStates(proto uint8) uint32 {
	all := uint32(diag.AllStates | 1<<diag.StateNewSynRecv | 1<<diag.StateBoundInactive)
	if proto != diag.ProtoTCP {
		all &= diag.AllStates
	}
	if len(q.States) == 0 {
		return all
	}
	var mask uint32
	for _, s := range q.States {
		for state := uint8(1); state <= diag.StateBoundInactive; state++ {
			for port := range uint16(2) {
				r := diag.Record{Proto: proto, State: state, LocalPort: port}
				if state == diag.StateBoundInactive {
					r.State = diag.StateClose
				}
				if r.StateName() == s {
					mask |= 1 << state
				}
			}
		}
	}
	return mask & all
}
