package service

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

// A listener outside on all interfaces holds its port on every address of the
// machine, and so in every home. Only one engine tells which port a bind was
// refused for; where a program does not say it either, those that it may have
// wanted are looked at: what is said is only what the kernel has.

// outsideMost bounds how long the holder of a port is looked for.
const outsideMost = 2 * time.Second

// outsider is a socket outside the home that keeps a port from it.
type outsider struct {
	port  uint16
	at    netip.Addr
	owner string // "python3 (process 123)", or its user
	pid   int    // 0: not to be seen
}

// heldOutside returns who outside has a port that the service may have wanted.
func (r *reporter) heldOutside(refused uint16, said []string) (outsider, bool) {
	sp, _ := r.definition()
	r.sup.mu.Lock()
	had := slices.Clone(r.sup.had[r.name])
	r.sup.mu.Unlock()
	var wanted []uint16
	if refused != 0 {
		wanted = append(wanted, refused)
	} else {
		wanted = append(wanted, sp.Port, sp.HTTP)
		wanted = append(wanted, had...)
		for _, line := range append(slices.Clone(said), sp.Command) {
			wanted = append(wanted, numbersIn(line)...)
		}
		wanted = slices.DeleteFunc(wanted, func(p uint16) bool { return p == 0 })
	}
	if len(wanted) == 0 {
		return outsider{}, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), outsideMost)
	defer cancel()
	t, err := sockets.List(ctx, sockets.Query{
		Protocols: []string{string(loopback.TCP), string(loopback.UDP)}, States: []string{"listen", "bound"},
		Filter: sockets.Filter{Ports: wanted}, Quick: true,
	})
	if err != nil {
		return outsider{}, false // then it is not told
	}
	for _, port := range wanted {
		for i := range t.Rows {
			row := &t.Rows[i]
			if row.Local == nil || row.Local.Port != port || row.Remote != nil {
				continue
			}
			if at := row.Local.IP.Unmap(); at.IsUnspecified() || at == r.sup.spec.IP4 {
				return outsiderOf(row), true
			}
		}
	}
	return outsider{}, false
}

func outsiderOf(row *sockets.Row) outsider {
	o := outsider{port: row.Local.Port, at: row.Local.IP, owner: "another process"}
	switch {
	case len(row.Processes) > 0:
		p := row.Processes[0]
		o.owner, o.pid = fmt.Sprintf("%s (process %d)", p.Name, p.PID), p.PID
	case row.User != "":
		o.owner = "a process of user " + row.User
	}
	return o
}

// cause and hint are what is said of it.
func (o outsider) cause() string {
	text := fmt.Sprintf("; port %d is taken outside by %s", o.port, o.owner)
	if o.at.IsUnspecified() {
		text += fmt.Sprintf(", which listens on all interfaces (%s) and so in every home", o.at)
	}
	return text
}

func (o outsider) hint() string {
	end := "end it"
	if o.pid != 0 {
		end = fmt.Sprintf("end it (kill %d)", o.pid)
	}
	if !o.at.IsUnspecified() {
		return end + ", or give the service another port"
	}
	return end + ", or let it listen on 127.0.0.1 only, or give the service another port"
}

// numbersIn returns the numbers in a text that may be ports.
func numbersIn(text string) []uint16 {
	var out []uint16
	for _, w := range regexp.MustCompile(`\d+`).FindAllString(text, 100) {
		if n, err := strconv.ParseUint(w, 10, 16); err == nil && n != 0 && !strings.HasPrefix(w, "0") {
			out = append(out, uint16(n))
		}
	}
	return out
}
