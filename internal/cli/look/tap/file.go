package tap

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"lodge/internal/capture/packet"
	"lodge/internal/capture/pcapfile"
	"lodge/internal/cli/kit"
	"lodge/internal/tap"
	"lodge/internal/tap/tapfile"
	"lodge/internal/tap/wire"
)

// fileSource is a capture file.
type fileSource struct {
	run   *run
	src   *tapfile.Source
	in    *os.File
	begin int64    // where in the file it begins; -1: it can be read once
	f     *os.File // to close; nil: standard input
	// looked: had are the keys of the whole file.
	looked bool
	had    []pcapfile.Secrets
}

// openFile opens the file that is asked for.
func openFile(ctx context.Context, r *run) (source, error) {
	s := &fileSource{run: r}
	in := r.kit.Env.Stdin
	if name := r.flags.Read; name != "-" {
		// A named pipe is not waited for here: see pipe.
		f, err := os.OpenFile(r.kit.Path(name), os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
		if err != nil {
			return nil, &kit.Hinted{Err: fmt.Errorf("tap: read %s: %w", name, cause(err)), Hint: "lodge tap -o run.pcapng makes one"}
		}
		s.f, in = f, f
	}
	if s.in, s.begin = in, -1; in != nil {
		if at, err := in.Seek(0, io.SeekCurrent); err == nil {
			s.begin = at
		}
	}
	if s.begin < 0 && cuts(&r.flags) {
		return nil, errors.Join(&kit.UsageError{
			Err:  errors.New("tap: cut packets out of a pipe: they are read twice, first for which connections are wanted"),
			Hint: "cat > all.pcapng, then lodge tap -r all.pcapng FILTER -o some.pcapng",
		}, s.close())
	}
	buffered := bufio.NewReaderSize(&pipe{ctx, in}, 64<<10)
	if in != nil && isLines(buffered) {
		return openLines(r, buffered, s)
	}
	src, err := tapfile.Open(buffered)
	if err != nil {
		return nil, errors.Join(unreadable(r.flags.Read, err), s.close())
	}
	src.Keys(r.keys.add)
	s.src = src
	if s.begin >= 0 {
		r.keys.lookIn(func() []pcapfile.Secrets { return s.secrets() })
	}
	return s, nil
}

// secrets returns the keys of the whole file, which can be read again.
func (s *fileSource) secrets() []pcapfile.Secrets {
	if !s.looked {
		s.looked, s.had = true, allSecrets(s.in, s.begin)
	}
	return s.had
}

// allSecrets returns the keys of the whole of a capture file, which begins at a place of a
// file. The place up to which it was read is left as it is.
func allSecrets(f *os.File, begin int64) []pcapfile.Secrets {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil // the end of a device may not come
	}
	return pcapfile.ReadSecrets(io.NewSectionReader(f, begin, info.Size()-begin))
}

func (s *fileSource) read(ctx context.Context) (tap.Capture, error) {
	err := s.src.Run(ctx, s.run.newEngine(s.src, tap.SourceFile))
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		err = nil // it is over, where nothing came
	case err != nil:
		err = unreadable(s.run.flags.Read, err)
	}
	if ctx.Err() != nil && s.begin >= 0 { // it was not read to its end, where the counters are
		if info, err := s.in.Stat(); err == nil && info.Mode().IsRegular() {
			s.src.ReadEnd(s.in, info.Size())
		}
	}
	return s.src.Capture(), err
}

func (s *fileSource) close() error {
	if s.f != nil {
		_ = s.f.Close() // only read from
	}
	return nil
}

// pipe reads a file, which may be a pipe: nothing may come for long, and a signal ends the
// wait.
type pipe struct {
	ctx  context.Context
	file *os.File
}

// pipeWait is how long a read waits before it looks whether the run is over.
const pipeWait = 100 // milliseconds

// Read implements [io.Reader].
func (p *pipe) Read(b []byte) (int, error) {
	raw, err := p.file.SyscallConn()
	if err != nil {
		return p.file.Read(b) // it tells
	}
	for ready := false; !ready; {
		if err := p.ctx.Err(); err != nil {
			return 0, err
		}
		err := raw.Control(func(fd uintptr) {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, pipeWait)
			ready = n > 0 || err != nil && !errors.Is(err, unix.EINTR)
		})
		ready = ready || err != nil
	}
	return p.file.Read(b)
}

// linesSource is a file with the lines of --json: records that were decoded before.
type linesSource struct {
	run   *run
	lines *wire.Reader
	file  *fileSource
}

// openLines returns the source of a file with lines.
func openLines(r *run, in io.Reader, file *fileSource) (source, error) {
	f := &r.flags
	if f.Follow > 0 || cuts(f) || f.KeyLog != "" || len(f.Descriptors) > 0 {
		return nil, errors.Join(&kit.UsageError{
			Err:  fmt.Errorf("tap: read %s: it has exchanges and no packets: --follow, --keylog, --descriptors and -o FILE.pcapng need these", nameOf(f.Read)),
			Hint: "lodge tap -o run.pcapng records packets",
		}, file.close())
	}
	r.lines = &tap.Account{Capture: tap.Capture{Unknown: true}}
	return &linesSource{run: r, lines: wire.NewReader(in), file: file}, nil
}

