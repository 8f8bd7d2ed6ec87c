package helper

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"lodge/internal/hosts"
	"lodge/internal/procfs"
)

// Options is what a helper may do beside homes.
type Options struct {
	// HostsFile is the hosts file in which it keeps names, or "" for none:
	// changing the machine's is asked for by whoever installs the helper.
	HostsFile string
}

// The domains of the names that go into the hosts file, so that nobody's name
// is hidden: one for testing (RFC 6761, section 6.2), whose names lead to
// homes, and localhost itself (section 6.3), which some resolvers know only
// without anything in front of it.
const (
	homeDomain  = ".test"
	localDomain = ".localhost"
)

// maxHosts bounds the lines that one client may have.
const maxHosts = 4096

// isWebPort says whether a client may be given a listening socket on a port
// that is otherwise root's.
func isWebPort(p uint16) bool { return p == 80 || p == 443 }

// listenWeb opens listening sockets on localhost, IPv4 and IPv6. The files are
// in the order of the addresses, and the caller's to close.
func listenWeb(port uint16) (addrs []netip.AddrPort, files []*os.File, err error) {
	if !isWebPort(port) {
		return nil, nil, fmt.Errorf("listen on port %d: only 80 and 443 are given out", port)
	}
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
		return nil, nil, errors.Join(err, closeAll(files))
	}
	return addrs, files, nil
}

// setHosts replaces the client's names in the hosts file.
func (s *session) setHosts(entries []hosts.Entry) error {
	if s.options.HostsFile == "" {
		return errors.New("this helper keeps no names in a hosts file")
	}
	if len(entries) > maxHosts {
		return fmt.Errorf("%d lines for the hosts file, more than %d", len(entries), maxHosts)
	}
	for _, e := range entries {
		domain := localDomain
		if e.IP != netip.AddrFrom4([4]byte{127, 0, 0, 1}) {
			domain = homeDomain
			if err := checkHome(e.IP); err != nil {
				return err
			}
		}
		for _, n := range e.Names {
			if !strings.HasSuffix(n, domain) {
				return fmt.Errorf("name %q of %s: not below %s", n, e.IP, domain)
			}
		}
	}
	f := hosts.File{Path: s.options.HostsFile}
	if s.hostsOwner == "" {
		start, err := procfs.StartTime(os.Getpid())
		if err != nil {
			return err
		}
		var random [4]byte
		rand.Read(random[:]) // never fails (crypto/rand)
		s.hostsOwner = fmt.Sprintf("%d/%d:%d/%s", s.uid, os.Getpid(), start, hex.EncodeToString(random[:]))
		if err := f.Remove(isStale); err != nil {
			return err
		}
	}
	return f.Set(s.hostsOwner, entries)
}

// dropHosts takes the client's names away again.
func (s *session) dropHosts() error {
	if s.hostsOwner == "" {
		return nil
	}
	return hosts.File{Path: s.options.HostsFile}.Set(s.hostsOwner, nil)
}

// isStale says whether a block's helper was killed before it could remove it.
func isStale(owner string) bool {
	parts := strings.Split(owner, "/")
	if len(parts) != 3 {
		return false // not one of ours
	}
	p, st, ok := strings.Cut(parts[1], ":")
	pid, err := strconv.Atoi(p)
	start, serr := strconv.ParseUint(st, 10, 64)
	return ok && err == nil && serr == nil && !procfs.Alive(pid, start)
}

// RemoveHosts removes every name that any helper put into the hosts file. A
// file that is not there has none.
func RemoveHosts(path string) error {
	err := hosts.File{Path: path}.Remove(func(string) bool { return true })
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// ListenWeb gives listening TCP sockets on port 80 or 443 of 127.0.0.1 and,
// where the machine has IPv6, ::1. A port that somebody has is an error.
func (c *Client) ListenWeb(ctx context.Context, port uint16) ([]net.Listener, error) {
	op := fmt.Sprintf("listen on port %d", port)
	rep, files, err := c.call(ctx, op, request{Op: opListenWeb, Port: port})
	if err != nil {
		return nil, err
	}
	if len(files) == 0 || len(files) != len(rep.Listening) {
		return nil, errors.Join(fmt.Errorf("%s: the helper's answer has %d descriptors", op, len(files)), closeAll(files))
	}
	var out []net.Listener
	for _, f := range files {
		ln, lerr := net.FileListener(f)
		if lerr != nil {
			err = errors.Join(err, lerr)
			continue
		}
		out = append(out, ln)
	}
	if err = errors.Join(err, closeAll(files)); err != nil {
		for _, ln := range out {
			err = errors.Join(err, ln.Close())
		}
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	return out, nil
}

// SetHosts puts names below .test that lead to homes into the machine's hosts
// file, in place of those of before. They go when the client does.
func (c *Client) SetHosts(ctx context.Context, entries []hosts.Entry) error {
	_, files, err := c.call(ctx, "write hosts file", request{Op: opSetHosts, Hosts: entries})
	return errors.Join(err, closeAll(files))
}
