// Package ends finds the processes at the ends of connections of this machine, for
// package tap: those that packets name, completed from /proc while they run; and, for
// ends that no packet names, the holders in tables of sockets that are read now and then.
package ends

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/loopback"
	"lodge/internal/mark"
	"lodge/internal/model"
	"lodge/internal/sockets"
	"lodge/internal/sockets/holders"
	"lodge/internal/tap"
)

// Options are what a [Finder] works with.
type Options struct {
	// Table reads the sockets of the machine with their processes; nil: there is
	// none.
	Table func(ctx context.Context) (*sockets.Table, error)
	// Homes returns the projects that are up, with their services' endpoints.
	Homes func() []Home
	// Behind returns the processes that listen at an address of another network
	// namespace, and the container of which that is, for the proxies of published
	// ports; nil: they are not looked for.
	Behind func(ctx context.Context, to netip.AddrPort) (list []model.Process, container string)
	// Now is the clock.
	Now func() time.Time
	// Warn gets what could not be read, one line each.
	Warn func(text string)
}

// Home is a project's home, and where its services listen.
type Home struct {
	holders.Home
	Endpoints []Endpoint
}

// Endpoint is where a service listens.
type Endpoint struct {
	At      netip.AddrPort
	Service string
}

// Finder finds processes. It is for one goroutine at a time.
type Finder struct {
	o    Options
	ctx  context.Context
	boot time.Time

	known map[int]*known // by process id

	read      time.Time // when the table was
	connected map[ends][]model.Process
	listening map[netip.AddrPort][]model.Process // of one port on all addresses: of the unspecified ones
	homes     []Home
	homesAt   time.Time
	behind    map[int]*behind // by the proxy's process id
}

var _ tap.Ends = (*Finder)(nil)

// known is what is known of a process.
type known struct {
	process model.Process
	place   tap.Place
	at      time.Time // when it was looked at
	// described reports that its directory was read too, which a table does not have.
	described bool
}

// ends are those of a TCP connection or UDP socket, seen from one of them.
type ends struct {
	protocol      packet.Protocol
	local, remote netip.AddrPort
}

const (
	// fresh is how long what is known of a process id is believed without a look at
	// whether it is another process's by now.
	fresh = 250 * time.Millisecond
	// patience is how often the table of sockets is read at most.
	patience = time.Second
	// most bounds what is remembered of processes.
	most = 20_000
)

// New returns a finder. It reads the sockets once, so that connections which are open
// already have their processes.
func New(ctx context.Context, o Options) *Finder {
	f := &Finder{o: o, ctx: ctx, boot: holders.BootTime(), known: make(map[int]*known), behind: make(map[int]*behind)}
	f.readHomes()
	f.readTable()
	return f
}

// Sender implements [tap.Ends].
func (f *Finder) Sender(p model.Process, m mark.Mark) model.Process {
	k := f.look(p)
	if k == nil {
		// It has ended: what the packet told is what is known.
		if p.StartedAt == nil && p.Start != 0 && !f.boot.IsZero() {
			at := holders.StartedAt(f.boot, p.Start)
			p.StartedAt = &at
		}
		if place, ok := f.marked(m, p.Name); ok {
			f.keep(&known{process: p, place: place, at: f.o.Now()})
		}
		return p
	}
	if k.place.Project == "" {
		k.place, _ = f.marked(m, p.Name)
	}
	return k.process
}

// marked returns the place of a process by its mark. The name is what a command of
// `lodge exec` and `lodge run` is called, whose service no list has.
func (f *Finder) marked(m mark.Mark, name string) (p tap.Place, ok bool) {
	if m.Home == 0 {
		return p, false
	}
	f.readHomes()
	for i := range f.homes {
		h := &f.homes[i]
		if h.Mark != m.Home {
			continue
		}
		for _, service := range append(slices.Clip(h.Services), name) {
			if m.Is(h.Mark, service) {
				return tap.Place{Project: h.Project, Service: service}, true
			}
		}
		return tap.Place{Project: h.Project}, !m.Is(h.Mark, "")
	}
	return p, false
}

// look returns what is known of a process, or nil where it has ended before anything
// was read of it.
func (f *Finder) look(p model.Process) *known {
	now := f.o.Now()
	k := f.known[p.PID]
	// A process that is being executed has a name before it has a command line.
	// The name that the kernel tells is cut; another one is that of another program, which
	// the process has become since.
	same := k != nil && strings.HasPrefix(k.process.Name, p.Name)
	if whole := same && k.described && k.process.Command != ""; whole {
		if (p.Start == 0 || k.process.Start == p.Start) && now.Sub(k.at) < fresh {
			return k
		}
		if p.Start != 0 && k.process.Start == p.Start {
			k.at = now // one and the same for ever
			return k
		}
	}
	d := holders.Describe(f.ctx, holders.Request{Homes: f.holdersHomes(), Boot: f.boot, Details: holders.ReadPlace | holders.ReadDirectory}, p.PID)
	if d == nil || p.Start != 0 && d.Start != p.Start {
		if same && (p.Start == k.process.Start || p.Start == 0 && now.Sub(k.at) < 10*fresh && k.process.Name == p.Name) {
			return k // it has ended since
		}
		return nil
	}
	k = &known{process: ProcessOf(d), place: tap.Place{Project: d.Project, Service: d.Service, Container: d.Container}, at: now, described: true}
	f.keep(k)
	return k
}

