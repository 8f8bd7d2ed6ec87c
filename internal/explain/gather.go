package explain

import (
	"context"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/explain/firewall"
	"lodge/internal/explain/input"
	"lodge/internal/limits"
	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

// Source is what Gather needs beside the kernel.
type Source struct {
	// Homes and Live are a running daemon's; both may be empty.
	Homes []sockets.Home
	Live  sockets.Live
	// Projects are those that are up.
	Projects []Project
	// Name returns what a name in lower case leads to by the daemon's word, or nil.
	Name func(host string) *Name
	// Inside is the home in which this program runs, if it is in one.
	Inside netip.Addr
	// Tail returns the last lines that a service of the project at path said; nil
	// where nothing is known of them.
	Tail func(path, service string) []string
	// Hosts is the hosts file; "" is /etc/hosts.
	Hosts string
}

// bounds on what is looked at one by one.
const (
	maxTargets   = 4
	maxPeers     = 64
	maxProcesses = 16
)

// Gather looks at this machine for what bears on the input. It makes no
// connection and binds nothing.
func Gather(ctx context.Context, in input.Question, src Source) (*Facts, error) {
	f, err := gather(ctx, in, src)
	if err != nil {
		return nil, err
	}
	for _, other := range in.Others {
		o, err := gather(ctx, other, src)
		if err != nil {
			return nil, err
		}
		f.Others = append(f.Others, o)
	}
	return f, nil
}

func gather(ctx context.Context, in input.Question, src Source) (*Facts, error) {
	f := &Facts{
		Question: in, Now: time.Now(), Projects: src.Projects, UID: uint32(os.Geteuid()),
		Listened: make(map[netip.AddrPort]bool), Processes: make(map[int]ProcessFacts), Filter: make(map[netip.Addr]firewall.Result),
		Routes: make(map[netip.Addr]unix.Errno), Spaces: make(map[netip.Addr]sockets.Namespace),
	}
	for i := range f.Projects {
		if src.Inside.IsValid() && f.Projects[i].Home4 == src.Inside {
			f.Inside = &f.Projects[i]
		}
	}
	var err error
	if f.Local, err = localAddresses(); err != nil {
		return nil, err
	}
	var unknown []string
	f.Kernel, unknown = readKernel("/proc")
	f.Unknown = append(f.Unknown, unknown...)
	f.LowPorts = lowPorts()
	if in.Unix != "" {
		if err := f.gatherUnix(ctx, src); err != nil {
			return nil, err
		}
		f.setApart()
		f.processes()
		return f, nil
	}
	f.targets(ctx, src)
	if f.Scope, err = sockets.Scopes(); err != nil {
		return nil, err
	}
	f.lookAtRoutes()

	// The firewall and the sockets are asked at the same time.
	var wg sync.WaitGroup
	var filters []firewall.Result
	asked := f.filterTargets()
	wg.Go(func() {
		for _, ip := range asked {
			to := ip
			if inside := f.home(ip); len(inside) > 0 {
				to = inside[0]
			}
			filters = append(filters, firewall.Ask(ctx, f.connection(to)))
		}
	})
	err = f.sockets(ctx, src)
	if err == nil {
		err = f.serving(ctx, src)
	}
	if err == nil {
		err = f.lookElsewhere(ctx, src)
	}
	wg.Wait()
	if err != nil {
		return nil, err
	}
	for i, ip := range asked {
		f.Filter[ip] = filters[i]
		for _, u := range filters[i].Unknown {
			if !slices.Contains(f.Unknown, u) {
				f.Unknown = append(f.Unknown, u)
			}
		}
	}
	f.setApart()
	f.tells(src.Tail)
	f.processes()
	return f, nil
}

// targets finds out which addresses are meant.
func (f *Facts) targets(ctx context.Context, src Source) {
	hosts := src.Hosts
	if hosts == "" {
		hosts = "/etc/hosts"
	}
	for _, ip := range f.Question.IPs {
		f.Targets = append(f.Targets, ip.Unmap())
	}
	if f.Question.Name != "" {
		if src.Name != nil {
			f.Name = src.Name(f.Question.Name)
		}
		if n := f.Name; n != nil && n.Service != nil && n.Service.PID != 0 {
			n.Service.Limits = limits.Now(n.Service.PID)
		}
		if n := f.Name; n != nil && n.Domain == "localhost" && n.Port != 0 && !f.Question.HasPort {
			f.Question.Port, f.Question.HasPort, f.Implied = n.Port, true, true
		}
		f.Resolution = resolve(ctx, f.Question.Name, hosts, f.isLocal, f.Name)
		if f.Resolution.Source == "hosts file" && f.Name != nil {
			f.Name.Unresolved = ""
		}
		for _, ip := range f.Resolution.Addresses {
			if !slices.Contains(f.Targets, ip) {
				f.Targets = append(f.Targets, ip)
			}
		}
	}
	if len(f.Targets) > maxTargets {
		f.Targets = f.Targets[:maxTargets]
	}
}

// sockets reads the sockets that bear on the input. The kernel finds listeners
// by their port, but for connections it goes through all that there are, and
// for sockets that are only bound through all ports: what is not needed for the
// answer is not asked for.
func (f *Facts) sockets(ctx context.Context, src Source) error {
	base := sockets.Query{Details: true, Quick: true, Hints: new(sockets.Hints), Homes: src.Homes, Live: src.Live}
	switch {
	case f.Question.HasPort && f.Question.Port == 0:
		return nil // no socket has it
	case f.Question.HasPort:
		base.Filter.Ports = []uint16{f.Question.Port}
	case len(f.Targets) > 0:
		for _, ip := range append(slices.Clone(f.Targets), netip.IPv4Unspecified(), netip.IPv6Unspecified()) {
			base.Filter.Addresses = append(base.Filter.Addresses, netip.PrefixFrom(ip.WithZone(""), ip.BitLen()))
		}
	default:
		return nil // a name that means nothing here
	}
	if f.Question.Protocol != loopback.UDP {
		q, near := base, sockets.Query{}
		q.Protocols, q.States = []string{"tcp"}, []string{"listen"}
		if f.Question.HasPort {
			first := q
			first.NoProcesses = true
			if err := f.list(ctx, first); err != nil {
				return err
			}
			rest := f.states()
			if f.served() {
				q.Filter.Addresses = f.near() // who listens elsewhere does not matter
			}
			f.Rows = nil
			if len(rest) > 0 {
				near = base
				near.Protocols, near.States, near.Filter.Addresses = q.Protocols, rest, f.near()
			}
		}
		if err := f.list(ctx, q); err != nil {
			return err
		}
		if len(near.States) > 0 {
			if err := f.list(ctx, near); err != nil {
				return err
			}
		}
	}
	// A server of UDP on a port for which a program of TCP fails is worth a word.
	if f.Question.Protocol != loopback.TCP || f.Question.Operation != "" && f.Question.HasPort {
		q := base
		q.Protocols = []string{"udp"}
		if !f.Question.HasPort {
			q.States = []string{"bound"}
		}
		if err := f.list(ctx, q); err != nil {
			return err
		}
	}
	if !f.Question.HasPort {
		return nil
	}
	if err := f.farEnds(); err != nil {
		return err
	}
	somebody := slices.ContainsFunc(f.connectTo(), func(ip netip.Addr) bool { return len(f.listeners(ip)) > 0 })
	if somebody || f.Question.Operation == input.Bind {
		return nil
	}
	q := base
	q.AllNamespaces, q.Protocols, q.States = true, []string{"tcp"}, []string{"listen"}
	if f.protocol() == loopback.UDP {
		q.Protocols, q.States = []string{"udp"}, []string{"bound"}
	}
	t, err := sockets.List(ctx, q)
	if err != nil {
		return err
	}
	for _, w := range t.Warnings {
		if !slices.Contains(f.Unknown, w) {
			f.Unseen = append(f.Unseen, w)
		}
	}
	for _, r := range t.Rows {
		if r.Namespace != 0 && r.Local != nil && r.Local.Port == f.Question.Port && f.mayBeMeant(r.Local.IP) {
			f.Elsewhere = append(f.Elsewhere, r)
		}
	}
	return nil
}

// mayBeMeant reports whether a server at ip in another network namespace may be
// the one that was looked for: not one at a loopback address of its own, such as
// a home's, where another was asked for.
func (f *Facts) mayBeMeant(ip netip.Addr) bool {
	ip = ip.Unmap()
	return !ip.IsLoopback() || loopback.IsLocalhost(ip) || slices.Contains(f.connectTo(), ip)
}

// list adds what a query finds to the rows.
func (f *Facts) list(ctx context.Context, q sockets.Query) error {
	t, err := sockets.List(ctx, q)
	if err != nil {
		return err
	}
	f.Rows = append(f.Rows, t.Rows...)
	for _, w := range t.Warnings {
		if !slices.Contains(f.Unknown, w) {
			f.Unknown = append(f.Unknown, w)
		}
	}
	return nil
}

// states reports which TCP sockets must be read beside those that listen, now that
// these are known.
func (f *Facts) states() []string {
	plain := f.Question.Operation == ""
	switch {
	case f.Question.Operation == input.Bind && slices.ContainsFunc(f.bindTo(), func(ip netip.Addr) bool {
		return len(f.at(func(r *sockets.Row) bool { return overlaps(r, ip) })) > 0
	}):
		return nil // who listens is in the way, whoever else is there
	case f.Question.Operation == input.Connect && len(f.Rows) > 0 && f.Question.Errno != "EADDRNOTAVAIL":
		return nil
	case plain && len(f.Rows) > 0 || f.Question.Errno == "EADDRNOTAVAIL":
		return slices.DeleteFunc(sockets.States(), func(s string) bool { return s == "listen" || s == "bound" || s == "connected" })
	}
	return slices.DeleteFunc(sockets.States(), func(s string) bool { return s == "listen" || s == "connected" })
}

// served reports whether somebody listens on each address that is meant.
func (f *Facts) served() bool {
	return !slices.ContainsFunc(f.connectTo(), func(ip netip.Addr) bool { return len(f.listeners(ip)) == 0 })
}

// near returns the addresses of connections that can bear on the input; none is
// all. Those who listen matter wherever they do, but a port may have thousands
// of connections at other addresses.
func (f *Facts) near() []netip.Prefix {
	if len(f.Targets) == 0 || slices.ContainsFunc(f.Targets, netip.Addr.IsUnspecified) {
		return nil
	}
	var out []netip.Prefix
	for _, ip := range append(slices.Concat(f.Targets, f.bindTo()), netip.IPv4Unspecified(), netip.IPv6Unspecified()) {
		out = append(out, netip.PrefixFrom(ip.WithZone(""), ip.BitLen()))
	}
	if f.Question.Operation == input.Bind && slices.ContainsFunc(f.Targets, loopback.IsLocalhost) {
		out = append(out, loopback.HomeRange, loopback.Home6Range) // where localhost may be meant
	}
	return out
}

// farEnds asks whether somebody listens at the far ends of the connections
// whose near end has the port.
func (f *Facts) farEnds() error {
	c, err := sockets.Open()
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }() // only asked
	for i := range f.Rows {
		r := &f.Rows[i]
		if r.Remote == nil || r.Local.Port != f.Question.Port || r.Protocol != loopback.TCP || !f.isLocal(r.Remote.IP) {
			continue
		}
		at := netip.AddrPortFrom(r.Remote.IP.WithZone(""), r.Remote.Port)
		if _, known := f.Listened[at]; known {
			continue
		}
		if len(f.Listened) >= maxPeers {
			return nil
		}
		s, ok, err := c.Lookup(loopback.TCP, at)
		if err != nil {
			return err
		}
		f.Listened[at] = ok && s.State == sockets.StateListen
	}
	return nil
}

