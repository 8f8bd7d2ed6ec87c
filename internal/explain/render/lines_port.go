package render

import (
	"fmt"

	"lodge/internal/explain/facts"
	"lodge/internal/loopback"
)

func portLine(f *facts.Facts, p *Port) string {
	s := fmt.Sprintf("%d: %s (RFC 6335)", p.Port, classWords(p.Class))
	switch {
	case p.IANAName != "" && p.Description != "":
		s += fmt.Sprintf("; registered as %s, %s", p.IANAName, p.Description)
	case p.IANAName != "":
		s += "; registered as " + p.IANAName
	}
	if p.CommonUse != "" {
		s += "; commonly used for " + p.CommonUse
	}
	switch {
	case p.Reserved:
		s += "; kept out of the range for outgoing connections (ip_local_reserved_ports)"
	case p.Ephemeral:
		s += fmt.Sprintf("; in this machine's range for outgoing connections (%d to %d)", p.EphemeralFirst, p.EphemeralLast)
	}
	if p.Privileged {
		s += fmt.Sprintf("; below %d, so only root or CAP_NET_BIND_SERVICE may bind it", f.Kernel.UnprivilegedStart)
	}
	return s
}

func classWords(c loopback.Class) string {
	switch c {
	case loopback.ClassReserved:
		return "no port"
	case loopback.ClassSystem:
		return "a system (well-known) port"
	case loopback.ClassUser:
		return "a user (registered) port"
	}
	return "a dynamic (private) port"
}
