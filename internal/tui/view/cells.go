package view

import (
	"net/netip"
	"strconv"
	"time"

	"lodge/internal/loopback"
	"lodge/internal/show"
	"lodge/internal/tui/screen"
)

// Render is what the cells of a list depend on beside the item.
type Render struct {
	Now   time.Time // of the frame
	ASCII bool      // nothing but ASCII is allowed
}

func (r *Render) cell(s string, st screen.Style) screen.Span { return st.Span(show.Clean(s, r.ASCII)) }

// party returns the processes, followed by the network namespace if it is another one.
func (r *Render) party(p Party, namespace string) screen.Span {
	st := screen.Plain
	if len(p.Processes) == 0 {
		st = screen.Dim
	}
	s := p.label()
	if namespace != "" {
		s += " @" + namespace
	}
	return r.cell(s, st)
}

func (r *Render) rate(n float64, known bool) screen.Span {
	st := screen.Plain
	if n < 0.5 {
		st = screen.Dim
	}
	return st.Span(rateText(n, known))
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

func number(n int) screen.Span {
	if n == 0 {
		return screen.Dim.Span("0")
	}
	return screen.Plain.Span(strconv.Itoa(n))
}

// end returns one end of a connection: its processes, or the address of another
// machine.
func (r *Render) end(p Party, here bool, at netip.AddrPort, namespace string) screen.Span {
	if !here && len(p.Processes) == 0 {
		return screen.Plain.Span(at.Addr().String())
	}
	return r.party(p, namespace)
}

// serverText returns an address, with the protocol where it is not TCP.
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
