package netif

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
	"lodge/internal/sockets/diag"
)

// Interfaces returns the addresses of this network namespace's interfaces, with
// the interface of each. It needs no netlink.
func Interfaces() (map[netip.Addr]string, error) {
	out := make(map[netip.Addr]string)
	if err := addresses4(func(ip netip.Addr, name string) { out[ip] = name }); err != nil {
		return nil, fmt.Errorf("read interfaces: %w", err)
	}
	err := addresses6(func(ip netip.Addr, _ int, name string) { out[ip] = name })
	if err != nil {
		return nil, fmt.Errorf("read interfaces: %w", err)
	}
	return out, nil
}

// readWithoutNetlink is Read where a sandbox allows no netlink socket.
func readWithoutNetlink() (Addresses, error) {
	s := Addresses{local: make(map[netip.Addr]bool), names: make(map[int]string)}
	err := addresses4(func(ip netip.Addr, name string) { s.local[ip] = loopback.IsContainerBridge(name) })
	if err != nil {
		return Addresses{}, fmt.Errorf("read addresses: %w", err)
	}
	err = addresses6(func(ip netip.Addr, index int, name string) {
		s.local[ip.Unmap()] = loopback.IsContainerBridge(name)
		s.names[index] = name
	})
	if err != nil {
		return Addresses{}, fmt.Errorf("read addresses: %w", err)
	}
	return s, nil
}

// ifreq is a struct ifreq with an IPv4 address (netdevice(7)).
type ifreq struct {
	name   [unix.IFNAMSIZ]byte
	family uint16
	_      uint16 // port
	ip     [4]byte
	_      [16]byte
}

// ifconf is a struct ifconf.
type ifconf struct {
	length int32
	buf    *ifreq
}

// interfacesMost bounds how many IPv4 addresses are read.
const interfacesMost = 1 << 14

// addresses4 returns each IPv4 address and its interface (SIOCGIFCONF).
func addresses4(add func(ip netip.Addr, name string)) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer func() { _ = unix.Close(fd) }() // only asked
	for room := 64; ; room *= 4 {
		list := make([]ifreq, room)
		c := ifconf{length: int32(room) * int32(unsafe.Sizeof(ifreq{})), buf: &list[0]}
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCGIFCONF, uintptr(unsafe.Pointer(&c))); errno != 0 {
			return os.NewSyscallError("ioctl SIOCGIFCONF", errno)
		}
		n := int(c.length) / int(unsafe.Sizeof(ifreq{}))
		// What does not fit is left out without a word.
		if n >= room && room < interfacesMost {
			continue
		}
		for _, r := range list[:min(max(n, 0), room)] {
			if r.family != unix.AF_INET {
				continue
			}
			// An alias has a label of its own, such as eth0:1.
			name, _, _ := strings.Cut(unix.ByteSliceToString(r.name[:]), ":")
			add(netip.AddrFrom4(r.ip), name)
		}
		return nil
	}
}

// addresses6 returns each IPv6 address, and its interface's number and name.
func addresses6(add func(ip netip.Addr, index int, name string)) error {
	b, err := os.ReadFile("/proc/thread-self/net/if_inet6")
	if errors.Is(err, os.ErrNotExist) {
		return nil // no IPv6
	}
	if err != nil {
		return err
	}
	for line := range bytes.Lines(b) {
		ip, index, name, err := parseIfInet6(line)
		if err != nil {
			return err
		}
		add(ip, index, name)
	}
	return nil
}

// parseIfInet6 reads a line of /proc/net/if_inet6: the address, and in
// hexadecimal the interface's number, the prefix's length, scope and flags, then
// the interface's name (net/ipv6/addrconf.c, if6_seq_show).
func parseIfInet6(line []byte) (ip netip.Addr, index int, name string, err error) {
	f := bytes.Fields(line)
	if len(f) != 6 {
		return ip, 0, "", diag.ErrProcLine
	}
	raw, err := hex.DecodeString(string(f[0]))
	if err != nil || len(raw) != 16 {
		return ip, 0, "", diag.ErrProcLine
	}
	n, err := strconv.ParseUint(string(f[1]), 16, 31)
	if err != nil {
		return ip, 0, "", diag.ErrProcLine
	}
	return netip.AddrFrom16([16]byte(raw)), int(n), string(f[5]), nil
}
