package daemon

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"lodge/internal/helperapi"
	"lodge/internal/hosts"
	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/names"
)

// naming keeps the table of names as the projects change, and the names below
// .test in the hosts file where the helper keeps one.
type naming struct {
	table atomic.Pointer[names.Table]
	// renaming makes a new table of what is known one; it is taken before every
	// other lock here.
	renaming sync.Mutex

	mu      sync.Mutex // guards what follows
	changed chan struct{}
	reason  string              // why names below .test are not resolved; "" where they are
	told    bool                // the hosts file was tried
	refused []helperapi.Refusal // names that are somebody else's
	// made counts the tables, written is the one that the hosts file has, and
	// wrote is closed when that is another.
	made, written uint64
	wrote         chan struct{}
}

func newNaming() *naming {
	n := &naming{changed: make(chan struct{}), wrote: make(chan struct{})}
	n.table.Store(names.New(nil))
	return n
}

// await returns a channel that is closed at the next change of the table. Take it
// before the table is read.
func (n *naming) await() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.changed
}

// broadcast says that the table has changed, to those who await it.
func (n *naming) broadcast() {
	n.mu.Lock()
	close(n.changed)
	n.changed = make(chan struct{})
	n.mu.Unlock()
}

// status reports whether names below .test are resolved on this machine, and if
// not, why.
func (n *naming) status() (bool, string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.told {
		return false, "no project is up, so it was not tried"
	}
	return n.reason == "", n.reason
}

// namer keeps the names that lead to services.
type namer struct{ core }

// rename makes the table anew from what the keepers said last.
func (d *namer) rename() {
	d.naming.renaming.Lock()
	defer d.naming.renaming.Unlock()
	d.renameLocked()
}

// renameLocked is rename for who has the lock.
func (d *namer) renameLocked() {
	var list []names.Project
	for _, p := range d.all() {
		p.mu.Lock()
		k := p.last
		p.mu.Unlock()
		if k.ID != "" {
			list = append(list, d.named(k))
		}
	}
	d.naming.table.Store(names.New(list))
	d.naming.mu.Lock()
	d.naming.made++
	d.naming.mu.Unlock()
	if s := d.serving.Load(); s != nil {
		s.update()
	}
	d.naming.broadcast() // who hears it finds the proxy knowing it too
	d.events.tellNames(d.naming.table.Load)
}

func (d *namer) named(k keeperapi.Project) names.Project {
	return names.Project{ID: k.ID, Name: k.Name, Label: d.store.labelFor(k.Dir, k.Name), Path: k.Dir, Home: k.Home.IP4, Services: k.Services}
}

// hostsQuiet gathers changes of the names, so that a project's start writes the
// hosts file once or twice and not for each service.
const hostsQuiet = 10 * time.Millisecond

// refusedRetry is how soon names that another user has are asked for again.
const refusedRetry = 5 * time.Second

// wroteHosts notes what became of the names below .test.
func (n *naming) wroteHosts(refused []helperapi.Refusal, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.told, n.reason, n.refused = true, "", refused
	switch {
	case err != nil:
		n.reason = err.Error()
	case len(refused) == 1:
		n.reason = refused[0].Error
	case len(refused) > 1:
		n.reason = fmt.Sprintf("%s, and %d more names are not to be had", refused[0].Error, len(refused)-1)
	}
}

// warnings reports which names below .test lead to somebody else, or nowhere.
func (n *naming) warnings() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []string
	for _, r := range n.refused {
		out = append(out, fmt.Sprintf("%s is not this project's on the whole machine: %s; what lodge exec starts reaches it", r.Name, r.Error))
		if len(out) == maxNameWarnings {
			break
		}
	}
	return out
}

// maxNameWarnings bounds the warnings about names.
const maxNameWarnings = 5

// keepHosts writes the names below .test to the hosts file whenever they
// change, until the daemon ends.
func (d *namer) keepHosts() {
	var last []hosts.Entry
	var again <-chan time.Time
	for {
		d.naming.mu.Lock()
		made, ch := d.naming.made, d.naming.changed
		d.naming.mu.Unlock()
		entries := hostEntries(d.naming.table.Load())
		if !reflect.DeepEqual(entries, last) {
			ctx, cancel := context.WithTimeout(d.ctx, 10*time.Second)
			refused, err := d.engines.setHosts(ctx, entries)
			cancel()
			d.naming.wroteHosts(refused, err)
			last = entries // an error is not tried again before the names change
			again = nil
			switch {
			case halted(err):
				last, again = nil, time.After(stalledRetry)
			case len(refused) > 0:
				last, again = nil, time.After(refusedRetry)
			}
		}
		d.naming.mu.Lock()
		d.naming.written = made
		close(d.naming.wrote)
		d.naming.wrote = make(chan struct{})
		d.naming.mu.Unlock()
		select {
		case <-ch:
		case <-again:
		case <-d.ctx.Done():
			return
		}
		quiet := time.NewTimer(hostsQuiet)
		select {
		case <-quiet.C:
		case <-d.ctx.Done():
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

// awaitHosts waits until the hosts file has the names that there are now, or
// cannot have them.
func (d *namer) awaitHosts(ctx context.Context) {
	for made := uint64(0); ; {
		d.naming.mu.Lock()
		if made == 0 {
			made = d.naming.made
		}
		written, wrote := d.naming.written, d.naming.wrote
		if d.naming.told && d.naming.reason != "" {
			written = made // nobody keeps names here: there is nothing to wait for
		}
		d.naming.mu.Unlock()
		if written >= made {
			return
		}
		select {
		case <-wrote:
		case <-ctx.Done():
			return
		case <-d.ctx.Done():
			return
		}
	}
}

// hostNames returns the names below .test, for those who must resolve them
// themselves, once it is known whether they must.
func (d *namer) hostNames(ctx context.Context) localapi.HostNames {
	t := d.naming.table.Load()
	d.awaitHosts(ctx)
	var out localapi.HostNames
	out.Resolved, out.Reason = d.naming.status()
	var b strings.Builder
	for _, e := range hostEntries(t) {
		for _, n := range e.Names {
			fmt.Fprintf(&b, "%s %s\n", e.IP, n)
		}
	}
	out.Lines = b.String()
	return out
}

// address puts what is known of names into a project's state.
func (d *namer) address(p *localapi.Project) {
	p.Label = d.store.labelFor(p.Path, p.Name)
	n := names.Project{Label: p.Label, Services: p.Services}
	if ip, err := netip.ParseAddr(p.Home); err == nil {
		n.Home = ip
	}
	p.URL = d.web.url(n.BareName())
	if s := d.serving.Load(); s != nil {
		if st := s.bare(names.New([]names.Project{n}), &n); st != nil {
			p.DefaultService = st.Name
		}
	}
	for i := range p.Services {
		s := &p.Services[i]
		d.addressService(p.ID, &n, s)
		if sh, ok := d.shares.of(p.Label + "/" + s.Name); ok {
			s.SharedURL = sh.URL
		}
	}
}