func (f *Finder) keep(k *known) {
	if len(f.known) >= most {
		clear(f.known)
	}
	f.known[k.process.PID] = k
}

// ProcessOf returns a process of a table of sockets as a record has it.
func ProcessOf(d *holders.Process) model.Process {
	return model.Process{PID: d.PID, Start: d.Start, StartedAt: d.StartedAt, Name: d.Name, Command: d.Command, Directory: d.Directory, User: d.User}
}

// Holders implements [tap.Ends].
func (f *Finder) Holders(t packet.Protocol, local, remote netip.AddrPort, _ uint64) ([]model.Process, tap.Source) {
	list, source := f.held(t, local, remote)
	if len(list) == 0 && f.o.Now().Sub(f.read) >= patience {
		f.readTable()
		list, source = f.held(t, local, remote)
	}
	return list, source
}

func (f *Finder) held(t packet.Protocol, local, remote netip.AddrPort) ([]model.Process, tap.Source) {
	if list := f.connected[ends{t, plain(local), plain(remote)}]; len(list) > 0 {
		return list, tap.SourceSocket
	}
	at := plain(local)
	for _, a := range []netip.Addr{at.Addr(), netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		if a.Is4() != at.Addr().Is4() && !a.IsUnspecified() {
			continue
		}
		if list := f.listening[netip.AddrPortFrom(a, at.Port())]; len(list) > 0 {
			return list, tap.SourceListener
		}
	}
	return nil, ""
}

// plain is an address without its zone, IPv4 where it is mapped.
func plain(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// Place implements [tap.Ends].
func (f *Finder) Place(at netip.AddrPort, p *model.Process) tap.Place {
	place := f.place(at, p)
	if p != nil {
		place.Behind = f.forwards(p)
	}
	return place
}

func (f *Finder) place(at netip.AddrPort, p *model.Process) tap.Place {
	if p != nil {
		if k := f.known[p.PID]; k != nil && k.process.Start == p.Start && (k.place.Project != "" || k.place.Container != "") {
			return k.place
		}
	}
	f.readHomes()
	ip := plain(at).Addr()
	for i := range f.homes {
		h := &f.homes[i]
		for _, e := range h.Endpoints {
			if e.At == plain(at) {
				return tap.Place{Project: h.Project, Service: e.Service}
			}
		}
		if ip == h.IP4 || ip == h.IP6 && ip.IsValid() {
			return tap.Place{Project: h.Project}
		}
	}
	return tap.Place{}
}

func (f *Finder) holdersHomes() []holders.Home {
	f.readHomes()
	out := make([]holders.Home, len(f.homes))
	for i := range f.homes {
		out[i] = f.homes[i].Home
	}
	return out
}

// readHomes asks for the projects, now and then.
func (f *Finder) readHomes() {
	if f.o.Homes == nil || !f.homesAt.IsZero() && f.o.Now().Sub(f.homesAt) < patience {
		return
	}
	f.homesAt = f.o.Now()
	f.homes = f.o.Homes()
}

// readTable reads the sockets.
func (f *Finder) readTable() {
	f.read = f.o.Now()
	if f.o.Table == nil {
		return
	}
	t, err := f.o.Table(f.ctx)
	if err != nil {
		if f.ctx.Err() == nil && f.o.Warn != nil {
			f.o.Warn("some processes are not known: " + err.Error())
		}
		return
	}
	f.connected, f.listening = make(map[ends][]model.Process), make(map[netip.AddrPort][]model.Process)
	for i := range t.Rows {
		r := &t.Rows[i]
		if r.Local == nil || len(r.Processes) == 0 {
			continue
		}
		list := make([]model.Process, 0, len(r.Processes))
		for _, p := range r.Processes {
			list = append(list, ProcessOf(p))
			if k := f.known[p.PID]; k == nil || k.process.Start != p.Start {
				f.known[p.PID] = &known{process: ProcessOf(p), place: tap.Place{Project: p.Project, Service: p.Service, Container: p.Container}, at: f.read}
			}
		}
		local := plain(r.Local.AddrPort())
		protocol := packet.TCP
		if r.Protocol == loopback.UDP {
			protocol = packet.UDP
		}
		switch {
		case r.Remote != nil:
			f.connected[ends{protocol, local, plain(r.Remote.AddrPort())}] = list
		case r.State == "listen" || r.State == "bound":
			f.listening[local] = append(f.listening[local], list...)
		}
	}
}
