// Package doctor finds out what works on this machine, and why what does not.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"lodge/internal/daemon/engines"
	"lodge/internal/daemon/helperconn"
	"lodge/internal/helperapi"
	"lodge/internal/home/seccomphome/support"
	"lodge/internal/localapi"
	"lodge/internal/loopback"
	"lodge/internal/stall"
)

// Options is what is examined.
type Options struct {
	Version string
	// StateDir is the daemon's state directory, from which homes follow.
	StateDir string
	// Keeper is the path of the program that keepers run.
	Keeper string
	// HostsFile is the hosts file that a helper of root's daemon keeps, or "".
	HostsFile string
	Helper    *helperconn.Conn
	Engines   *engines.Engines
	Names     Names
	Web       Web
	// Warnings are those of the state file.
	Warnings []string
}

// Names reports what becomes of the names below .test.
type Names interface {
	Resolved() (bool, string)
	Warnings() []string
}

// Web reports at which ports names are served, 0 for none, and why not at 443 and 80.
type Web interface {
	Ports() (https, http uint16, reason string)
}

// Examine reports what works here, each with its reason.
func Examine(ctx context.Context, o Options) localapi.Doctor {
	out := localapi.Doctor{Version: o.Version, Warnings: o.Warnings}
	hello := o.Engines.Probe(ctx)
	engine, why, err := o.Engines.Choose(ctx, "")
	out.Engine, out.EngineReason = engine, why
	if err != nil {
		out.EngineReason = err.Error()
	}
	add := func(name, status, reason, hint string) {
		out.Capabilities = append(out.Capabilities, localapi.Capability{Name: name, Status: status, Reason: reason, Hint: hint})
	}
	yes := func(ok bool) string {
		if ok {
			return "yes"
		}
		return "no"
	}
	if err := engines.UsableHome(loopback.HomeFor(o.StateDir, 0)); err != nil {
		add("homes", "no", err.Error(), "the loopback interface must have 127.0.0.1/8: ip address show lo")
	} else {
		add("homes", "yes", "addresses in "+loopback.HomeRange.String()+" can be bound", "")
	}

	ok, reason := o.Engines.EBPF(ctx)
	connected, missing := o.Helper.State()
	hint := ""
	var stopped *stall.Error
	switch {
	case errors.As(missing, &stopped):
		hint = stopped.Hint()
	case !ok:
		hint = "sudo lodge setup, once; or go on with seccomp, which needs nothing"
	}
	add("engine ebpf", yes(ok), reason, hint)
	if connected {
		add("helper", "yes", "it answers", "")
		if hello == nil {
			hello = &helperapi.Hello{}
		}
		for _, f := range hello.Capabilities {
			add("ebpf: "+f.Name, f.Status, f.Reason, "")
		}
		if f := hello.LiveMap; f != nil {
			add(LiveMap, f.Status, f.Reason, "")
		} else {
			add(LiveMap, "unknown", "the helper does not say", "")
		}
	} else {
		why, hint := helperconn.Missing(missing, os.Geteuid() == 0)
		add("helper", "no", why, hint)
		add(LiveMap, "no", "it needs the helper: whose the sockets of other users are is unknown, and who closed one", hint)
	}
	if ok, reason = support.Check(); ok {
		reason = "the kernel hands bind, connect and listen to the keeper"
	}
	add("engine seccomp", yes(ok), reason, "")
	add("engine none", "yes", "an address and environment variables only", "")
	out.Capabilities = append(out.Capabilities, socketCapabilities()...)

	add("ipv6 loopback", yes(bindable6(netip.IPv6Loopback())), "::1 on lo", "")
	nnp, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	switch {
	case err != nil:
		add("set-user-id programs inside", "unknown", err.Error(), "")
	case nnp == 1:
		add("set-user-id programs inside", "no", "no_new_privs is set already, by what started lodge", "start lodge outside of that sandbox for sudo to work inside")
	case engine == loopback.Seccomp:
		add("set-user-id programs inside", "no", "the seccomp engine needs no_new_privs: sudo and the like do not work inside", "use the ebpf engine for that")
	default:
		add("set-user-id programs inside", "yes", "no_new_privs is not set", "")
	}
	add("ports below 1024 inside", yes(engine == loopback.EBPF || os.Geteuid() == 0), lowPorts(engine), "")
	out.Capabilities = append(out.Capabilities, o.nameCapabilities()...)
	return out
}

// LiveMap is what doctor calls the map of sockets to processes.
const LiveMap = "live socket map"

func lowPorts(e loopback.Engine) string {
	if e == loopback.EBPF {
		return "any program inside may bind them"
	}
	if os.Geteuid() == 0 {
		return "this is root"
	}
	return fmt.Sprintf("engine %s cannot give that right", e)
}

func bindable6(ip netip.Addr) bool {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return unix.Bind(fd, &unix.SockaddrInet6{Addr: ip.As16()}) == nil
}
