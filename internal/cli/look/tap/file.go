package tap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"lodge/internal/capture/packet"
	"lodge/internal/capture/pcapfile"
	"lodge/internal/cli/kit"
	"lodge/internal/tap"
	"lodge/internal/tap/tapfile"
)

// readFile reads a capture file.
func (r *run) readFile(ctx context.Context) (tap.Capture, error) {
	name := r.flags.Read
	in := r.kit.Env.Stdin
	if name != "-" {
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(r.kit.Env.Dir, path)
		}
		f, err := os.Open(path)
		if err != nil {
			return tap.Capture{}, &kit.Hinted{Err: fmt.Errorf("tap: read %s: %w", name, cause(err)), Hint: "lodge tap -o run.pcapng makes one"}
		}
		defer func() { _ = f.Close() }() // only read from
		in = f
	}
	src, err := tapfile.Open(in)
	if err != nil {
		return tap.Capture{}, r.unreadable(err)
	}
	if r.out.packets != nil {
		return tap.Capture{}, &kit.UsageError{Err: errors.New("tap: --read and --output of packets: the file is there already"), Hint: "-o run.jsonl or run.har with -r"}
	}
	if err := src.Run(ctx, r.newEngine(src, tap.SourceFile)); err != nil {
		return src.Capture(), r.unreadable(err)
	}
	return src.Capture(), nil
}

// unreadable returns the error of a capture file.
func (r *run) unreadable(err error) error {
	name := r.flags.Read
	if name == "-" {
		name = "standard input"
	}
	hint := ""
	switch {
	case errors.Is(err, pcapfile.ErrNotCapture):
		hint = "it takes pcapng and pcap files, not compressed"
	case errors.Is(err, io.ErrUnexpectedEOF):
		hint = "what is whole was read; the program that wrote it may have been ended"
	case errors.Is(err, unix.EISDIR):
		hint = "it takes a file"
	}
	return &kit.Hinted{Err: fmt.Errorf("tap: read %s: %w", name, cause(err)), Hint: hint}
}

// cause is an error without the path, which is said already.
func cause(err error) error {
	if p := (*os.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	return err
}

// packetFile is the output of packets.
type packetFile struct {
	name string
	w    *tapfile.Writer
	end  func() error
	err  error
}

func newPacketFile(name string, w io.Writer, end func() error, version string) (*packetFile, error) {
	pw, err := tapfile.NewWriter(w, tapfile.Options{Link: packet.LinkEthernet, Interface: "lo", Version: version})
	if err != nil {
		return nil, writing(name, err)
	}
	return &packetFile{name: name, w: pw, end: end}, nil
}

func (p *packetFile) close(c *tap.Capture) error {
	err := p.err
	if err == nil {
		err = p.w.Close(c)
	}
	return writing(p.name, errors.Join(err, p.end()))
}
