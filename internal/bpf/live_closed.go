package bpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"lodge/internal/owners"
)

const (
	// maxClosed is MAX_CLOSED in src/closed.h.
	maxClosed = 65536
	// keepClosed is how long who closed a connection is told. The kernel shows
	// TIME_WAIT for one minute (TCP_TIMEWAIT_LEN) and a connection whose peer
	// does not answer for some minutes (tcp_orphan_retries, tcp(7)).
	keepClosed = 10 * time.Minute
	// timeWait is TCP_TIMEWAIT_LEN (include/net/tcp.h).
	timeWait = time.Minute
	batch    = 4096
)

// addClosed adds who closed what, and what was lost.
func (l *Live) addClosed(t *owners.Table) error {
	keys, values := make([]liveEnds, batch), make([]liveClosed, batch)
	places := map[[2]uint64]uint32{} // of each process in the table
	var old []liveEnds
	present, oldest := uint64(0), t.Boot
	var cursor ebpf.MapBatchCursor
	for more := true; more; {
		n, err := l.objects.ClosedBy.BatchLookup(&cursor, keys, values, nil)
		if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return err
		}
		more = err == nil
		for i := range n {
			key, value := &keys[i], &values[i]
			present++
			oldest = min(oldest, value.At)
			if value.At+uint64(keepClosed) < t.Boot {
				old = append(old, *key)
				continue
			}
			if value.By.Pid == 0 {
				continue // outside this pid namespace
			}
			who := [2]uint64{uint64(value.By.Pid), value.By.Start}
			place, ok := places[who]
			if !ok {
				place = uint32(len(t.Processes))
				places[who] = place
				t.Processes = append(t.Processes, l.closer(value))
			}
			t.Closed = append(t.Closed, parseEnds(key, value.At, place))
		}
	}
	for i := range old {
		err := l.objects.ClosedBy.Delete(&old[i])
		if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return err
		}
		if err == nil {
			l.expired++
			present--
		}
	}
	return l.addLosses(t, present, oldest)
}

// closer returns the process that closed a connection, with its command line if
// that is known.
func (l *Live) closer(c *liveClosed) owners.Process {
	by := &c.By
	p := owners.Process{PID: by.Pid, Parent: by.Parent, UID: by.Uid, Start: by.Start, Name: text(by.Name[:])}
	var command liveCommand
	if err := l.objects.Commands.Lookup(by.Pid, &command); err != nil || command.Start != by.Start {
		return p // forgotten, or never seen
	}
	n := min(int(command.Len), len(command.Text))
	p.Cut = n < int(command.Len)
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(command.Text[i])
	}
	p.Command = string(b)
	return p
}

// text is a name of the kernel's, up to its first zero.
func text(s []int8) string {
	b := make([]byte, len(s))
	for i := range s {
		b[i] = byte(s[i])
	}
	return unix.ByteSliceToString(b)
}

// parseEnds reads a struct ends (src/closed.h).
func parseEnds(e *liveEnds, at uint64, process uint32) owners.Closed {
	return owners.Closed{
		Namespace: e.Netns, Process: process, At: at,
		Local:  parseEnd(e.Family, e.Local, e.Lport),
		Remote: parseEnd(e.Family, e.Remote, e.Rport),
	}
}

// parseEnd reads words and a port that are as on the wire.
func parseEnd(family uint16, words [4]uint32, port uint16) netip.AddrPort {
	var b [16]byte
	for i, w := range words {
		binary.NativeEndian.PutUint32(b[4*i:], w)
	}
	var p [2]byte
	binary.NativeEndian.PutUint16(p[:], port)
	ip := netip.AddrFrom16(b).Unmap()
	if family == unix.AF_INET {
		ip = netip.AddrFrom4([4]byte(b[:4]))
	}
	return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(p[:]))
}

// counters are enum counter in src/closed.h.
type counters struct{ OpenedLost, ClosedLost, ClosedPut, ClosedDropped uint64 }

// addLosses warns of what the maps had no room for. present entries are in
// closed_by, the oldest of them since oldest.
func (l *Live) addLosses(t *owners.Table, present, oldest uint64) error {
	var c counters
	if err := l.objects.Counters.Get(&c); err != nil {
		return fmt.Errorf("read counters: %w", err)
	}
	if c.OpenedLost > 0 {
		t.Warnings = append(t.Warnings, fmt.Sprintf("when %d connections were opened is not known: there were too many at once", c.OpenedLost))
	}
	if c.ClosedLost > 0 {
		t.Warnings = append(t.Warnings, fmt.Sprintf("who closed %d connections is not known: they could not be noted", c.ClosedLost))
	}
	// The map forgets what was used least to make room.
	gone := int64(c.ClosedPut - c.ClosedDropped - l.expired - present)
	age := time.Duration(t.Boot - oldest)
	if gone > 0 && present > maxClosed/2 && age < timeWait {
		t.Warnings = append(t.Warnings, fmt.Sprintf("who closed a connection more than about %d seconds ago may not be known: there were too many", int(age.Seconds())))
	}
	return nil
}
