package serving

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"lodge/internal/daemon/webports"
	"lodge/internal/names"
	"lodge/internal/service"
)

// note says on which ports a service listens, where that is more than the one
// to which its name leads, and how to choose.
func note(p *names.Project, st *service.Status, w webports.Target) string {
	var list []string
	for _, port := range names.TCPPorts(st) {
		if port == w.Port || !service.Ephemeral(port) {
			list = append(list, strconv.Itoa(int(port)))
		}
	}
	away := ""
	if w.Kind == webports.Away {
		away = fmt.Sprintf("Nothing listens on port %d, to which this name leads. ", w.Port)
	}
	if len(list) == 0 || len(list) == 1 && w.Kind == webports.At {
		return strings.TrimSpace(away)
	}
	text := fmt.Sprintf("%s listens on port %s.", st.Name, strings.Join(list, ", "))
	if len(list) > 1 {
		text = fmt.Sprintf("%s listens on ports %s.", st.Name, strings.Join(list, ", "))
	}
	return fmt.Sprintf("%s%s %s leads to one of them by its number; http = PORT in lodge.toml says to which the name of %s leads.",
		away, text, "PORT."+p.HTTPName(st.Name), st.Name)
}

// listensOn reports where a service listens.
func listensOn(st *service.Status) string {
	var at []string
	for _, e := range st.Endpoints {
		if s := e.String(); !slices.Contains(at, s) {
			at = append(at, s)
		}
	}
	if len(at) == 0 {
		return ""
	}
	return "it listens on " + strings.Join(at, ", ")
}

// howToReach reports how a service without HTTP is reached.
func howToReach(p *names.Project, st *service.Status) string {
	all := names.TCPPorts(st)
	if len(all) == 0 {
		return ""
	}
	at := ""
	if p.Home.IsValid() {
		at = fmt.Sprintf(", which is %s", netip.AddrPortFrom(p.Home, all[0]))
	}
	return fmt.Sprintf("connect to %s:%d%s, or over TLS to %s", p.TCPName(st.Name), all[0], at, p.HTTPName(st.Name))
}
