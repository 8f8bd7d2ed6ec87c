package tapfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"

	"lodge/internal/capture/packet"
	"lodge/internal/capture/pcapfile"
	"lodge/internal/tap"
)

// CutOptions say what [Cut] copies.
type CutOptions struct {
	// Keep reports whether packets of a connection are copied, by the number that an
	// [tap.Engine] gives it which reads the same file. Nil: all packets are, also those of no
	// connection.
	Keep func(connection uint64) bool
	// Filter is the filter of the run and Version lodge's, for a comment.
	Filter, Version string
	// KeyLog has lines of a TLS key log that are written before all packets.
	KeyLog []byte
	// Secrets are those of the file ([pcapfile.ReadSecrets]), which are written before all
	// packets too, where programs look for them. What they lack of the file's is written
	// where it comes.
	Secrets []pcapfile.Secrets
}

// CutCounts are what [Cut] read and wrote.
type CutCounts struct{ Read, Written tap.Count }

// Cut copies packets of a capture file, as pcapng, with all that the file says beside its
// packets: sections' comments, interfaces, processes, names, secrets and counters, which
// are those of the whole capture. It needs memory for the connections that are open, and
// for the addresses of those that are copied. What is before the first part that cannot
// be read is copied; the error is that of the file.
func Cut(ctx context.Context, in io.Reader, out io.Writer, o CutOptions) (CutCounts, error) {
	r, err := pcapfile.Open(in)
	if err != nil {
		return CutCounts{}, err
	}
	c := cutter{r: r, o: o, kept: make(map[cutPair]bool)}
	if err := c.head(out); err != nil {
		return c.counts, err
	}
	// No protocol is decoded: it is to know which packet is of which connection.
	engine := tap.New(tap.Options{Record: func(*tap.Record) {}})
	c.take = NewTaker(engine)
	for ctx.Err() == nil {
		rec, err := r.Next()
		if werr := c.metadata(); werr != nil {
			return c.counts, werr
		}
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return c.counts, nil
		}
		if err != nil {
			return c.counts, err
		}
		c.counts.Read.Add(int(rec.OrigLen))
		kept := c.keep(rec)
		engine.Expire(rec.Time)
		if !kept {
			continue
		}
		if err := c.w.WritePacket(rec); err != nil {
			return c.counts, err
		}
		c.counts.Written.Add(int(rec.OrigLen))
	}
	return c.counts, ctx.Err()
}

type cutter struct {
	r      *pcapfile.Reader
	w      *pcapfile.Writer
	o      CutOptions
	take   *Taker
	packet packet.Packet
	counts CutCounts
	// kept are the ends of connections that are copied, for packets that come when they
	// are closed.
	kept map[cutPair]bool
	// How much of what the reader has was written.
	sections, interfaces, processes, names, secrets, statistics int
}

type cutPair struct {
	protocol packet.Protocol
	a, b     netip.AddrPort
}

func pairOf(p *packet.Packet) cutPair {
	if p.Src.Compare(p.Dst) <= 0 {
		return cutPair{p.Protocol, p.Src, p.Dst}
	}
	return cutPair{p.Protocol, p.Dst, p.Src}
}

// head writes the begin of the file.
func (c *cutter) head(out io.Writer) (err error) {
	comment := "a part of another file, cut by lodge " + c.o.Version
	if c.o.Filter != "" {
		comment += ", with the connections of: " + c.o.Filter
	}
	o := pcapfile.WriterOptions{Application: "lodge " + c.o.Version}
	if list := c.r.Sections(); len(list) > 0 {
		s := &list[0]
		o = pcapfile.WriterOptions{Hardware: s.Hardware, OS: s.OS, Application: s.Application, Comments: s.Comments}
		c.sections = 1
	}
	o.Comments = append(o.Comments[:len(o.Comments):len(o.Comments)], comment)
	if c.w, err = pcapfile.NewWriter(out, o); err != nil {
		return err
	}
	secrets := c.o.Secrets
	c.secrets = len(secrets) // the reader has the same ones, in the same order
	if len(c.o.KeyLog) > 0 {
		secrets = append([]pcapfile.Secrets{{Type: pcapfile.SecretsTLS, Data: c.o.KeyLog}}, secrets...)
	}
	return c.writeSecrets(secrets)
}

// writeSecrets writes secrets without the space that a file keeps for more.
func (c *cutter) writeSecrets(list []pcapfile.Secrets) error {
	for _, s := range list {
		if s.Type == pcapfile.SecretsTLS {
			if s.Data = withoutSpace(s.Data); len(s.Data) == 0 {
				continue
			}
		}
		if err := c.w.WriteSecrets(s); err != nil {
			return err
		}
	}
	return nil
}

// metadata writes what the reader has found beside packets since the last one.
func (c *cutter) metadata() error {
	var comments []string // of sections after the first, which the file has not
	for _, s := range c.r.Sections()[c.sections:] {
		comments = append(comments, s.Comments...)
		c.sections++
	}
	for _, i := range c.r.Interfaces()[c.interfaces:] {
		i.Comments = append(i.Comments[:len(i.Comments):len(i.Comments)], comments...)
		comments = nil
		if _, err := c.w.AddInterface(i); err != nil {
			return err
		}
		c.interfaces++
	}
	for _, p := range c.r.Processes()[c.processes:] {
		if err := c.w.WriteProcess(p); err != nil {
			return err
		}
		c.processes++
	}
	if names := c.r.Names()[c.names:]; len(names) > 0 {
		if err := c.w.WriteNames(names); err != nil {
			return err
		}
		c.names += len(names)
	}
	list := c.r.Secrets()
	if n := min(c.secrets, len(list)); n < len(list) {
		if err := c.writeSecrets(list[n:]); err != nil {
			return err
		}
		c.secrets = len(list)
	}
	for _, s := range c.r.Drops()[c.statistics:] {
		if err := c.w.WriteStatistics(s); err != nil {
			return err
		}
		c.statistics++
	}
	return nil
}

// keep reports whether a packet is copied.
func (c *cutter) keep(r *pcapfile.Record) bool {
	if c.o.Keep == nil {
		return true
	}
	p := &c.packet
	*p = packet.Packet{Time: r.Time}
	sent := c.take.Take(packet.LinkType(r.LinkType), r.Data, int(r.OrigLen), p, &tap.Origin{})
	if !p.Src.IsValid() {
		// Of which connection a fragment is, the last one of its datagram says.
		return packet.IsFragment(packet.LinkType(r.LinkType), r.Data, int(r.OrigLen))
	}
	pair := pairOf(p)
	n := sent.Connection()
	if n == 0 {
		return c.kept[pair]
	}
	if !c.o.Keep(n) {
		delete(c.kept, pair)
		return false
	}
	c.kept[pair] = true
	return true
}

// String says how much was copied.
func (c CutCounts) String() string {
	return fmt.Sprintf("%d of %d packets", c.Written.Packets, c.Read.Packets)
}
