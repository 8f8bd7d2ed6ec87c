package engines

import (
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
	"lodge/internal/sockets/diag"
)

// UsableHome reports whether an address can be a home: it can be bound, and
// no socket listens on it.
func UsableHome(ip netip.Addr) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: ip.As4()}); err != nil {
		return os.NewSyscallError("bind "+ip.String(), err)
	}
	const listening = 1 << 10 // TCP_LISTEN, include/net/tcp_states.h
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		socks, err := diag.Dump(loopback.TCP, family, listening)
		if err != nil {
			return nil
		}
		for _, s := range socks {
			if s.Src.Addr().Unmap() == ip {
				return fmt.Errorf("somebody listens on %s", s.Src)
			}
		}
	}
	return nil
}
