package tui

import (
	"net/netip"
	"strconv"
	"time"

	"lodge/internal/loopback"
	"lodge/internal/show"
)

// render is what cells need to know of the screen and the moment.
type render struct {
	now   time.Time
	ascii bool
}

func (r *render) cell(s string, st style) span { return span{show.Clean(s, r.ascii), st} }

// who shows processes, the network namespace behind them if it is another one.
func (r *render) who(p party, namespace string) span {
	st := plain
	if len(p.Processes) == 0 {
		st = dim
	}
	s := p.label()
	if namespace != "" {
		s += " @" + namespace
	}
	return r.cell(s, st)
}

func (r *render) rate(n float64, known bool) span {
	st := plain
	if n < 0.5 {
		st = dim
	}
	return span{rateText(n, known), st}
}

// rateText returns a rate in bytes a second, or - for one that is not known.
func rateText(n float64, known bool) string {
	if !known {
		return "-"
	}
	return show.Bytes(n)
}

// roundTripText returns a time in microseconds, or - for one that is not known.
func roundTripText(us uint32) string {
	if us == 0 {
		return "-"
	}
	return show.Micros(us)
}

func number(n int) span {
	if n == 0 {
		return span{"0", dim}
	}
	return span{strconv.Itoa(n), plain}
}

// end shows one end of a connection: its processes, or the address of another
// machine.
func (r *render) end(p party, here bool, at netip.AddrPort, namespace string) span {
	if !here && len(p.Processes) == 0 {
		return span{at.Addr().String(), plain}
	}
	return r.who(p, namespace)
}

// serverText is an address, with the protocol where it is not TCP.
func serverText(p loopback.Protocol, at netip.AddrPort) string {
	s := addressText(at)
	if !at.Addr().IsValid() {
		s = "*:" + strconv.Itoa(int(at.Port()))
	}
	if p != loopback.TCP {
		s += "/" + string(p)
	}
	return s
}
