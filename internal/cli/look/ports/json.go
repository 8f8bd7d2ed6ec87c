package ports

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"lodge/internal/show"
	"lodge/internal/sockets"
)

// rowJSON writes rows as encoding/json would, many times faster and without
// garbage: a machine has hundreds of thousands of sockets, most of them held
// by few processes, whose bytes are made once.
type rowJSON struct {
	processes map[*sockets.Process][]byte
}

func newRowJSON() *rowJSON { return &rowJSON{processes: make(map[*sockets.Process][]byte)} }

// flushAt is how much is collected before it is written.
const flushAt = 64 << 10

// writeTableJSON prints a table as one object, a socket a line, without making
// all of it in memory. The order may be nil: the table's own.
func writeTableJSON(w io.Writer, s rowSource, order []int32, unknown int, warnings []string) error {
	e := newRowJSON()
	b := make([]byte, 0, flushAt+8<<10)
	b = append(b, `{"sockets":[`...)
	var m sockets.RowMaker
	for i := range s.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		at := i
		if order != nil {
			at = int(order[i])
		}
		b = append(b, '\n')
		b = e.row(b, s.Row(at, &m))
		if len(b) >= flushAt {
			if _, err := w.Write(b); err != nil {
				return fmt.Errorf("print: %w", err)
			}
			b = b[:0]
		}
	}
	b = append(b, "\n],\"unknown_owners\":"...)
	b = strconv.AppendInt(b, int64(unknown), 10)
	b = append(b, `,"warnings":[`...)
	for i, text := range warnings {
		if i > 0 {
			b = append(b, ',')
		}
		b = show.AppendJSON(b, text)
	}
	b = append(b, "]}\n"...)
	if _, err := w.Write(b); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// row appends a row. The fields and their order are those of sockets.Row; a
// test holds that.
func (e *rowJSON) row(b []byte, r *sockets.Row) []byte {
	b = append(b, `{"protocol":`...)
	b = show.AppendJSON(b, string(r.Protocol))
	b = append(b, `,"family":`...)
	b = show.AppendJSON(b, r.Family)
	b = append(b, `,"state":`...)
	b = show.AppendJSON(b, r.State)
	b = appendAddress(b, `,"local":`, r.Local)
	b = appendAddress(b, `,"remote":`, r.Remote)
	b = optional(b, `,"path":`, r.Path)
	b = optional(b, `,"type":`, r.Type)
	b = optional(b, `,"scope":`, string(r.Scope))
	b = nonZero(b, `,"real_port":`, uint64(r.RealPort))
	if r.V6Only {
		b = append(b, `,"v6_only":true`...)
	}
	if r.UID != nil {
		b = number(b, `,"uid":`, uint64(*r.UID))
	}
	b = optional(b, `,"user":`, r.User)
	b = nonZero(b, `,"inode":`, uint64(r.Inode))
	b = nonZero(b, `,"cookie":`, r.Cookie)
	b = nonZero(b, `,"cgroup_id":`, r.CgroupID)
	b = optional(b, `,"source":`, r.Source)
	b = nonZero(b, `,"network_namespace":`, uint64(r.Namespace))
	b = optional(b, `,"network_namespace_name":`, r.NamespaceName)
	b = append(b, `,"processes":`...)
	b = e.all(b, r.Processes)
	if r.Unknown {
		b = append(b, `,"owner_unknown":true`...)
	}
	if r.Closed != nil {
		b = append(b, `,"closed_by":`...)
		b = e.process(b, r.Closed)
	}
	b = optional(b, `,"project":`, r.Project)
	b = optional(b, `,"service":`, r.Service)
	if p := r.Peer; p != nil {
		b = e.peer(append(b, `,"peer":`...), p)
	}
	if r.RecvQueue != nil {
		b = number(b, `,"receive_queue_bytes":`, uint64(*r.RecvQueue))
	}
	if r.SendQueue != nil {
		b = number(b, `,"send_queue_bytes":`, uint64(*r.SendQueue))
	}
	if r.Backlog != nil {
		b = number(b, `,"backlog":`, uint64(*r.Backlog))
	}
	if r.BacklogLimit != nil {
		b = number(b, `,"backlog_limit":`, uint64(*r.BacklogLimit))
	}
	if r.OpenedAt != nil {
		b = appendTime(append(b, `,"opened_at":`...), *r.OpenedAt)
	}
	if t := r.TCP; t != nil {
		b = number(b, `,"tcp_info":{"rtt_us":`, uint64(t.RTT))
		b = number(b, `,"rtt_var_us":`, uint64(t.RTTVar))
		b = number(b, `,"sent_bytes":`, t.Sent)
		b = number(b, `,"received_bytes":`, t.Received)
		b = number(b, `,"retransmits":`, uint64(t.Retransmits))
		b = number(b, `,"idle_send_ms":`, uint64(t.IdleSend))
		b = number(b, `,"idle_receive_ms":`, uint64(t.IdleReceive))
		b = number(b, `,"congestion_window_segments":`, uint64(t.CongestionW))
		b = append(b, '}')
	}
	return append(b, '}')
}

