package tap

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"lodge/internal/cli/daemonview"
	"lodge/internal/cli/kit"
	"lodge/internal/decode/tls"
	"lodge/internal/helperapi"
	"lodge/internal/sockets"
	"lodge/internal/tap"
	"lodge/internal/tlssecrets"
)

// openProbes has the libraries of TLS probed that the machine and its processes have.
func openProbes(ctx context.Context, r *run, helper *helperapi.Client, view *daemonview.View) (*tlssecrets.Probes, error) {
	var within []string
	for _, dir := range r.flags.Within {
		real, err := filepath.EvalSymlinks(r.kit.Path(dir))
		if err != nil {
			return nil, &kit.Hinted{Err: fmt.Errorf("tap: --tls-within: %w", err), Hint: "lodge tap --tls --tls-within ."}
		}
		within = append(within, real)
	}
	p, err := tlssecrets.Open(ctx, helper, within, withSockets(ctx, view))
	if err != nil {
		return nil, noProbes(err)
	}
	cut, most := p.Cut()
	for _, dir := range cut {
		r.kit.Warn(fmt.Sprintf("tap: --tls-within %s: only %d of its programs and libraries are probed before they are seen", dir, most))
	}
	return p, nil
}

// noProbes returns the error of probes that the helper did not make.
func noProbes(err error) error {
	hint := "without --tls, TLS stays encrypted; lodge tap --keylog FILE decrypts what programs write keys of, by SSLKEYLOGFILE"
	if e := (*helperapi.Error)(nil); errors.As(err, &e) && e.Hint() != "" {
		hint = e.Hint()
	}
	return &kit.Hinted{Err: fmt.Errorf("tap: %w", err), Hint: hint}
}

// withSockets returns the processes that have TCP sockets here. Those that cannot be found
// are seen when they send a packet.
func withSockets(ctx context.Context, view *daemonview.View) []int {
	table, err := sockets.List(ctx, view.Query(sockets.Query{}))
	if err != nil {
		return nil
	}
	var pids []int
	for i := range table.Rows {
		for _, p := range table.Rows[i].Processes {
			pids = append(pids, p.PID)
		}
	}
	slices.Sort(pids)
	return slices.Compact(pids)
}

// closeProbes takes all probes out. The helper has them out as well when it is gone.
func closeProbes(p *tlssecrets.Probes) error {
	err := p.Close(context.Background())
	if err == nil || errors.Is(err, helperapi.ErrGone) {
		return nil
	}
	return &kit.Hinted{Err: fmt.Errorf("tap: %w", err), Hint: "find a process that hangs: ps -eo pid,user,stat,wchan:24,comm; the probes are gone when it is"}
}

// explain adds to a record of what was not decrypted why no keys of it could be had.
func (r *run) explain(x *tap.Record) {
	e := x.Exchange
	if r.probes == nil || e == nil || e.Protocol != tls.Name {
		return
	}
	for i, text := range e.Unknown {
		if !strings.Contains(text, tls.NoKeys) {
			continue
		}
		// The handshake began no later than when the connection's data did.
		for _, end := range []*tap.End{&x.Client, &x.Server} {
			text += "; " + r.explainEnd(end, x.Time)
		}
		e.Unknown[i] = text
	}
}

func (r *run) explainEnd(end *tap.End, at time.Time) string {
	if !end.Known() {
		return fmt.Sprintf("the process at %s is not known", end.Address)
	}
	p := &end.Processes[0]
	return fmt.Sprintf("%s[%d]: %s", p.Name, p.PID, r.probes.Why(p.PID, p.Start, at))
}

// tlsAccount is what the probes have seen, as the account has it.
func tlsAccount(p *tlssecrets.Probes) *tap.TLS {
	a := p.Account()
	out := &tap.TLS{Files: []tap.TLSFile{}, Probes: a.Counts.Probes, Seen: a.Counts.Seen, Delivered: a.Counts.Delivered}
	for _, f := range a.Files {
		out.Files = append(out.Files, tap.TLSFile{Path: f.Path, Library: f.Library, Probed: f.Why == "", Reason: f.Why})
	}
	put := func(to *map[string]uint64, why string, n uint64) {
		if n == 0 {
			return
		}
		if *to == nil {
			*to = map[string]uint64{}
		}
		(*to)[why] = n
	}
	put(&out.LeftOut, "other_user", a.Counts.NotAllowed)
	put(&out.Lost, "ring_full", a.Counts.RingFull)
	put(&out.Lost, "unreadable", a.Counts.Unreadable)
	// These were delivered, and are of no use.
	lost := min(a.Forgotten+a.Bad, out.Delivered)
	put(&out.Lost, "unread", lost)
	out.Delivered -= lost
	return out
}
