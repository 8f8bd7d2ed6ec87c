package facts

import (
	"net/netip"
	"slices"

	"lodge/internal/explain/input"
	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

// RowProject names the project in whose home a socket's address is.
func (f *Facts) RowProject(r *sockets.Row) string {
	if p := f.ProjectOf(r.Local.IP); p != nil {
		return p.Name
	}
	if (r.Scope == loopback.ScopeHome || r.RealPort != 0) && r.Project != "" {
		return r.Project
	}
	return ""
}

// InSameHome reports whether a socket and an address belong to the same home.
func (f *Facts) InSameHome(r *sockets.Row, ip netip.Addr) bool {
	p := f.ProjectOf(ip)
	return p != nil && f.RowProject(r) == p.Name
}

// Foreign are the holders of a socket that are not lodge's own.
func (f *Facts) Foreign(ps []*sockets.Process) []*sockets.Process {
	return slices.DeleteFunc(slices.Clone(ps), func(p *sockets.Process) bool { return f.Own[p.PID] != "" })
}

// HeldByLodge returns the process of lodge that alone holds a socket, or nil.
func (f *Facts) HeldByLodge(r *sockets.Row) *sockets.Process {
	if len(r.Processes) == 0 || len(f.Foreign(r.Processes)) > 0 {
		return nil
	}
	return r.Processes[0]
}

// KeptFor returns the service for which lodge holds a socket by itself, or nil.
func (f *Facts) KeptFor(r *sockets.Row) *Kept {
	holder := f.HeldByLodge(r)
	if holder == nil || f.Own[holder.PID] != "keeper" || r.Local == nil {
		return nil
	}
	for i := range f.Projects {
		p := &f.Projects[i]
		if p != f.ProjectOf(r.Local.IP) && p.KeeperPID != holder.PID {
			continue
		}
		return &Kept{Project: p.Name, Path: p.Path, Service: p.serviceOn(r.Local.Port), Held: true}
	}
	return nil
}

// PIDs are the processes that would have to end, so none of lodge's own.
func (f *Facts) PIDs(r *sockets.Row) []int {
	var out []int
	for _, p := range f.Foreign(r.Processes) {
		out = append(out, p.PID)
	}
	return out
}

// Web reports whether the input is what lodge's proxy is asked for.
func (f *Facts) Web() bool {
	return f.Name != nil && f.Name.Domain == "localhost" && f.Name.Port != 0 && (f.Question.Port == f.Name.Port || f.Question.Port == 80)
}

// AboutName reports whether the answer is about the name alone, and not about what
// there is on its port: no other program has that.
func (f *Facts) AboutName() bool {
	switch {
	case f.Name == nil:
		return false
	case !f.Name.Up || f.Name.Missing != "":
		return true
	case f.Name.Domain == "test":
		s := f.Name.Service
		return !f.Question.HasPort || s != nil && (len(s.Endpoints) == 0 || slices.Contains(s.TCPPorts(), f.Question.Port))
	}
	return f.Web() && f.Question.Operation != input.Bind && len(f.Through()) > 0
}

// Through are the listeners by which lodge gets what names lead to.
func (f *Facts) Through() []*sockets.Row {
	return f.At(func(r *sockets.Row) bool {
		return Listens(r) && (r.Unknown || slices.ContainsFunc(r.Processes, func(p *sockets.Process) bool { return p.PID == f.Name.ServerPID }))
	})
}