// filterTargets are the addresses for which the firewall is asked.
func (f *Facts) filterTargets() []netip.Addr {
	if !f.Question.HasPort || f.Question.Port == 0 || f.Question.Operation == input.Bind {
		return nil
	}
	return f.connectTo()
}

// connection is what the firewall is asked about.
func (f *Facts) connection(ip netip.Addr) firewall.Connection {
	c := firewall.Connection{
		Protocol: unix.IPPROTO_TCP, Dst: ip, DstPort: f.Question.Port,
		UID: f.UID, GID: uint32(os.Getegid()), Local: f.isLocal(ip), LoIndex: 1,
	}
	if f.protocol() == loopback.UDP {
		c.Protocol = unix.IPPROTO_UDP
	}
	if k := f.Kernel; k.EphemeralLast > 0 {
		c.SrcPort = k.EphemeralFirst + (k.EphemeralLast-k.EphemeralFirst)/2
	}
	switch {
	case ip.Is4() && ip.IsLoopback():
		c.Src = ip4Loopback // lo's first address (inet_select_addr)
	case c.Local:
		c.Src = ip
	}
	return c
}

// localAddresses returns this machine's addresses and their interfaces.
func localAddresses() (map[netip.Addr]string, error) {
	out := make(map[netip.Addr]string)
	list, err := net.Interfaces()
	if err != nil {
		return sockets.Interfaces() // no netlink
	}
	for _, i := range list {
		addrs, err := i.Addrs()
		if err != nil {
			continue // gone meanwhile
		}
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok {
				if ip, ok := netip.AddrFromSlice(n.IP); ok {
					out[ip.Unmap()] = i.Name
				}
			}
		}
	}
	return out, nil
}

// lowPorts reports whether this process may bind every port: CAP_NET_BIND_SERVICE
// in the effective set (capabilities(7)).
func lowPorts() bool {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return os.Geteuid() == 0
	}
	return data[0].Effective&(1<<unix.CAP_NET_BIND_SERVICE) != 0
}

// processes reads more of those that hold the sockets.
func (f *Facts) processes() {
	for _, rows := range [][]sockets.Row{f.Serving, f.Rows, f.Elsewhere, f.There} {
		for i := range rows {
			r := &rows[i]
			list := r.Processes
			if r.Peer != nil {
				list = append(slices.Clip(list), r.Peer.Processes...)
			}
			for _, p := range list {
				if _, known := f.Processes[p.PID]; known || len(f.Processes) >= maxProcesses {
					continue
				}
				if facts, ok := readProcess(p.PID, p.Start); ok {
					f.Processes[p.PID] = facts
				}
			}
		}
	}
}

// joinNames writes names as a person lists them.
func joinNames(names []string) string {
	switch len(names) {
	case 0:
		return ""
	case 1:
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
