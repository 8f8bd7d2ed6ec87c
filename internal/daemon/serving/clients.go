package serving

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"lodge/internal/loopback"
	"lodge/internal/procfs"
	"lodge/internal/sockets/diag"
	"lodge/internal/sockets/holders"
)

// maxRecentClients is how many processes are tried before all are.
const maxRecentClients = 64

// clients finds the processes at the other end of connections to the proxy. All
// of them come from 127.0.0.1, so only the process tells one from another.
type clients struct {
	mu     sync.Mutex // guards what follows, and lets one search go on at a time
	conn   *diag.Conn
	recent []int // processes that were found, the last one first
}

// of names the process that has the client's end of a connection: its id and
// its start. Where that is not to be seen (another user's, in another pid
// namespace) it names the user. False: the connection is gone, or the kernel
// does not tell.
func (c *clients) of(client, server netip.AddrPort) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		conn, err := diag.Open()
		if err != nil {
			return "", false
		}
		c.conn = conn
	}
	at := unmapped(client)
	s, found, err := c.conn.LookupPair(loopback.TCP, at, unmapped(server))
	if err != nil || !found || s.Inode == 0 || unmapped(s.Src) != at {
		return "", false
	}
	if pid := c.holder(s.Inode); pid != 0 {
		if start, err := procfs.StartTime(pid); err == nil {
			return fmt.Sprintf("process %d, %d", pid, start), true
		}
	}
	return fmt.Sprintf("user %d", s.UID), true
}

// holder returns the process that has the socket open, or 0. c.mu is held.
func (c *clients) holder(inode uint32) int {
	for i, pid := range c.recent {
		if holds(pid, inode) {
			c.recent = slices.Insert(slices.Delete(c.recent, i, i+1), 0, pid)
			return pid
		}
	}
	pids, err := procfs.Pids()
	if err != nil {
		return 0
	}
	slices.Reverse(pids) // a young process rather than an old one
	for _, pid := range pids {
		if !holds(pid, inode) {
			continue
		}
		c.recent = slices.Insert(c.recent, 0, pid)
		c.recent = c.recent[:min(len(c.recent), maxRecentClients)]
		return pid
	}
	return 0
}

// holds reports whether a process has a socket open. One that cannot be looked
// at has none.
func holds(pid int, inode uint32) bool {
	open, err := holders.ProcessSockets(pid)
	if err != nil {
		return false
	}
	_, has := open[inode]
	return has
}

func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

func (c *clients) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		return nil
	}
	err := c.conn.Close()
	c.conn = nil
	return err
}
