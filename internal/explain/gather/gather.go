package gather

import (
	"context"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/firewall"
	"lodge/internal/explain/input"
	"lodge/internal/sockets"
	"lodge/internal/sockets/holders"
	"lodge/internal/sockets/netif"
)

// Source is what [Gather] needs beside the kernel.
type Source struct {
	// Homes and Live are a running daemon's; both may be empty.
	Homes []sockets.Home
	Live  holders.Live
	// Projects are those that are up.
	Projects []facts.Project
	// Name returns what a name in lower case leads to by the daemon's word, or nil.
	Name func(host string) *facts.Name
	// Inside is the home in which this program runs, if it is in one.
	Inside netip.Addr
	// Tail returns the last lines that a service of the project at path said; nil
	// where nothing is known of them.
	Tail func(path, service string) []string
	// Hosts is the hosts file; "" is /etc/hosts.
	Hosts string
	// Warnings returns what the caller could not find out, one line each. It is asked
	// last and may be nil.
	Warnings func() []string
}

// Gather looks at this machine for what bears on the question. It makes no
// connection and binds nothing.
func Gather(ctx context.Context, in input.Question, src Source) (*facts.Facts, error) {
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
	if src.Warnings != nil {
		f.Unknown = append(f.Unknown, src.Warnings()...)
	}
	return f, nil
}

func gather(ctx context.Context, in input.Question, src Source) (*facts.Facts, error) {
	f := &facts.Facts{
		Question: in, Now: time.Now(), Projects: src.Projects, UID: uint32(os.Geteuid()), User: userName(uint32(os.Geteuid())),
		Listened: make(map[netip.AddrPort]bool), Processes: make(map[int]facts.Process), Filter: make(map[netip.Addr]firewall.Result),
		Routes: make(map[netip.Addr]facts.Route), Namespaces: make(map[netip.Addr]sockets.Namespace),
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
		if err := lookAtPath(ctx, f, src); err != nil {
			return nil, err
		}
		setApart(f)
		finish(f)
		return f, nil
	}
	findTargets(ctx, f, src)
	scope, err := netif.Scopes()
	if err != nil {
		return nil, err
	}
	if len(f.Targets) > 0 {
		f.Scope = scope(f.Targets[0])
	}
	lookAtRoutes(f)

	// The firewall and the sockets are asked at the same time.
	var wg sync.WaitGroup
	var filters []firewall.Result
	asked := filterTargets(f)
	wg.Go(func() {
		for _, ip := range asked {
			to := ip
			if inside := f.Home(ip); len(inside) > 0 {
				to = inside[0]
			}
			filters = append(filters, firewall.Ask(ctx, connection(f, to)))
		}
	})
	err = listSockets(ctx, f, src)
	if err == nil {
		err = listServing(ctx, f, src)
	}
	if err == nil {
		err = lookInNamespaces(ctx, f, src)
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
	setApart(f)
	findService(f, src.Tail)
	finish(f)
	return f, nil
}

// finish reads more of the processes that hold the sockets.
func finish(f *facts.Facts) {
	readProcesses(f)
	readDescriptors(f)
	findInherited(f)
	findGone(f)
	f.OtherPIDNamespace = !inFirstPIDNamespace()
}
