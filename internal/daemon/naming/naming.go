// Package naming keeps the table of names as the projects change, and the names below
// .test in the machine's hosts file where a helper keeps one. How names are made is
// package names', and what answers for them is package serving's.
package naming

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"lodge/internal/helperapi"
	"lodge/internal/hosts"
	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/names"
)

// Options is what the names are made of, and what is called when they change.
type Options struct {
	// Projects returns the projects that are up, as their keepers told them last.
	Projects func() []keeperapi.Project
	// Label returns what the project in a directory is called in host names.
	Label func(dir, name string) string
	// Changed is called after each new table, one after another, before those that
	// wait for it ([Names.Changed]) are woken.
	Changed func()
	// Told is called after that. It reads the table when it needs it.
	Told func(table func() *names.Table)
	// SetHosts writes names to the hosts file, and returns those that are another
	// user's.
	SetHosts func(context.Context, []hosts.Entry) ([]helperapi.Refusal, error)
}

// Names is the table of names of a daemon.
type Names struct {
	options Options
	table   atomic.Pointer[names.Table]
	// renaming makes a new table of what is known one; it is taken before every
	// other lock here.
	renaming sync.Mutex

	mu      sync.Mutex // guards changed
	changed chan struct{}

	hosts hostsFile
}

// New returns an empty table of names.
func New(o Options) *Names {
	n := &Names{options: o, changed: make(chan struct{}), hosts: hostsFile{wrote: make(chan struct{})}}
	n.table.Store(names.New(nil))
	return n
}

// Table returns the names as they are now.
func (n *Names) Table() *names.Table { return n.table.Load() }

// Changed returns a channel that is closed at the next change of the table. Take it
// before the table is read.
func (n *Names) Changed() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.changed
}

// Rename makes the table anew from what the keepers told last. It returns when the proxy
// has it.
func (n *Names) Rename() {
	n.renaming.Lock()
	defer n.renaming.Unlock()
	var list []names.Project
	for _, k := range n.options.Projects() {
		list = append(list, names.Project{
			ID: k.ID, Name: k.Name, Label: n.options.Label(k.Dir, k.Name), Path: k.Dir, Home: k.Home.IP4, Services: k.Services,
		})
	}
	n.table.Store(names.New(list))
	n.hosts.outdated()
	n.options.Changed()
	n.mu.Lock()
	close(n.changed)
	n.changed = make(chan struct{})
	n.mu.Unlock()
	n.options.Told(n.Table)
}

// Resolved reports whether names below .test are resolved on this machine, and if not,
// why.
func (n *Names) Resolved() (bool, string) { return n.hosts.status() }

// Warnings reports which names below .test lead to another user's project, or nowhere.
func (n *Names) Warnings() []string { return n.hosts.warnings() }

// Hosts returns the names below .test, for those that must resolve them themselves,
// once it is known whether they must.
func (n *Names) Hosts(ctx context.Context) localapi.HostNames {
	t := n.Table()
	n.hosts.await(ctx)
	var out localapi.HostNames
	out.Resolved, out.Reason = n.hosts.status()
	var b strings.Builder
	for _, e := range hostEntries(t) {
		for _, name := range e.Names {
			fmt.Fprintf(&b, "%s %s\n", e.IP, name)
		}
	}
	out.Lines = b.String()
	return out
}
