package diag

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
)

// sock_diag can be missing: for one protocol, where the kernel has no module
// for it and cannot load one, or altogether, where a sandbox allows no netlink
// socket. /proc/net has the same sockets, with less about each.

// table is one of the kernel's tables of sockets. Each has its own module.
type table uint8

const (
	tableTCP table = iota
	tableUDP
	tableUDPLite
	tableUnix
	tableCount
)

// name is that of its file in /proc/net.
func (t table) name() string { return [tableCount]string{"tcp", "udp", "udplite", "unix"}[t] }

// module is the name of its kernel module.
func (t table) module() string {
	return [tableCount]string{"tcp_diag", "udp_diag", "udp_diag", "unix_diag"}[t]
}

func (t table) number() byte {
	return [tableCount]byte{unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_UDPLITE, 0}[t]
}

func tableOf(protocol byte) table {
	switch protocol {
	case unix.IPPROTO_UDP:
		return tableUDP
	case unix.IPPROTO_UDPLITE:
		return tableUDPLite
	}
	return tableTCP
}

// diagEvery is how often sock_diag is asked again for a table that it did not
// tell: each time the kernel starts modprobe.
const diagEvery = time.Minute

// diagState is what is known of sock_diag and one table.
type diagState struct {
	told    bool  // it has answered
	missing error // why it does not answer, or nil
	next    time.Time
}

// ErrNoModule says that the kernel has no handler for a table.
var ErrNoModule = errors.New("no kernel module")

func noModule(t table) error {
	return fmt.Errorf("%w %s, and none can be loaded", ErrNoModule, t.module())
}

// Refuses reports whether an error can mean that there is no sock_diag for a
// table: the kernel answers ENOENT where the handler of a protocol is missing
// (net/ipv4/inet_diag.c, net/core/sock_diag.c) and EOPNOTSUPP to the older form
// of the question where inet_diag is; sandboxes and other kernels answer the
// rest.
func Refuses(err error) bool {
	for _, e := range [...]unix.Errno{
		unix.ENOENT, unix.EOPNOTSUPP, unix.EPROTONOSUPPORT, unix.EAFNOSUPPORT, unix.EINVAL,
		unix.EPERM, unix.EACCES, unix.ENOSYS, unix.ESOCKTNOSUPPORT, unix.ECONNREFUSED,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// missing reports whether a table is read from /proc/net. c.mu is held.
func (c *Conn) missing(t table) bool {
	if c.fd < 0 {
		return true
	}
	s := &c.diag[t]
	if s.missing == nil {
		return false
	}
	if time.Now().Before(s.next) {
		return true
	}
	return c.probe(t) // the module may be there now
}

// doubt settles whether an error means that sock_diag does not tell a table, so
// that /proc/net must be read. The kernel's answer to a question for one socket
// is ENOENT too where there is none. c.mu is held.
func (c *Conn) doubt(t table, err error) bool {
	return Refuses(err) && c.probe(t)
}

// probe asks sock_diag for a table's sockets in no state at all, which costs
// little, and reports whether it is missing. c.mu is held.
func (c *Conn) probe(t table) bool {
	request := Question{Family: unix.AF_INET, Protocol: t.number()}.bytes()
	if t == tableUnix {
		request = unixQuestion(0)
	}
	s := &c.diag[t]
	_, err := c.streamLocked(context.Background(), request, func([]byte) error { return nil })
	switch {
	case err == nil:
		*s = diagState{told: true}
		return false
	case !Refuses(err):
		return s.missing != nil
	case errors.Is(err, unix.ENOENT):
		err = noModule(t)
	}
	s.missing, s.next = err, time.Now().Add(diagEvery)
	return true
}

// Support remembers for a while for which tables sock_diag answers. The zero
// value knows nothing. It is for one goroutine at a time.
type Support struct{ known [tableCount]diagState }

// Settle finds out which of the tables of TCP, UDP and Unix sockets are read from
// /proc/net, and reports whether one is. What is known before and after is kept
// in known, unless it is nil.
func (c *Conn) Settle(known *Support) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known != nil {
		c.diag = known.known
	}
	missing := false
	for _, t := range []table{tableTCP, tableUDP, tableUnix} {
		if c.missing(t) || !c.diag[t].told && c.probe(t) {
			missing = true
		}
	}
	if known != nil {
		known.known = c.diag
	}
	return missing
}

// Recall takes over what is known of sock_diag.
func (c *Conn) Recall(known *Support) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.diag = known.known
}

