package ebpfhome

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"lodge/internal/bpf"
	"lodge/internal/loopback"
	"lodge/internal/sockets/diag"
)

// Endpoints asks the kernel for its sockets (sock_diag(7)) and takes those on
// the home's addresses, and the listeners that a process inside never bound.
// An IPv6 socket that serves IPv4 is listed under the IPv4 address. UDP
// sockets that are connected, or on no address, are clients and not listed.
func (in *inside) Endpoints() ([]loopback.Endpoint, error) {
	// Many services may be exchanged at once: one reading is enough for all.
	eps, err := in.sockets.Do(in.readEndpoints)
	return slices.Clone(eps), err
}

func (in *inside) readEndpoints() ([]loopback.Endpoint, error) {
	services, err := in.services()
	if err != nil {
		return nil, fmt.Errorf("list endpoints of home %s: %w", in.spec.IP4, err)
	}
	whose := attribution{in: in, services: services}
	var out []loopback.Endpoint
	seen := map[loopback.Endpoint]bool{}
	for _, q := range []struct {
		proto  loopback.Protocol
		family int
		states uint32
	}{
		{loopback.TCP, unix.AF_INET, diag.Listening},
		{loopback.TCP, unix.AF_INET6, diag.Listening},
		{loopback.UDP, unix.AF_INET, 1 << diag.StateClose},
		{loopback.UDP, unix.AF_INET6, 1 << diag.StateClose},
	} {
		list, err := in.conn.Dump(q.proto, q.family, q.states)
		if err != nil {
			return nil, fmt.Errorf("list endpoints of home %s: %w", in.spec.IP4, err)
		}
		for _, s := range list {
			e, ok, err := in.endpoint(q.proto, s, &whose)
			if err != nil {
				return nil, fmt.Errorf("list endpoints of home %s: %w", in.spec.IP4, err)
			}
			key := e
			key.Inode, key.Owner = 0, loopback.Owner{} // several sockets with SO_REUSEPORT are one endpoint
			if ok && !seen[key] {
				seen[key] = true
				out = append(out, e)
			}
		}
	}
	return out, nil
}

func (in *inside) endpoint(proto loopback.Protocol, s diag.Socket, whose *attribution) (loopback.Endpoint, bool, error) {
	e := loopback.Endpoint{Protocol: proto, IP: s.Src.Addr().Unmap(), Port: s.Src.Port(), Inode: s.Inode, Owner: loopback.OwnedBy(s.UID)}
	isUnbound := proto == loopback.TCP && e.IP.IsUnspecified()
	if !in.isHome(e.IP) && !isUnbound {
		return loopback.Endpoint{}, false, nil
	}
	service, isInside, err := whose.of(&s)
	switch {
	case err != nil:
		return loopback.Endpoint{}, false, err
	case !isUnbound:
	case isInside:
		// On the device lo it is reached by the home's address as well.
		e.IP = in.spec.IP4
		if s.V6Only {
			e.IP = in.spec.IP6
		}
	default:
		return loopback.Endpoint{}, false, nil
	}
	e.Service = service
	if in.holds(e.Inode) {
		return loopback.Endpoint{}, false, nil // kept open for the next process of a service
	}
	return e, true, nil
}

// services maps the id of every cgroup inside to its service.
func (in *inside) services() (map[uint64]string, error) {
	top, err := in.existing("")
	if err != nil {
		return nil, err
	}
	names, err := children(top)
	if err != nil {
		return nil, errors.Join(err, top.Close())
	}
	out := map[uint64]string{}
	for _, name := range names {
		service, ok := serviceName(name)
		if !ok {
			continue
		}
		dir, err := openDir(top, name)
		if isGone(err) {
			continue
		}
		if err != nil {
			return nil, errors.Join(err, top.Close())
		}
		err = walk(dir, maxDepth, func(d *os.File) error {
			id, err := bpf.CgroupID(d)
			if err == nil {
				out[id] = service
			}
			if isGone(err) {
				err = nil
			}
			return err
		})
		if err = errors.Join(err, dir.Close()); err != nil {
			return nil, errors.Join(err, top.Close())
		}
	}
	return out, top.Close()
}
