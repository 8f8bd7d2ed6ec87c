package helper

import (
	"errors"
	"fmt"
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
	// changing the machine's is asked for by whoever installs the helper.
	HostsFile string
	// WebUser is the only user who gets ports 80 and 443, or 0: the first who
	// asks.
	WebUser uint32
}

// isWebPort reports whether a client may be given a listening socket on a port
// that is otherwise root's.
func isWebPort(p uint16) bool { return p == 80 || p == 443 }

// listenWeb opens a web port for this client, if it is this user's: see
// docs/reference/names.md. The user keeps it until the last session that asked has ended.
func (s *session) listenWeb(port uint16) ([]netip.AddrPort, []*os.File, error) {
	if !isWebPort(port) {
		return nil, nil, fmt.Errorf("listen on port %d: only 80 and 443 are given out", port)
	}
	if w := s.options.WebUser; w != 0 && s.uid != w {
		return nil, nil, &notYoursError{fmt.Sprintf("port %d", port), w}
	}
	key := fmt.Sprintf("port %d", port)
	if err := s.claim(key); err != nil {
		return nil, nil, err
	}
	addrs, files, err := listenLocal(port)
	if err != nil {
		s.unclaim(key)
	}
	return addrs, files, err
}

// listenLocal opens listening sockets on localhost, IPv4 and IPv6. The files are
// in the order of the addresses, and the caller's to close.
func listenLocal(port uint16) (addrs []netip.AddrPort, files []*os.File, err error) {
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
		addrs, files = append(addrs, addr), append(files, f)
	}
	if err != nil {
		return nil, nil, errors.Join(err, helperapi.CloseFiles(files))
	}
	return addrs, files, nil
}

func (o *Options) setWebUser(text string) error {
	n, err := strconv.ParseUint(text, 10, 32)
	o.WebUser = uint32(n)
	return err
}
