package explain

import (
	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/rule/bind"
	"lodge/internal/explain/rule/listener"
	"lodge/internal/explain/rule/name"
	"lodge/internal/explain/rule/refused"
	"lodge/internal/explain/rule/route"
	"lodge/internal/explain/rule/unixpath"
	"lodge/internal/model"
)

// The sections of the list; see rule.InSection.
const (
	sectionUnix    = "unix"
	sectionName    = "name"
	sectionConnect = "connect"
	sectionBind    = "bind"
)

// Causes lists every rule, in the order in which equally likely causes are told.
func Causes() []rule.Group {
	return []rule.Group{
		{Section: sectionUnix, Operation: model.Connect, When: connectsToPath, Rules: []rule.Rule{
			unixpath.NotASocket(),
			unixpath.Denied(),
			unixpath.ProcessStopped(),
			unixpath.BacklogFull(),
			unixpath.WrongType(),
			unixpath.ListensNow(),
			unixpath.NobodyListens(),
			unixpath.Missing(),
			unixpath.Stale(),
		}},
		{Section: sectionUnix, Operation: model.Bind, When: bindsPath, Rules: []rule.Rule{
			unixpath.HeldByProcess(),
			unixpath.NotASocketToBind(),
			unixpath.StaleToBind(),
			unixpath.MissingToBind(),
			unixpath.DeniedToBind(),
			unixpath.FreeNow(),
		}},
		{When: outOfDescriptors, Rules: []rule.Rule{
			listener.DescriptorsUsed(),
		}},
		{Section: sectionName, Operation: model.Connect, When: asksForAddress, Rules: []rule.Rule{
			name.ServiceNotRunning(),
			name.NoSuchService(),
			name.ProcessDied(),
			name.ServiceNotReady(),
			name.NotHTTP(),
			name.OtherPort(),
			name.NotBelowLocalhost(),
			name.OnlyLodgeKnows(),
			name.NotResolved(),
		}},
		{Section: sectionConnect, Operation: model.Connect, When: connects, Rules: []rule.Rule{
			route.LoopbackDown(),
		}},
		{Section: sectionConnect, Operation: model.Connect, When: connects, Rules: []rule.Rule{
			route.NoRoute(),
			route.InNamespace(),
			route.NotLocal(),
		}},
		{Section: sectionConnect, Operation: model.Connect, When: connects, Rules: []rule.Rule{
			route.Firewall(),
		}},
		{Section: sectionConnect, Operation: model.Connect, When: both(connects, refused.When), Rules: []rule.Rule{
			refused.ServiceEnded(),
			refused.ServerEnded(),
			refused.BoundOnly(),
			refused.OtherAddress(),
			refused.InHome(),
			refused.InNamespace(),
			refused.NobodyListens(),
		}},
		{Section: sectionConnect, Operation: model.Connect, When: connects, Rules: []rule.Rule{
			refused.FamilyOrder(),
		}},
		{Section: sectionConnect, Operation: model.Connect, When: connects, Rules: []rule.Rule{
			listener.BacklogFull(),
			listener.ProcessStopped(),
			listener.ReusePort(),
		}},
		{Section: sectionConnect, Operation: model.Connect, When: connects, Rules: []rule.Rule{
			listener.ForwardsNowhere(),
			route.PortsExhausted(),
			listener.CloseWait(),
			listener.ListensNow(),
			listener.ServiceStarting(),
		}},
		{Section: sectionBind, Operation: model.Bind, When: binds, Rules: []rule.Rule{
			route.NotLocalToBind(),
			bind.PrivilegedPort(),
		}},
		{Section: sectionBind, Operation: model.Bind, When: both(binds, addressIsThere), Rules: []rule.Rule{
			bind.HeldByProcess(),
			bind.HeldInHome(),
			bind.SelfConnected(),
			bind.EphemeralTaken(),
			bind.ConnectionLeft(),
			bind.TimeWait(),
			bind.ReusePort(),
		}},
		{Section: sectionBind, Operation: model.Bind, When: binds, Rules: []rule.Rule{
			bind.AddressHere(),
			bind.FreeNow(),
		}},
		{Operation: model.Connect, When: unreachable, Rules: []rule.Rule{
			route.NoRouteThen(),
		}},
	}
}

func both(a, b func(*facts.Facts) bool) func(*facts.Facts) bool {
	return func(f *facts.Facts) bool { return a(f) && b(f) }
}

func connectsToPath(f *facts.Facts) bool {
	return f.Unix != nil && f.Question.Operation != model.Bind
}
func bindsPath(f *facts.Facts) bool { return f.Unix != nil && f.Question.Operation == model.Bind }

// network reports whether the question is about an address, a port or a name: no
// program can connect to port 0, or holds it.
func network(f *facts.Facts) bool {
	return f.Unix == nil && !(f.Question.HasPort && f.Question.Port == 0)
}

// nameOnly reports whether the answer ends with the name: it has no address, or
// lodge says that what it means is not up.
func nameOnly(f *facts.Facts) bool {
	return f.Resolution != nil && len(f.Targets) == 0 || f.AboutName() && (!f.Name.Up || f.Name.Missing != "")
}

// outOfDescriptors reports whether a program says that it had no descriptor left:
// then nothing else about its address matters.
func outOfDescriptors(f *facts.Facts) bool {
	return network(f) && !nameOnly(f) && f.Question.Errno == "EMFILE" && f.Question.HasPort
}

func asksForAddress(f *facts.Facts) bool { return network(f) && !outOfDescriptors(f) }

func connects(f *facts.Facts) bool {
	return asksForAddress(f) && !nameOnly(f) && f.Question.HasPort && f.Question.Operation != model.Bind
}

// binds reports whether a bind may be meant. No program binds a name of lodge's,
// unless the question says so.
func binds(f *facts.Facts) bool {
	return asksForAddress(f) && !nameOnly(f) && f.Question.HasPort && f.Question.Operation != model.Connect &&
		(f.Name == nil || f.Question.Operation == model.Bind)
}

// addressIsThere reports that the error of a bind is not EADDRNOTAVAIL, which does
// not depend on the sockets that have the port.
func addressIsThere(f *facts.Facts) bool { return f.Question.Errno != "EADDRNOTAVAIL" }

func unreachable(f *facts.Facts) bool {
	return asksForAddress(f) && !nameOnly(f) && (f.Question.Errno == "EHOSTUNREACH" || f.Question.Errno == "ENETUNREACH")
}
