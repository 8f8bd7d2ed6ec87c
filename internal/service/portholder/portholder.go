// Package portholder finds out which process outside a home keeps a port from it.
package portholder

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
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

// findMost bounds how long the holder of a port is looked for.
const findMost = 2 * time.Second

// Holder is a socket outside the home that keeps a port from it.
type Holder struct {
	port  uint16
	at    netip.Addr
	owner string // "python3 (process 123)", or its user
	pid   int    // 0: not to be seen
}

// Find returns the first of the ports that a socket outside holds in a home, the one with
// this address.
func Find(home netip.Addr, wanted []uint16) (Holder, bool) {
	if len(wanted) == 0 {
		return Holder{}, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), findMost)
	defer cancel()
	t, err := sockets.List(ctx, sockets.Query{
		Protocols: []string{string(loopback.TCP), string(loopback.UDP)}, States: []string{"listen", "bound"},
		Filter: sockets.Filter{Ports: wanted}, Quick: true,
	})
	if err != nil {
		return Holder{}, false // then it is not told
	}
	for _, port := range wanted {
		for i := range t.Rows {
			row := &t.Rows[i]
			if row.Local == nil || row.Local.Port != port || row.Remote != nil {
				continue
			}
			if at := row.Local.IP.Unmap(); at.IsUnspecified() || at == home {
				return holderOf(row), true
			}
		}
	}
	return Holder{}, false
}

func holderOf(row *sockets.Row) Holder {
	o := Holder{port: row.Local.Port, at: row.Local.IP, owner: "another process"}
	switch {
	case len(row.Processes) > 0:
		p := row.Processes[0]
		o.owner, o.pid = fmt.Sprintf("%s (process %d)", p.Name, p.PID), p.PID
	case row.User != "":
		o.owner = "a process of user " + row.User
	}
	return o
}

// Cause says which process has the port.
func (o Holder) Cause() string {
	text := fmt.Sprintf("; port %d is taken outside by %s", o.port, o.owner)
	if o.at.IsUnspecified() {
		text += fmt.Sprintf(", which listens on all interfaces (%s) and so in every home", o.at)
	}
	return text
}

// Hint says what can be done.
func (o Holder) Hint() string {
	end := "end it"
	if o.pid != 0 {
		end = fmt.Sprintf("end it (kill %d)", o.pid)
	}
	if !o.at.IsUnspecified() {
		return end + ", or give the service another port"
	}
	return end + ", or let it listen on 127.0.0.1 only, or give the service another port"
}

// NumbersIn returns the numbers in a text that may be ports.
func NumbersIn(text string) []uint16 {
	var out []uint16
	for _, w := range regexp.MustCompile(`\d+`).FindAllString(text, 100) {
		if n, err := strconv.ParseUint(w, 10, 16); err == nil && n != 0 && !strings.HasPrefix(w, "0") {
			out = append(out, uint16(n))
		}
	}
	return out
}
