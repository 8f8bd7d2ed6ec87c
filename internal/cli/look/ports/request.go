package ports

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"lodge/internal/cli/filter"
	"lodge/internal/cli/kit"
	"lodge/internal/loopback"
	"lodge/internal/query"
	"lodge/internal/query/socketquery"
	"lodge/internal/sockets"
)

// request is a command line of `lodge ports` that was understood.
type request struct {
	flags  flags
	words  []string // as they were written
	schema *socketquery.Schema
	// filter is what words and flags select, with names as they were written;
	// nil is everything.
	filter query.Expr
	query  sockets.Query // what is asked for beside the filter
}

// newRequest understands a command line. What is wrong with it is wrong
// usage.
func newRequest(f flags, words []string, interval bool) (*request, error) {
	r := &request{flags: f, words: words, schema: filter.Sockets(f.unix)}
	var err error
	if r.filter, err = query.Parse(words, &r.schema.Schema); err != nil {
		return nil, filter.Error(err)
	}
	terms, err := r.flagTerms()
	if err != nil {
		return nil, filter.Error(err)
	}
	r.filter = query.Join(r.filter, terms...)
	if f.listen {
		// Of what is bound, TCP sockets do not count.
		notTCP := r.schema.Texts(socketquery.Protocol, string(loopback.TCP))
		notTCP.Op = query.Ne
		r.filter = query.And{r.filter, query.Or{r.schema.Texts(socketquery.State, "listen"), notTCP}}
	}
	if f.sort != "" {
		if r.flags.sort, err = filter.Choose("order", f.sort, sortOrders(), nil); err != nil {
			return nil, err
		}
	}
	if err := r.check(interval); err != nil {
		return nil, err
	}
	r.query.AllNamespaces = f.namespaces
	r.query.TCPInfo = f.traffic || r.flags.sort == "traffic" || r.flags.sort == "rtt" || socketquery.Traffic(r.filter)
	r.query.Details = f.json
	return r, nil
}

// flagTerms returns what the flags select. They stand beside the words.
func (r *request) flagTerms() ([]*query.Term, error) {
	f, s := &r.flags, r.schema
	var out []*query.Term
	var err error
	collect(&out, f.ports, func(w string) (*query.Term, error) {
		v, err := socketquery.ParsePorts(w)
		return s.Flag(socketquery.Port, query.Eq, w, v), err
	}, &err)
	collect(&out, f.addresses, func(w string) (*query.Term, error) {
		ps, ok := socketquery.ParseAddresses(w)
		if !ok {
			return nil, &kit.UsageError{Err: fmt.Errorf("read address %q: it is none", w), Hint: "for example 127.0.0.1, ::1 or 10.0.0.0/8"}
		}
		return s.Flag(socketquery.Address, query.Eq, w, query.Value{Prefixes: ps}), nil
	}, &err)
	collect(&out, f.services, func(w string) (*query.Term, error) {
		project, svc, ok := strings.Cut(w, "/")
		switch {
		case !ok:
			project, svc = "", w
		case svc == "":
			return s.Texts(socketquery.Project, project), nil
		}
		return s.Flag(socketquery.Service, query.Eq, w, query.Value{Text: project, Name: svc}), nil
	}, &err)
	collect(&out, f.pids, func(w string) (*query.Term, error) {
		pid, err := filter.ParsePID(w)
		return s.Numbers(socketquery.PID, int64(pid), int64(pid)), err
	}, &err)
	collect(&out, f.users, func(w string) (*query.Term, error) {
		uid, err := filter.ParseUser(w)
		return s.Numbers(socketquery.User, int64(uid), int64(uid)), err
	}, &err)
	collect(&out, f.processes, func(w string) (*query.Term, error) { return s.Names(w), nil }, &err)
	collect(&out, f.projects, func(w string) (*query.Term, error) {
		if w == "" {
			return s.Texts(socketquery.Project), nil // none has this name
		}
		return s.Texts(socketquery.Project, w), nil
	}, &err)
	collect(&out, f.scopes, func(w string) (*query.Term, error) {
		scope, err := filter.ParseScope(w)
		return s.Texts(socketquery.Scope, scope), err
	}, &err)
	collect(&out, f.states, func(w string) (*query.Term, error) {
		state, err := filter.ParseState(w)
		return s.Texts(socketquery.State, state), err
	}, &err)
	if err != nil {
		return nil, err
	}
	return append(out, r.switches()...), nil
}

// switches returns what the flags without a value select.
func (r *request) switches() []*query.Term {
	f := &r.flags
	var out []*query.Term
	add := func(id int, on bool, texts ...string) {
		if on {
			out = append(out, r.schema.Texts(id, texts...))
		}
	}
	add(socketquery.State, f.listen, "listen", "bound")
	add(socketquery.State, f.connected, connectedStates()...)
	add(socketquery.Protocol, f.tcp, string(loopback.TCP))
	add(socketquery.Protocol, f.udp, string(loopback.UDP))
	add(socketquery.Protocol, f.unix, string(protocolUnix))
	add(socketquery.Family, f.only4, "ipv4")
	add(socketquery.Family, f.only6, "ipv6")
	return out
}

// check looks at the flags together.
func (r *request) check(interval bool) error {
	f := &r.flags
	switch {
	case f.listen && f.connected:
		return &kit.UsageError{Err: errors.New("show sockets: --listen and --connected leave nothing"), Hint: "lodge ports shows both"}
	case interval && !f.watch:
		return &kit.UsageError{Err: errors.New("show sockets: --interval is for --watch"), Hint: "lodge ports --watch --interval " + f.interval.String()}
	case f.watch && f.interval < 10*time.Millisecond:
		return &kit.UsageError{Err: fmt.Errorf("show sockets: --interval %s is too short", f.interval), Hint: "--interval 1s"}
	case f.watch && f.sort != "":
		return &kit.UsageError{Err: errors.New("show sockets: changes come in their own order, not in that of --sort"), Hint: "leave --sort or --watch out"}
	}
	return nil
}

// connectedStates are those of sockets that have, or had, another end.
func connectedStates() []string {
	return []string{"established", "syn_sent", "syn_recv", "fin_wait_1", "fin_wait_2", "time_wait", "close_wait", "last_ack", "closing", "connected"}
}

// collect adds what the words mean to a list, unless an earlier one was wrong.
func collect[T any](to *[]T, words []string, parse func(string) (T, error), err *error) {
	for _, w := range words {
		if *err != nil {
			return
		}
		var v T
		if v, *err = parse(w); *err == nil {
			*to = append(*to, v)
		}
	}
}

// names returns the words that were taken for a name of a project or a process.
func (r *request) names() []string {
	var out []string
	query.Walk(r.filter, func(t *query.Term, _ bool) {
		if t.Field.ID == socketquery.Word {
			out = append(out, t.Text)
		}
	})
	return out
}
