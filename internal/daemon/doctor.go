package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"lodge/internal/helperapi"
	"lodge/internal/home/seccomphome/support"
	"lodge/internal/localapi"
	"lodge/internal/loopback"
	"lodge/internal/stall"
)

// examiner finds out what works here.
type examiner struct{ webServer }

// doctor reports what works here, each with its reason.
func (d *examiner) doctor(ctx context.Context) localapi.Doctor {
	out := localapi.Doctor{Version: d.cfg.Version}
	e := d.engines
	hello := e.probe(ctx)
	engine, why, err := e.choose(ctx, "")
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
	if err := usableHome(loopback.HomeFor(d.cfg.Dirs.State, 0)); err != nil {
		add("homes", "no", err.Error(), "the loopback interface must have 127.0.0.1/8: ip address show lo")
	} else {
		add("homes", "yes", "addresses in "+loopback.HomeRange.String()+" can be bound", "")
	}

	ok, reason := e.ebpf(ctx)
	connected, missing := e.state()
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
			add(liveMapName, f.Status, f.Reason, "")
		} else {
			add(liveMapName, "unknown", "the helper does not say", "")
		}
	} else {
		why, hint := noHelper(missing, os.Geteuid() == 0)
		add("helper", "no", why, hint)
		add(liveMapName, "no", "it needs the helper: whose the sockets of other users are is unknown, and who closed one", hint)
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
	out.Capabilities = append(out.Capabilities, d.nameCapabilities()...)
	_, out.Warnings = d.store.list()
	return out
}

// liveMapName is what doctor calls the map of sockets to processes.
const liveMapName = "live socket map"

// noHelper reports why there is no helper, and what to do.
func noHelper(err error, root bool) (reason, hint string) {
	var why *stall.Error
	var version *helperapi.VersionError
	switch {
	case errors.As(err, &why):
		return err.Error(), why.Hint()
	case errors.As(err, &version) && !root:
		return err.Error(), version.Hint()
	case root:
		return fmt.Sprintf("it cannot be started: %v", err), ""
	case err == nil, errors.Is(err, os.ErrNotExist):
		return "not installed: it would listen on " + helperapi.SystemSocket, "sudo lodge setup"
	case localapi.NotRunning(err):
		return "nothing listens on " + helperapi.SystemSocket, "sudo lodge setup"
	}
	return err.Error(), ""
}

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
