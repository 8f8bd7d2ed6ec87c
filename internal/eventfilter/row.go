package eventfilter

import (
	"net/netip"
	"time"

	"lodge/internal/event"
	"lodge/internal/query/eventquery"
)

// row is an event as a filter asks for it.
type row struct{ e *event.Event }

// Number is part of eventquery.Event, as the methods below.
func (r row) Number() uint64 { return r.e.Number }

// Time returns when it happened.
func (r row) Time() time.Time { return r.e.Time }

// Kind returns the event's kind.
func (r row) Kind() string { return string(r.e.Kind) }

// Source returns the name of the process that saw it.
func (r row) Source() string { return r.e.Source.Name }

// Project returns the project's label.
func (r row) Project() string { return r.e.Subject.Project }

// Service returns the service's name.
func (r row) Service() string { return r.e.Subject.Service }

// Text returns the nth text of a field.
func (r row) Text(f eventquery.Field, n int) (string, bool) {
	var list [2]string
	e := r.e
	switch f {
	case eventquery.ProjectID:
		list[0] = e.Subject.ProjectID
	case eventquery.State:
		switch {
		case e.Service != nil:
			list[0] = e.Service.To
		case e.Socket != nil:
			list[0] = e.Socket.State
		}
	case eventquery.From:
		switch {
		case e.Service != nil:
			list[0] = e.Service.From
		case e.Socket != nil:
			list[0] = e.Socket.StateBefore
		}
	case eventquery.Change:
		list[0] = change(e)
	case eventquery.Name:
		switch {
		case e.Name != nil:
			list[0] = e.Name.Host
		case e.Socket != nil && e.Socket.Process == "":
			list[0] = e.Socket.Path
		case e.Socket != nil:
			list = [2]string{e.Socket.Process, e.Socket.Path}
		}
	}
	if n >= len(list) || list[n] == "" {
		return "", false
	}
	return list[n], true
}

func change(e *event.Event) string {
	switch {
	case e.Service != nil:
		return e.Service.Change
	case e.Name != nil:
		return e.Name.Change
	case e.Project != nil:
		return e.Project.Change
	case e.Socket != nil:
		return e.Socket.Change
	}
	return ""
}

// Int returns the nth number of a field.
func (r row) Int(f eventquery.Field, n int) (int64, bool) {
	e := r.e
	switch f {
	case eventquery.PID:
		pid := 0
		switch {
		case e.Service != nil:
			pid = e.Service.PID
		case e.Socket != nil:
			pid = e.Socket.PID
		case e.Project != nil:
			pid = e.Project.KeeperPID
		}
		return int64(pid), n == 0 && pid != 0
	case eventquery.Exit:
		if e.Service == nil || e.Service.ExitStatus == nil {
			return 0, false
		}
		return int64(*e.Service.ExitStatus), n == 0
	case eventquery.Port:
		return r.port(n)
	}
	return 0, false
}

// port returns the nth port: of both ends of a socket, of all endpoints of a service,
// of all targets of a name.
func (r row) port(n int) (int64, bool) {
	e := r.e
	switch {
	case e.Socket != nil:
		for _, a := range [2]*event.SocketAddress{e.Socket.Local, e.Socket.Remote} {
			if a == nil {
				continue
			}
			if n == 0 {
				return int64(a.Port), true
			}
			n--
		}
	case e.Service != nil && n < len(e.Service.Endpoints):
		return int64(e.Service.Endpoints[n].Port), true
	case e.Name != nil:
		for _, target := range e.Name.Targets {
			a, err := netip.ParseAddrPort(target)
			if err != nil {
				continue // an address alone
			}
			if n == 0 {
				return int64(a.Port()), true
			}
			n--
		}
	}
	return 0, false
}
