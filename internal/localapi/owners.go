package localapi

import (
	"errors"
	"fmt"
	"io"
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
func fromTable(t *owners.Table, boot time.Time) *holders.Owners {
	all := make([]holders.Process, len(t.Processes))
	processes := make([]*holders.Process, len(t.Processes))
	for i := range t.Processes {
		p := &t.Processes[i]
		started := boot.Add(time.Duration(p.Start) * (time.Second / ticks)).Round(time.Second / ticks)
		all[i] = holders.Process{
			PID: int(p.PID), Start: p.Start, Name: p.Name, UID: p.UID, ParentPID: int(p.Parent), StartedAt: &started,
			Command: procfs.CommandLine([]byte(p.Command)),
		}
		if p.Cut {
			all[i].Command += " …"
		}
		processes[i] = &all[i]
	}
	base := boot.UnixNano()
	holdings := make([]holders.Holding, len(t.Holdings))
	for i, h := range t.Holdings {
		holdings[i] = holders.Holding{Inode: h.Inode, Process: h.Process}
		if h.Opened != 0 {
			holdings[i].Opened = base + int64(h.Opened)
		}
	}
	out := holders.NewOwners(processes, holdings)
	out.Unreadable, out.Warnings = int(t.Hidden), t.Warnings
	out.Closed = make(map[holders.Ends]holders.LastOwner, len(t.Closed))
	for _, c := range t.Closed {
		ends := holders.Ends{Protocol: loopback.TCP, Namespace: c.Namespace, Local: c.Local, Remote: c.Remote}
		at := boot.Add(time.Duration(c.At))
		// Of several, as after a port was used again, the last counts.
		if old, ok := out.Closed[ends]; !ok || at.After(old.At) {
			out.Closed[ends] = holders.LastOwner{Process: processes[c.Process], At: at}
		}
	}
	return out
}
