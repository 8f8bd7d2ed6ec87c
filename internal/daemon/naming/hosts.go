package naming

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"sync"
	"time"

	"lodge/internal/daemon/helperconn"
	"lodge/internal/helperapi"
	"lodge/internal/hosts"
	"lodge/internal/names"
	"lodge/internal/stall"
)

const (
	// hostsQuiet gathers changes of the names, so that a project's start writes the
	// hosts file once or twice and not for each service.
	hostsQuiet = 10 * time.Millisecond
	// refusedRetry is how soon names that another user has are asked for again.
	refusedRetry = 5 * time.Second
	// maxWarnings bounds the warnings about names.
	maxWarnings = 5
)

// hostsFile is what is known of the names below .test in the machine's hosts file.
type hostsFile struct {
	mu      sync.Mutex          // guards what follows
	reason  string              // why names below .test are not resolved; "" where they are
	told    bool                // the hosts file was tried
	refused []helperapi.Refusal // names that are another user's
	// made counts the tables, written is the one that the hosts file has, and
	// wrote is closed when that is another.
	made, written uint64
	wrote         chan struct{}
	closed        bool // no table is written any more
}

// outdated notes that there is another table.
func (h *hostsFile) outdated() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.made++
}

// wanted returns the number of the newest table.
func (h *hostsFile) wanted() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.made
}

// has notes the table that the hosts file has now, or cannot have.
func (h *hostsFile) has(made uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.written = made
	close(h.wrote)
	h.wrote = make(chan struct{})
}

// close wakes those that wait for the hosts file.
func (h *hostsFile) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	close(h.wrote)
	h.wrote = make(chan struct{})
}

// note notes what became of the names below .test.
func (h *hostsFile) note(refused []helperapi.Refusal, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told, h.reason, h.refused = true, "", refused
	switch {
	case err != nil:
		h.reason = err.Error()
	case len(refused) == 1:
		h.reason = refused[0].Error
	case len(refused) > 1:
		h.reason = fmt.Sprintf("%s, and %d more names are not to be had", refused[0].Error, len(refused)-1)
	}
}

func (h *hostsFile) status() (bool, string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.told {
		return false, "no project is up, so it was not tried"
	}
	return h.reason == "", h.reason
}

func (h *hostsFile) warnings() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []string
	for _, r := range h.refused {
		out = append(out, fmt.Sprintf("%s is not this project's on the whole machine: %s; what lodge exec starts reaches it", r.Name, r.Error))
		if len(out) == maxWarnings {
			break
		}
	}
	return out
}

// await waits until the hosts file has the names that there are now, or cannot have
// them.
func (h *hostsFile) await(ctx context.Context) {
	for made := uint64(0); ; {
		h.mu.Lock()
		if made == 0 {
			made = h.made
		}
		// Where no hosts file is kept there is nothing to wait for.
		over := h.closed || h.told && h.reason != "" || h.written >= made
		wrote := h.wrote
		h.mu.Unlock()
		if over {
			return
		}
		select {
		case <-wrote:
		case <-ctx.Done():
			return
		}
	}
}

// KeepHosts writes the names below .test to the hosts file whenever they change, until
// ctx ends.
func (n *Names) KeepHosts(ctx context.Context) {
	defer n.hosts.close()
	var last []hosts.Entry
	var again <-chan time.Time
	for {
		ch := n.Changed()
		made := n.hosts.wanted()
		entries := hostEntries(n.Table())
		if !reflect.DeepEqual(entries, last) {
			short, cancel := context.WithTimeout(ctx, 10*time.Second)
			refused, err := n.options.SetHosts(short, entries)
			cancel()
			n.hosts.note(refused, err)
			last = entries // an error is not tried again before the names change
			again = nil
			switch {
			case stall.Is(err):
				last, again = nil, time.After(helperconn.Retry)
			case len(refused) > 0:
				last, again = nil, time.After(refusedRetry)
			}
		}
		n.hosts.has(made)
		select {
		case <-ch:
		case <-again:
		case <-ctx.Done():
			return
		}
		quiet := time.NewTimer(hostsQuiet)
		select {
		case <-quiet.C:
		case <-ctx.Done():
			quiet.Stop()
			return
		}
	}
}

// hostEntries returns the lines of the hosts file: each project's names below
// .test lead to its home, and those below .localhost to this machine, which
// glibc alone does not know (browsers and curl do).
func hostEntries(t *names.Table) []hosts.Entry {
	var out []hosts.Entry
	for _, p := range t.Projects() {
		if p.Home.IsValid() {
			out = append(out, hosts.Entry{IP: p.Home, Names: p.TCPNames()})
		}
	}
	if web := t.HTTPNames(); len(web) > 0 {
		out = append(out, hosts.Entry{IP: netip.AddrFrom4([4]byte{127, 0, 0, 1}), Names: web})
	}
	return out
}