// read implements [source]. What the recording lost, its own account says.
func (s *linesSource) read(ctx context.Context) (tap.Capture, error) {
	a := s.run.lines
	var err error
	for ctx.Err() == nil && err == nil {
		var x *tap.Record
		if x, err = s.lines.Next(); err == nil {
			a.Records.Add(x)
			s.run.record(x)
		}
	}
	if had := s.lines.Account(); had != nil {
		n := a.Records
		*a = *had
		n.Dropped, n.Unwritten = had.Records.Dropped, had.Records.Unwritten
		a.Records = n
	}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		err = nil
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = unreadable(s.run.flags.Read, err)
	case errors.Is(err, io.EOF):
		err = nil
	case err != nil:
		err = &kit.Hinted{Err: fmt.Errorf("tap: read %s: %w", nameOf(s.run.flags.Read), err), Hint: "it takes packets, and the lines that -o run.jsonl writes"}
	}
	return a.Capture, err
}

func (s *linesSource) close() error { return s.file.close() }

// nameOf is what the file is called that is read.
func nameOf(read string) string {
	if read == "-" {
		return "standard input"
	}
	return read
}

// unreadable returns the error of a capture file.
func unreadable(name string, err error) error {
	name = nameOf(name)
	hint := ""
	foreign := (*pcapfile.ForeignError)(nil)
	switch {
	case errors.As(err, &foreign):
		hint = foreignHint(foreign.Kind, name, "tap -r -")
	case errors.Is(err, pcapfile.ErrNotCapture):
		hint = "it takes pcapng and pcap files; one that is compressed with gzip: zcat FILE | lodge tap -r -"
	case errors.Is(err, io.ErrUnexpectedEOF):
		hint = "what is whole was read; the program that wrote it may have been ended"
	case errors.Is(err, pcapfile.ErrVersion):
		hint = "it reads pcapng 1.0 and 1.2 and pcap 2.4; editcap -F pcapng " + name + " new.pcapng may convert it"
	case errors.Is(err, pcapfile.ErrMalformed):
		hint = "what is before it was read; it is damaged, or another program has written over it"
	case errors.Is(err, unix.EISDIR):
		hint = "it takes a file"
	case errors.Is(err, unix.EIO):
		hint = "the disk or the network file system fails: dmesg"
	default:
		hint = "lodge tap -o run.pcapng makes one that can be read"
	}
	return &kit.Hinted{Err: fmt.Errorf("tap: read %s: %w", name, cause(err)), Hint: hint}
}

// foreignHint returns what to do with a file of another kind.
// command reads standard input.
func foreignHint(kind pcapfile.Foreign, name, command string) string {
	cat := map[pcapfile.Foreign]string{pcapfile.Gzip: "zcat", pcapfile.Bzip2: "bzcat", pcapfile.Xz: "xzcat", pcapfile.Zstd: "zstdcat", pcapfile.Lz4: "lz4cat"}[kind]
	switch {
	case cat != "" && name == "standard input":
		return cat + " before it"
	case cat != "":
		return cat + " " + name + " | lodge " + command
	case kind == pcapfile.Snoop:
		return "editcap -F pcapng " + name + " new.pcapng converts it"
	}
	return "the program that writes it may not have begun; lodge tap -o run.pcapng makes one"
}

// cause is an error without the path, which is said already.
func cause(err error) error {
	if err == nil { // for each packet that is written
		return nil
	}
	if p := (*os.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	return err
}

// packetFile is the output of packets.
type packetFile struct {
	name string
	f    *outFile
	w    *tapfile.Writer
	keys *keyLog
	err  error
}

func newPacketFile(name string, f *outFile, keys *keyLog, version, note string) (*packetFile, error) {
	o := tapfile.Options{Link: packet.LinkEthernet, Interface: "lo", Version: version, Note: note}
	if keys.mayCome() && f.regular {
		o.KeySpace = keySpace
	}
	w, err := tapfile.NewWriter(f, o)
	if err != nil {
		return nil, writing(name, err)
	}
	return &packetFile{name: name, f: f, w: w, keys: keys}, nil
}

// take writes what write does, after the keys that were used since.
func (p *packetFile) take(write func() error) error {
	if b := p.keys.takeUsed(); p.err == nil && len(b) > 0 {
		p.err = p.secrets(b)
	}
	if p.err == nil {
		p.err = write()
	}
	return writing(p.name, p.err)
}

func (p *packetFile) close(c *tap.Capture) error {
	err := p.err
	if b := p.keys.takeUsed(); err == nil && len(b) > 0 {
		err = p.secrets(b) // used after the last packet
	}
	if err == nil {
		err = p.w.Close(c)
	}
	if cerr := p.f.Close(); err == nil {
		err = cerr
	}
	return writing(p.name, err)
}

// secrets writes keys that were used since the last packet: those that find room where
// they stand before all packets, the others where the file is now.
func (p *packetFile) secrets(lines []byte) error {
	if err := p.w.Secrets(lines); err != nil {
		return err
	}
	at, b := p.w.KeySpace()
	if len(b) == 0 {
		return nil
	}
	return p.f.writeAt(b, at)
}
