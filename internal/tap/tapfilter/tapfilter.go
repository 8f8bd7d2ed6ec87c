// Package tapfilter reads the filter of `lodge tap` and tests records against it.
// It joins package tap, which knows no language of filters, and
// query/exchangequery, which knows no record.
package tapfilter

import (
	"net/netip"
	"strings"
	"time"

	"lodge/internal/decode"
	"lodge/internal/query"
	"lodge/internal/query/exchangequery"
	"lodge/internal/tap"
)

// Filter selects records. It is for one goroutine at a time.
type Filter struct {
	match func(exchangequery.Exchange) bool
	ports []exchangequery.PortRange
	bound bool
	// all: every record is selected. only: what has one of the ports is.
	all, only bool
}

// Parse reads the words of a filter; none selects every record. The error is a
// [*query.Error].
func Parse(words []string, o exchangequery.Options) (*Filter, error) {
	e, err := query.Parse(words, exchangequery.New(o))
	if err != nil {
		return nil, err
	}
	f := &Filter{match: exchangequery.Matcher(e), all: e == nil}
	if e != nil {
		f.only = exchangequery.OnlyPorts(e)
		f.ports, f.bound = exchangequery.Ports(e)
	}
	return f, nil
}

// Match reports whether a record is selected.
func (f *Filter) Match(r *tap.Record) bool { return f.match(row{r}) }

// All reports whether every record is selected, as there is no filter.
func (f *Filter) All() bool { return f.all }

// OnlyPorts reports whether the filter asks for the ports of [Filter.Ports] and for
// nothing else.
func (f *Filter) OnlyPorts() bool { return f.only }

// Ports returns ranges of ports of which every record that is selected has one,
// or false where it may have any.
func (f *Filter) Ports() ([]exchangequery.PortRange, bool) { return f.ports, f.bound }

// row is a record as its fields are asked for.
type row struct{ r *tap.Record }

var _ exchangequery.Exchange = row{}

func (w row) Time() time.Time { return w.r.Time }

func (w row) Service(n int) (project, service string, ok bool) {
	switch n {
	case 0:
		return w.r.Client.Project, w.r.Client.Service, true
	case 1:
		return w.r.Server.Project, w.r.Server.Service, true
	}
	return "", "", false
}

func (w row) Address(n int) (netip.Addr, bool) {
	switch n {
	case 0:
		return w.r.Client.Address.Addr(), w.r.Client.Address.IsValid()
	case 1:
		return w.r.Server.Address.Addr(), w.r.Server.Address.IsValid()
	}
	return netip.Addr{}, false
}

func (w row) Text(f exchangequery.Field, n int) (string, bool) {
	switch f {
	case exchangequery.Transport:
		return w.r.Transport.String(), n == 0
	case exchangequery.Socket:
		return [...]string{w.r.Client.Path, w.r.Server.Path, ""}[min(n, 2)], n < 2
	case exchangequery.Client:
		return endName(&w.r.Client, n)
	case exchangequery.Server:
		return endName(&w.r.Server, n)
	case exchangequery.Process:
		return w.process(n)
	case exchangequery.Kind:
		if w.r.Exchange == nil {
			return "failure", n == 0
		}
		return string(w.r.Exchange.Kind), n == 0
	case exchangequery.Answer:
		if w.r.Exchange == nil {
			return string(w.r.Failure), n == 0
		}
	}
	x := w.r.Exchange
	if x != nil && f == exchangequery.Host && n == 1 {
		return withoutPort(x.Host)
	}
	if x != nil && f == exchangequery.Target && n == 1 {
		path, _, ok := strings.Cut(x.Target, "?")
		return path, ok && strings.HasPrefix(path, "/")
	}
	if x == nil || n > 0 {
		return "", false
	}
	switch f {
	case exchangequery.Protocol:
		return x.Protocol, true
	case exchangequery.Method:
		return x.Method, true
	case exchangequery.Target:
		return x.Target, true
	case exchangequery.Group:
		if x.Group == "" {
			return x.Target, true
		}
		return x.Group, true
	case exchangequery.Host:
		return x.Host, true
	case exchangequery.Answer:
		return x.Status, true
	}
	return "", false
}

// withoutPort returns a host without its port and brackets, false where it has none.
func withoutPort(host string) (string, bool) {
	name := host
	// A colon of an IPv6 address stands within brackets (RFC 3986, section 3.2.2).
	if i := strings.LastIndexByte(host, ':'); i >= 0 && i == strings.IndexByte(host, ':') || i > 0 && host[i-1] == ']' {
		name = host[:i]
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	return name, name != host
}

// endName returns the nth name of an end: of its processes, then of its service.
func endName(e *tap.End, n int) (string, bool) {
	if n < len(e.Processes) {
		return e.Processes[n].Name, true
	}
	n -= len(e.Processes)
	names := [3]string{e.Service, e.Project, e.Container}
	if e.Service != "" {
		names[1] = e.Project + "/" + e.Service
	}
	if n < len(names) {
		return names[n], true
	}
	n -= len(names)
	switch b := e.Behind; {
	case b == nil:
	case n < len(b.Processes):
		return b.Processes[n].Name, true
	case n == len(b.Processes):
		return b.Container, true
	}
	return "", false
}

func (w row) process(n int) (string, bool) {
	for _, e := range [2]*tap.End{&w.r.Client, &w.r.Server} {
		if n < len(e.Processes) {
			return e.Processes[n].Name, true
		}
		n -= len(e.Processes)
	}
	return "", false
}

func (w row) Int(f exchangequery.Field, n int) (int64, bool) {
	switch f {
	case exchangequery.Port:
		switch n {
		case 0:
			return int64(w.r.Client.Address.Port()), w.r.Client.Address.IsValid()
		case 1:
			return int64(w.r.Server.Address.Port()), w.r.Server.Address.IsValid()
		}
		return 0, false
	case exchangequery.PID:
		for _, e := range [2]*tap.End{&w.r.Client, &w.r.Server} {
			if n < len(e.Processes) {
				return int64(e.Processes[n].PID), true
			}
			n -= len(e.Processes)
		}
		return 0, false
	}
	if n > 0 {
		return 0, false
	}
	switch f {
	case exchangequery.Connection:
		return int64(w.r.Connection), true
	case exchangequery.Size:
		return w.r.Bytes(), true
	case exchangequery.Secure:
		if w.r.Exchange != nil && w.r.Exchange.Secure {
			return 1, true
		}
		return 0, true
	case exchangequery.Failed:
		if w.r.Failure != "" || w.r.Exchange.Failed {
			return 1, true
		}
		return 0, true
	case exchangequery.Latency:
		d, ok := w.r.Latency()
		return int64(d), ok
	case exchangequery.Duration:
		d, ok := w.r.Duration()
		return int64(d), ok
	case exchangequery.Status:
		if x := w.r.Exchange; x != nil && x.Status != "" && (x.Code != 0 || hasCodes(x)) {
			return int64(x.Code), true
		}
	}
	return 0, false
}

// hasCodes reports whether a code of 0 is an answer of the protocol, and not the
// want of one.
func hasCodes(x *decode.Exchange) bool { return x.Protocol == "grpc" || x.Protocol == "kafka" }
