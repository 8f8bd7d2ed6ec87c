package localapi

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"lodge/internal/loopback"
	"lodge/internal/owners"
	"lodge/internal/procfs"
	"lodge/internal/sockets/holders"
	"lodge/internal/unixhttp"
)

// maxOwners bounds the table of owners, in bytes: ten million sockets fill a
// fifth of it.
const maxOwners = 512 << 20

// ticks is USER_HZ, the clock ticks of /proc a second.
const ticks = 100

func readAll(resp *unixhttp.Response) ([]byte, error) {
	if resp.ContentLength > maxOwners {
		return nil, fmt.Errorf("%d bytes are too many", resp.ContentLength)
	}
	if resp.ContentLength >= 0 {
		b := make([]byte, resp.ContentLength)
		_, err := io.ReadFull(resp.Body, b)
		return b, err
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxOwners+1))
	if err == nil && len(b) > maxOwners {
		err = errors.New("it does not end")
	}
	return b, err
}

// fromTable says it in the words of package sockets. boot is when
// CLOCK_BOOTTIME was zero.
func fromTable(t *owners.Table, closed owners.ClosedBytes, boot time.Time) *holders.Owners {
	all := make([]holders.Process, len(t.Processes))
	processes := make([]*holders.Process, len(t.Processes))
	started := make([]time.Time, len(t.Processes))
	for i := range t.Processes {
		p := &t.Processes[i]
		started[i] = boot.Add(time.Duration(p.Start) * (time.Second / ticks)).Round(time.Second / ticks)
		all[i] = holders.Process{
			PID: int(p.PID), Start: p.Start, Name: p.Name, UID: p.UID, ParentPID: int(p.Parent), StartedAt: &started[i],
		}
		processes[i] = &all[i]
	}
	base := boot.UnixNano()
	holdings := make([]holders.Holding, len(t.Holdings))
	held := make([]bool, len(t.Processes))
	for i, h := range t.Holdings {
		holdings[i] = holders.Holding{Inode: h.Inode, Process: h.Process}
		if h.Opened != 0 {
			holdings[i].Opened = base + int64(h.Opened)
		}
		held[h.Process] = true
	}
	for i := range held {
		if held[i] {
			all[i].Command = commandOf(&t.Processes[i])
		}
	}
	out := holders.NewOwners(processes, holdings)
	out.Unreadable, out.Warnings = int(t.Hidden), t.Warnings
	if len(closed) > 0 {
		out.Closed = func() map[holders.Ends]holders.LastOwner { return closedOf(t, closed.List(), boot, processes, held) }
	}
	return out
}

// commandOf returns the command line of a process, where the table has it.
func commandOf(p *owners.Process) string {
	if p.Command == "" && !p.Cut {
		return ""
	}
	text := procfs.CommandLine([]byte(p.Command))
	if p.Cut {
		text += " …"
	}
	return text
}

// closedOf returns the last owners of connections. held says of each process whether it
// has a socket now: the others are made here, with their command lines.
func closedOf(t *owners.Table, closed []owners.Closed, boot time.Time, processes []*holders.Process, held []bool) map[holders.Ends]holders.LastOwner {
	last := slices.Clone(processes)
	made := slices.Clone(held)
	out := make(map[holders.Ends]holders.LastOwner, len(closed))
	for _, c := range closed {
		if !made[c.Process] {
			p := *processes[c.Process]
			p.Command = commandOf(&t.Processes[c.Process])
			last[c.Process], made[c.Process] = &p, true
		}
		ends := holders.Ends{Protocol: loopback.TCP, Namespace: c.Namespace, Local: c.Local, Remote: c.Remote}
		at := boot.Add(time.Duration(c.At))
		// Of several, as after a port was used again, the last counts.
		if old, ok := out[ends]; !ok || at.After(old.At) {
			out[ends] = holders.LastOwner{Process: last[c.Process], At: at}
		}
	}
	return out
}