// Learn adds to known what the Conn has found out by the dumps that it made.
func (c *Conn) Learn(known *Support) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for t, s := range c.diag {
		if s.told || s.missing != nil {
			known.known[t] = s
		}
	}
}

// tableOfRecord returns the table that a record's protocol is in.
func tableOfRecord(proto uint8) table {
	return [...]table{ProtoTCP: tableTCP, ProtoUDP: tableUDP, ProtoUnix: tableUnix}[proto]
}

// Why returns why the sockets of a record's protocol are read from /proc/net, or
// nil where they are not.
func (c *Conn) Why(proto uint8) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd < 0 {
		return c.refused
	}
	return c.diag[tableOfRecord(proto)].missing
}

// Source is where the sockets of a protocol are read from.
type Source struct {
	// Protocol is tcp, udp or unix.
	Protocol loopback.Protocol
	// Module is the kernel module that tells them by sock_diag.
	Module string
	// Missing is why sock_diag does not, so that File is read instead; nil
	// where it does.
	Missing error
	File    string
	// Unreadable is why File cannot be read either.
	Unreadable error
}

// Sources asks the kernel from where the sockets of each protocol can be read.
func Sources() ([]Source, error) {
	c, err := Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }() // only asked
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []Source
	for _, t := range []table{tableTCP, tableUDP, tableUnix} {
		s := Source{Protocol: loopback.Protocol(t.name()), Module: t.module(), File: "/proc/net/" + t.name()}
		switch {
		case c.fd < 0:
			s.Missing = c.refused
		case c.probe(t):
			s.Missing = c.diag[t].missing
		}
		if s.Missing != nil {
			_, s.Unreadable = c.proc.open(t, false)
		}
		out = append(out, s)
	}
	return out, nil
}

// Lost reports what File does not tell of the protocol's sockets.
func (s Source) Lost() string {
	switch s.Protocol {
	case "unix":
		return "peers, users, queues"
	case loopback.UDP:
		return "cookies, cgroups, IPV6_V6ONLY"
	}
	return "cookies, cgroups, IPV6_V6ONLY, the limits of queues, traffic (tcp_info), ports that are bound only"
}

// Hint returns what makes sock_diag tell them, or "".
func (s Source) Hint() string {
	switch {
	case s.Missing == nil:
		return ""
	case errors.Is(s.Missing, ErrNoModule):
		config := "CONFIG_INET_DIAG"
		switch s.Protocol {
		case loopback.UDP:
			config = "CONFIG_INET_UDP_DIAG"
		case "unix":
			config = "CONFIG_UNIX_DIAG"
		}
		return fmt.Sprintf("sudo modprobe %s; or a kernel with %s", s.Module, config)
	}
	return "let the sandbox allow AF_NETLINK (RestrictAddressFamilies= of systemd, a container's seccomp profile); or a kernel with CONFIG_INET_DIAG and CONFIG_UNIX_DIAG"
}

// openDiag opens a netlink socket for sock_diag.
func openDiag() (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return -1, err
	}
	// An answer is there when the question returns. The limit only keeps a
	// lost answer from stopping the caller for ever.
	limit := unix.Timeval{Sec: 5}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		_ = unix.Close(fd) // the first error is the one to tell
		return -1, err
	}
	return fd, nil
}

// OpenProcNet opens the files of /proc/net, so that they are of the calling
// thread's network namespace.
func (c *Conn) OpenProcNet() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.proc.openAll()
}
