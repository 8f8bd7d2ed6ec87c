package tapfile

import (
	"io"
	"strconv"
	"strings"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/capture/pcapfile"
	"lodge/internal/show"
	"lodge/internal/tap"
)

// Writer writes packets with the processes at both ends as pcapng.
type Writer struct {
	w       *pcapfile.Writer
	iface   int
	link    packet.LinkType
	written map[processKey]bool // whether with its directory
	begun   time.Time
	last    time.Time
	record  pcapfile.Record // reused
	// introduced are ends that are written, by the low bits of the flow.
	introduced [1024]ends
	// connections counts those whose packets are made up.
	connections uint32

	out  *counter
	keys keySpace
}

type processKey struct {
	pid   int
	name  string // it may execute another program
	start uint64
}

// ends are those of a packet, with what its options say of them. What is known of an end is
// not changed: there is another one when more is known.
type ends struct {
	sender, receiver *tap.End
	options          pcapfile.PacketOptions
}

// maxWritten bounds what is remembered of the processes that were written; a process
// that is forgotten is written again, which does no harm.
const maxWritten = 50_000

// Options say how the packets were captured.
type Options struct {
	Link packet.LinkType
	// Interface is the name of the interface, Filter the filter of the run.
	Interface, Filter string
	// Version is lodge's.
	Version string
	// Note is a comment on the file, "" for none.
	Note string
	// KeySpace is how many bytes are kept free at the begin of the file for the lines
	// of a TLS key log, which readers need before the packets ([Writer.KeySpace]).
	KeySpace int
	// SnapLen is where packets are cut, 0 for nowhere.
	SnapLen uint32
}

// NewWriter writes the head of a file.
func NewWriter(w io.Writer, o Options) (*Writer, error) {
	var comments []string
	if o.Filter != "" {
		comments = append(comments, "filter of the records that were shown: "+o.Filter)
	}
	if o.Note != "" {
		comments = append(comments, o.Note)
	}
	out := &counter{w: w}
	pw, err := pcapfile.NewWriter(out, pcapfile.WriterOptions{OS: "Linux", Application: "lodge " + o.Version, Comments: comments})
	if err != nil {
		return nil, err
	}
	keys, err := newKeySpace(pw, out, o.KeySpace)
	if err != nil {
		return nil, err
	}
	iface, err := pw.AddInterface(pcapfile.Interface{LinkType: pcapfile.LinkType(o.Link), Name: o.Interface, SnapLen: o.SnapLen})
	if err != nil {
		return nil, err
	}
	return &Writer{out: out, keys: keys, w: pw, iface: iface, link: o.Link, written: make(map[processKey]bool)}, nil
}

// Packet writes a packet. flow is a number of its connection and direction; data is the
// packet as it was captured, origLen its length on the wire; sender and receiver are the
// ends of its connection as they are known by now, nil where it has none.
func (w *Writer) Packet(flow uint64, at time.Time, data []byte, origLen int, flags pcapfile.Flags, sender, receiver *tap.End) error {
	if w.begun.IsZero() {
		w.begun = at
	}
	w.last = at
	e := &w.introduced[flow%uint64(len(w.introduced))]
	if e.sender != sender || e.receiver != receiver {
		options, err := w.introduce(sender, receiver)
		if err != nil {
			return err
		}
		*e = ends{sender, receiver, options}
	}
	w.record = pcapfile.Record{
		Time: at, LinkType: pcapfile.LinkType(w.link), Interface: w.iface, Data: data, OrigLen: uint32(origLen), Flags: flags,
	}
	return w.w.WritePacketWith(&w.record, e.options)
}

// introduce writes the processes at two ends, and makes the options of the packets between
// them.
func (w *Writer) introduce(sender, receiver *tap.End) (pcapfile.PacketOptions, error) {
	var refs [2]pcapfile.ProcessRef
	n := 0
	for i, e := range []*tap.End{sender, receiver} {
		if e != nil && e.Known() {
			if err := w.process(e); err != nil {
				return pcapfile.PacketOptions{}, err
			}
			refs[i].PID, n = uint32(e.Processes[0].PID), i+1
		}
	}
	var comments []string
	if text := describe(sender, receiver); text != "" {
		comments = []string{text}
	}
	return pcapfile.NewPacketOptions(comments, refs[:n]), nil
}

// process writes the block of an end's first process, once; and once more when its
// directory is known.
func (w *Writer) process(e *tap.End) error {
	p := &e.Processes[0]
	key := processKey{p.PID, p.Name, p.Start}
	if whole, ok := w.written[key]; ok && (whole || p.Directory == "") {
		return nil
	}
	if len(w.written) >= maxWritten {
		clear(w.written)
	}
	w.written[key] = p.Directory != ""
	out := pcapfile.Process{PID: uint32(p.PID), Name: p.Name, User: p.User}
	if p.Command != "" {
		out.Args = strings.Fields(p.Command)
	}
	if p.StartedAt != nil {
		out.Started = *p.StartedAt
	}
	if e.Project != "" {
		out.Comments = []string{placeText(tap.Place{Project: e.Project, Service: e.Service})}
	}
	if p.Directory != "" {
		out.Comments = append(out.Comments, directoryMark+p.Directory)
	}
	return w.w.WriteProcess(out)
}

// describe names both ends of a packet, for programs that do not know the blocks of
// processes.
func describe(sender, receiver *tap.End) string {
	from, to := nameOf(sender), nameOf(receiver)
	switch {
	case from == "" && to == "":
		return ""
	case to == "":
		return "from " + from
	case from == "":
		return "to " + to
	}
	return "from " + from + " to " + to
}

func nameOf(e *tap.End) string {
	if e == nil || !e.Known() {
		return ""
	}
	p := &e.Processes[0]
	text := show.CleanLine(p.Name, false) + " (" + strconv.Itoa(p.PID) + ")"
	if e.Service != "" {
		return e.Project + "/" + e.Service + ", " + text
	}
	return text
}

// Names writes the names of addresses, such as those of homes.
func (w *Writer) Names(names []pcapfile.Name) error { return w.w.WriteNames(names) }

// Close writes what was counted. The writer below is the caller's.
func (w *Writer) Close(c *tap.Capture) error {
	var dropped, excluded uint64
	for _, n := range c.Lost {
		dropped += n.Packets
	}
	for _, n := range c.LeftOut {
		excluded += n.Packets
	}
	s := pcapfile.Statistics{
		Interface: w.iface, Time: w.last, Start: w.begun, End: w.last,
		Received: pcapfile.Known(c.Seen.Packets), Accepted: pcapfile.Known(c.Seen.Packets - excluded), Delivered: pcapfile.Known(c.Delivered.Packets),
	}
	if !c.Unknown {
		s.OSDropped, s.Dropped = pcapfile.Known(dropped), pcapfile.Known(0)
	}
	return w.w.WriteStatistics(s)
}
