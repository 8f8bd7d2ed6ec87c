package helper

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"lodge/internal/helperapi"
)

// Options is what a helper may do beside homes.
type Options struct {
	// HostsFile is the hosts file in which it keeps names, or "" for none:
	// changing the machine's is asked for by the user who installs the helper.
	HostsFile string
	// WebUser is the only user who gets ports 80 and 443, or 0: the first who
	// asks.
	WebUser uint32
	// Canary is the command that calls [canary.Sing] in the program that runs, before
	// anything is probed; nil: lodge-helper's own.
	Canary []string
}

// listenLocal opens listening sockets on localhost, IPv4 and IPv6. The descriptors
// are in the order of the addresses.
func listenLocal(port uint16) (addrs []netip.AddrPort, g *helperapi.Grant, err error) {
	g = &helperapi.Grant{}
	for _, ip := range []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()} {
		addr := netip.AddrPortFrom(ip, port)
		var ln net.Listener
		ln, err = net.Listen("tcp", addr.String())
		if err != nil {
			if ip.Is6() && !errors.Is(err, unix.EADDRINUSE) {
				err = nil // a machine without IPv6
			}
			break
		}
		var f *os.File
		f, err = ln.(*net.TCPListener).File()
		if err = errors.Join(err, ln.Close()); err != nil {
			break
		}
		addrs = append(addrs, addr)
		g.Add(helperapi.FileListener, f)
	}
	if err != nil {
		return nil, nil, errors.Join(err, g.Close())
	}
	return addrs, g, nil
}

func (o *Options) setWebUser(text string) error {
	n, err := strconv.ParseUint(text, 10, 32)
	o.WebUser = uint32(n)
	return err
}
