package tap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"lodge/internal/cli/kit"
	"lodge/internal/cli/look/tap/tapcmd"
	"lodge/internal/tap"
	"lodge/internal/tap/tapfile"
)

// cutFile is the output of packets where packets are read from a file: the connections of
// the records that are selected. The file is read twice, so that no packet must be kept
// for a connection of which a record may be selected later.
type cutFile struct {
	name     string
	f        *outFile
	selected map[uint64]struct{} // by the number of the connection
	all      bool                // no filter
}

// cuts reports whether packets are read from a file and written to another one.
func cuts(f *tapcmd.Flags) bool {
	return f.Read != "" && slices.ContainsFunc(f.Output, func(name string) bool { return kindOf(name) == ".pcapng" })
}

// begin says what is selected beside records.
func (c *cutFile) begin(r *run) {
	if follow := r.flags.Follow; follow > 0 {
		c.selected[follow] = struct{}{}
		return
	}
	c.all = r.filter.All() && r.flags.Count == 0
}

// selects notes that a record was selected.
func (c *cutFile) selects(x *tap.Record) { c.selected[x.Connection] = struct{}{} }

// cutOut writes the packets that were selected, when the file has been read.
func (r *run) cutOut(ctx context.Context, s *fileSource) error {
	c := r.out.cut
	if _, err := s.in.Seek(s.begin, io.SeekStart); err != nil {
		return unreadable(r.flags.Read, err)
	}
	o := tapfile.CutOptions{Filter: strings.Join(r.words, " "), Version: r.kit.Env.Version, KeyLog: r.keys.takeUsed()}
	if s.looked || s.src.HasSecrets() {
		o.Secrets = s.secrets()
	}
	if !c.all {
		o.Keep = func(connection uint64) bool {
			_, ok := c.selected[connection]
			return ok
		}
	}
	out := &errorNoter{w: c.f}
	counts, err := tapfile.Cut(ctx, s.in, out, o)
	switch {
	case out.err != nil:
		return writing(c.name, out.err)
	case err != nil && ctx.Err() == nil:
		err = unreadable(r.flags.Read, err) // it has been told: the file is read a second time
	}
	if !r.flags.JSON {
		fmt.Fprintf(r.kit.Err, "%s: %s\n", c.name, counts)
	}
	return err
}

// errorNoter keeps the error of what is written to: that of a file that is read is another one.
type errorNoter struct {
	w   io.Writer
	err error
}

func (n *errorNoter) Write(b []byte) (int, error) {
	k, err := n.w.Write(b)
	if err != nil {
		n.err = err
	}
	return k, err
}

// checkNotRead reports an error where an output file is the one that is read: it would be
// emptied first.
func checkNotRead(k *kit.Kit, read, path string) error {
	if read == "" {
		return nil
	}
	var in os.FileInfo
	var err error
	if read == "-" {
		if k.Env.Stdin == nil {
			return nil
		}
		in, err = k.Env.Stdin.Stat()
	} else {
		in, err = os.Stat(k.Path(read))
	}
	out, oerr := os.Stat(path)
	if err == nil && oerr == nil && in.Mode().IsRegular() && os.SameFile(in, out) {
		return errors.New("it is the file that is read")
	}
	return nil
}
