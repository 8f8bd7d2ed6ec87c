package explain

import (
	"fmt"
	"net/netip"
	"slices"

	"lodge/internal/explain/input"
)

// ofErrno keeps the causes that the error of a message may have, and adds those
// that only the error tells.
func (f *Facts) ofErrno(all []Cause) []Cause {
	switch f.Question.Errno {
	case "EMFILE":
		if f.Question.HasPort {
			return f.noDescriptors()
		}
	case "EHOSTUNREACH", "ENETUNREACH":
		// The error is of the way there: it does not depend on who listens.
		all = slices.DeleteFunc(all, func(c Cause) bool {
			return c.Code == NobodyListens || c.Code == OtherAddress || c.Code == InHome || c.Code == BoundOnly || c.Code == ListensNow
		})
		if len(all) == 0 && len(f.Targets) > 0 && !slices.ContainsFunc(f.Targets, func(ip netip.Addr) bool { return !f.isLocal(ip) }) {
			all = append(all, Cause{
				Code: NoRoute, Operation: input.Connect,
				Summary: fmt.Sprintf("%s is an address of this machine and packets have a way to it now, so this error (%s) came from elsewhere: a firewall's rule at that time, or a network namespace or container whose lo was down. It does not depend on who listens.", f.Targets[0], f.Question.Errno),
				Hint:    "try again; inside a namespace or container: ip link set lo up",
			})
		}
	}
	return all
}

// noDescriptors reports who ran out of descriptors: accept, or a new socket, failed.
func (f *Facts) noDescriptors() []Cause {
	var out []Cause
	for _, r := range f.listening() {
		c := Cause{
			Code: DescriptorsUsed, Operation: f.Question.Operation, Sure: true, PIDs: f.pids(r),
			Summary: fmt.Sprintf("The descriptors of %s, which listens on %s, were used up (EMFILE): it may open no more files or sockets, so it cannot accept connections.", f.who(r), f.own(r)),
			Hint:    "give it more (ulimit -n, LimitNOFILE), or mend what does not close them",
		}
		if s := outOfDescriptors(r); s != "" {
			c.Evidence = append(c.Evidence, s)
		}
		c.Evidence = append(c.Evidence, f.about(r)...)
		if len(r.Processes) > 0 {
			c.Hint += fmt.Sprintf(": ls -l /proc/%d/fd", r.Processes[0].PID)
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		out = append(out, Cause{
			Code: DescriptorsUsed, Operation: f.Question.Operation, Sure: true,
			Summary: fmt.Sprintf("The descriptors of the program that wrote this were used up (EMFILE): it could open no more files or sockets. Nobody listens on %s now.", f.subject()),
			Hint:    "give it more (ulimit -n, LimitNOFILE), or mend what does not close them",
		})
	}
	return out
}
