package words

import (
	"fmt"
	"net/netip"

	"lodge/internal/explain/facts"
	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

// LodgeHolder names lodge as the holder of a socket, and what for.
func LodgeHolder(f *facts.Facts, r *sockets.Row, p *sockets.Process) string {
	who := fmt.Sprintf("lodge (pid %d)", p.PID)
	if p.UID != f.UID && p.User != "" {
		who = fmt.Sprintf("lodge of user %s (pid %d)", p.User, p.PID)
	}
	switch k := f.KeptFor(r); {
	case k != nil && k.Name != "":
		return fmt.Sprintf("%s, which keeps it for service %s of project %s,", who, k.Name, k.Project)
	case k != nil:
		return fmt.Sprintf("%s, which keeps it for project %s,", who, k.Project)
	case f.Own[p.PID] == "daemon" && facts.Listens(r):
		return who + ", which serves the names of projects there,"
	}
	return who
}

// Does reports what a service does now: "listens on 127.83.20.7:8000".
func Does(s *facts.Service) string {
	var at []string
	for _, e := range s.Endpoints {
		text := netip.AddrPortFrom(e.IP, e.Port).String()
		if e.Protocol == loopback.UDP {
			text += " (UDP)"
		}
		at = Add(at, text)
	}
	why := ""
	if s.Reason != "" {
		why = " (" + s.Reason + ")"
	}
	switch s.State {
	case "ready":
		if len(at) > 0 {
			return "listens on " + Join(at[:min(len(at), 4)])
		}
		if s.Reason != "" {
			return "runs and listens on nothing" + why
		}
		return "runs but listens on nothing"
	case "idle":
		return "is idle"
	case "waiting":
		return "waits for what it needs" + why
	case "starting":
		return "is starting" + why
	case "stopping":
		return "is just being stopped"
	case "backoff":
		return "has ended" + why + " and is about to be started again"
	case "exited":
		return "has ended with status 0"
	case "failed":
		return "is not running" + why
	}
	return "is not running"
}