func (e *rowJSON) peer(b []byte, p *sockets.Peer) []byte {
	b = append(b, '{')
	if p.Inode != 0 {
		b = number(b, `"inode":`, uint64(p.Inode))
		b = append(b, ',')
	}
	if p.Path != "" {
		b = show.AppendJSON(append(b, `"path":`...), p.Path)
		b = append(b, ',')
	}
	b = append(b, `"processes":`...)
	b = e.all(b, p.Processes)
	if p.Unknown {
		b = append(b, `,"owner_unknown":true`...)
	}
	b = optional(b, `,"project":`, p.Project)
	b = optional(b, `,"service":`, p.Service)
	return append(b, '}')
}

// all appends a list of processes. None is an empty list and not null.
func (e *rowJSON) all(b []byte, ps []*sockets.Process) []byte {
	b = append(b, '[')
	for i, p := range ps {
		if i > 0 {
			b = append(b, ',')
		}
		b = e.process(b, p)
	}
	return append(b, ']')
}

func (e *rowJSON) process(b []byte, p *sockets.Process) []byte {
	made, ok := e.processes[p]
	if !ok {
		made = appendProcess(nil, p)
		e.processes[p] = made
	}
	return append(b, made...)
}

func appendProcess(b []byte, p *sockets.Process) []byte {
	b = append(b, `{"pid":`...)
	b = strconv.AppendInt(b, int64(p.PID), 10)
	b = append(b, `,"name":`...)
	b = show.AppendJSON(b, p.Name)
	b = optional(b, `,"command":`, p.Command)
	b = optional(b, `,"executable":`, p.Executable)
	b = optional(b, `,"directory":`, p.Directory)
	b = number(b, `,"uid":`, uint64(p.UID))
	b = optional(b, `,"user":`, p.User)
	if p.StartedAt != nil {
		b = appendTime(append(b, `,"started_at":`...), *p.StartedAt)
	}
	if p.ParentPID != 0 {
		b = append(b, `,"parent_pid":`...)
		b = strconv.AppendInt(b, int64(p.ParentPID), 10)
	}
	b = optional(b, `,"parent_name":`, p.ParentName)
	b = optional(b, `,"cgroup":`, p.Cgroup)
	b = optional(b, `,"unit":`, p.Unit)
	b = optional(b, `,"container":`, p.Container)
	b = optional(b, `,"project":`, p.Project)
	b = optional(b, `,"service":`, p.Service)
	return append(b, '}')
}

func appendTime(b []byte, t time.Time) []byte {
	b = append(b, '"')
	b = t.AppendFormat(b, time.RFC3339Nano)
	return append(b, '"')
}

func appendAddress(b []byte, name string, a *sockets.Address) []byte {
	if a == nil {
		return b
	}
	b = append(b, name...)
	b = append(b, `{"ip":`...)
	if a.IP.Zone() == "" {
		b = append(b, '"')
		if a.IP.IsValid() {
			b = a.IP.AppendTo(b)
		}
		b = append(b, '"')
	} else {
		b = show.AppendJSON(b, a.IP.String()) // a zone may be any text
	}
	b = number(b, `,"port":`, uint64(a.Port))
	return append(b, '}')
}

func number(b []byte, name string, n uint64) []byte {
	return strconv.AppendUint(append(b, name...), n, 10)
}

func nonZero(b []byte, name string, n uint64) []byte {
	if n == 0 {
		return b
	}
	return number(b, name, n)
}

func optional(b []byte, name, s string) []byte {
	if s == "" {
		return b
	}
	return show.AppendJSON(append(b, name...), s)
}
