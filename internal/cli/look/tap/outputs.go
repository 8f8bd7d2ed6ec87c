package tap

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/cli/kit"
	"lodge/internal/cli/look/tap/tapcmd"
	"lodge/internal/tap"
	"lodge/internal/tap/har"
	"lodge/internal/tap/stat"
	"lodge/internal/tap/text"
	"lodge/internal/tap/wire"
)

// output is one place where records go.
type output interface {
	record(x *tap.Record) error
	// close ends it, with the account where it has a place for one.
	close(a *tap.Account) error
}

// outputs are all outputs of a run. Its methods are for the goroutine of the engine, but
// for fail.
type outputs struct {
	kit     *kit.Kit
	front   output // standard output
	files   []output
	packets *packetFile // nil: none is asked for
	cut     *cutFile    // the same, of packets that are read from a file
	read    string      // the file that is read, "" for none
	limit   int         // 0: none
	stop    context.CancelFunc

	selected, unwritten uint64

	err atomic.Pointer[error] // the first: no more is written
}

// newOutputs opens what is written to. ctx is that of the run, which stop ends; interrupted
// ends at a signal.
func newOutputs(ctx, interrupted context.Context, k *kit.Kit, f tapcmd.Flags, keys *keyLog, stop context.CancelFunc) (*outputs, error) {
	o := &outputs{kit: k, limit: f.Count, stop: stop, front: nowhere{}, read: f.Read}
	if err := o.openFiles(interrupted, k, f, keys); err != nil {
		return nil, err
	}
	show := func(out flusher) { o.front = newShown(ctx, interrupted, out, f.Read != "", o.fail) }
	switch {
	case f.Stat:
		o.front = &statOutput{kit: k, json: f.JSON, table: stat.New()}
	case f.JSON:
		w := bufio.NewWriterSize(k.Out, outBuffer)
		show(&lines{lines: wire.NewWriter(w), end: w.Flush})
	case f.Follow == 0 && !f.Packets:
		w := bufio.NewWriterSize(k.Out, outBuffer)
		show(&printed{w: w, Printer: text.Printer{
			Out: w, Color: k.WantsColor(k.Env.Stdout), Width: kit.TerminalWidth(k.Env.Stdout), Verbose: f.Verbose, Today: time.Now(),
		}})
	}
	return o, nil
}

// kinds are how names of output files end.
var kinds = [...]string{".pcapng", ".jsonl", ".har"}

func kindOf(name string) string { return strings.ToLower(filepath.Ext(name)) }

// checkOutputs reports what is wrong with names of output files.
func checkOutputs(f *tapcmd.Flags) error {
	packets := false
	for i, name := range f.Output {
		kind := kindOf(name)
		switch {
		case !slices.Contains(kinds[:], kind):
			return fmt.Errorf("--output %s: its name does not end with %s", name, strings.Join(kinds[:], ", "))
		case slices.Contains(f.Output[:i], name):
			return fmt.Errorf("--output %s is given twice", name)
		case kind == ".pcapng" && packets:
			return errors.New("--output: one file has the packets")
		}
		packets = packets || kind == ".pcapng"
	}
	return nil
}

// openFiles opens the output files. None is changed before all can be written, and what
// was made for a run that does not begin is removed.
func (o *outputs) openFiles(interrupted context.Context, k *kit.Kit, f tapcmd.Flags, keys *keyLog) (err error) {
	var files []*outFile
	defer func() {
		if err == nil {
			return
		}
		for _, file := range files {
			err = errors.Join(err, file.drop())
		}
	}()
	for i, name := range f.Output {
		path := k.Path(name)
		for _, other := range f.Output[:i] {
			if sameFile(path, k.Path(other)) {
				return &kit.UsageError{Err: fmt.Errorf("tap: --output %s: it is %s, which is given too", name, other), Hint: "lodge tap -o run.pcapng -o run.jsonl"}
			}
		}
		if err := checkNotRead(k, f.Read, path); err != nil {
			return unwritable(name, err)
		}
		file, err := openOutFile(path)
		if err != nil {
			return unwritable(name, err)
		}
		files = append(files, file)
	}
	for i, file := range files {
		if err := file.begin(); err != nil {
			return unwritable(f.Output[i], err)
		}
	}
	context.AfterFunc(interrupted, func() {
		for _, file := range files {
			file.hurry(time.Now().Add(lastWords))
		}
	})
	note := ""
	if f.Relay {
		note = relayNote
	}
	for i, file := range files {
		if err := o.writeTo(f.Output[i], file, note, keys); err != nil {
			return err
		}
	}
	return nil
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	y, yerr := os.Stat(b)
	return err == nil && yerr == nil && os.SameFile(x, y)
}

// writeTo makes a file an output, by what its name ends with.
func (o *outputs) writeTo(name string, f *outFile, note string, keys *keyLog) (err error) {
	switch kindOf(name) {
	case ".pcapng":
		if o.read != "" {
			o.cut = &cutFile{name: name, f: f, selected: make(map[uint64]struct{})}
			return nil
		}
		o.packets, err = newPacketFile(name, f, keys, o.kit.Env.Version, note)
	case ".jsonl":
		o.files = append(o.files, &lines{name: name, lines: wire.NewWriter(f), end: f.Close})
	case ".har":
		o.files = append(o.files, &archive{name: name, har: har.NewWriter(f, o.kit.Env.Version), end: f.Close})
	}
	return err
}

// record hands a record to all outputs.
func (o *outputs) record(x *tap.Record) {
	switch {
	case o.limit > 0 && o.selected >= uint64(o.limit):
		return
	case o.failed() != nil:
		o.selected++
		o.unwritten++
		return
	}
	o.selected++
	if o.cut != nil {
		o.cut.selects(x)
	}
	if err := o.write(x); err != nil {
		o.unwritten++
		o.fail(err)
		return
	}
	if o.limit > 0 && o.selected >= uint64(o.limit) {
		o.stop()
	}
}

func (o *outputs) write(x *tap.Record) error {
	for _, out := range o.files {
		if err := out.record(x); err != nil {
			return err
		}
	}
	return o.front.record(x)
}

// begun shows that an exchange has begun, to people: all else gets it when it is whole.
func (o *outputs) begun(x *tap.Record) {
	s, ok := o.front.(*shown)
	if !ok || o.failed() != nil {
		return
	}
	if _, ok := s.out.(*printed); ok {
		_ = s.record(x) // it is told by itself
	}
}

// fail ends the run for an output that cannot be written. It may be called by any
// goroutine.
func (o *outputs) fail(err error) {
	if o.err.CompareAndSwap(nil, &err) {
		o.stop()
	}
}

func (o *outputs) failed() error {
	if err := o.err.Load(); err != nil {
		return *err
	}
	return nil
}

// count completes an account, when all records have come.
func (o *outputs) count(r *tap.Records) {
	r.Selected, r.Unwritten = o.selected, r.Unwritten+o.unwritten
	for _, out := range o.files {
		if a, ok := out.(*archive); ok {
			r.NotInArchive += a.har.LeftOut()
		}
	}
	if s, ok := o.front.(*shown); ok {
		dropped, _ := s.drain()
		r.Dropped += dropped
	}
	if o.failed() != nil {
		r.Unwritten = max(r.Unwritten, 1) // something of it is not there
	}
}

// close ends all outputs. Of several errors it returns the first.
func (o *outputs) close(a *tap.Account) error {
	err := o.failed()
	first := func(next error) {
		if err == nil {
			err = next
		}
	}
	if o.packets != nil {
		first(o.packets.close(a.Captured()))
	}
	if o.cut != nil {
		first(writing(o.cut.name, o.cut.f.Close()))
	}
	for _, out := range o.files {
		first(out.close(a))
	}
	first(o.front.close(a))
	if !o.tellsAccount() {
		first(text.WriteAccount(o.kit.Err, a))
	}
	return err
}

// tellsAccount reports whether standard output has the account.
func (o *outputs) tellsAccount() bool {
	switch front := o.front.(type) {
	case *statOutput:
		return front.json
	case *shown:
		_, isJSON := front.out.(*lines)
		_, whole := front.drain()
		return isJSON && whole && !front.failed
	}
	return false
}

// nowhere is where records go that nobody asked for.
type nowhere struct{}

func (nowhere) record(*tap.Record) error { return nil }
func (nowhere) close(*tap.Account) error { return nil }

// printed prints records for people.
type printed struct {
	text.Printer
	w *bufio.Writer
}

func (p *printed) record(x *tap.Record) error { return p.Record(x) }
func (p *printed) close(*tap.Account) error   { return p.flush() }

func (p *printed) flush() error {
	if err := p.w.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// outBuffer is how much of standard output is written at once, where records come fast.
const outBuffer = 32 << 10

// lines writes JSON lines, to standard output or to a file.
type lines struct {
	name  string
	lines *wire.Writer
	end   func() error // of a file, that closes it; else flushes
}

func (l *lines) record(x *tap.Record) error {
	return l.named(l.lines.Record(x))
}

func (l *lines) flush() error { return l.named(l.end()) }

func (l *lines) close(a *tap.Account) error {
	return l.named(errors.Join(l.lines.Account(a), l.end()))
}

func (l *lines) named(err error) error { return writing(l.name, err) }

// writing returns the error of an output, "" being standard output.
func writing(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case name == "":
		return kit.Printed(err)
	}
	return unwritable(name, err)
}

// unwritable returns the error of an output file.
func unwritable(name string, err error) error {
	hint := "another name for -o"
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		hint = "what is whole in it can be read; --body 0 writes less"
		if kindOf(name) == ".pcapng" {
			hint = "what is whole in it can be read; a filter of ports captures less"
		}
	case errors.Is(err, unix.EFBIG):
		hint = "ulimit -f is its limit; what is whole in it can be read"
	case errors.Is(err, unix.ENOENT):
		hint = "make its directory first"
	case errors.Is(err, errNoReader):
		hint = "start the program that reads it first"
	case errors.Is(err, os.ErrDeadlineExceeded):
		hint = "the program that reads it does not: what it has read is whole lines, but for the last one"
	}
	return &kit.Hinted{Err: fmt.Errorf("tap: write %s: %w", name, cause(err)), Hint: hint}
}

// archive writes an HTTP archive.
type archive struct {
	name string
	har  *har.Writer
	end  func() error
}

func (a *archive) record(x *tap.Record) error { return writing(a.name, a.har.Record(x)) }
func (a *archive) close(account *tap.Account) error {
	return writing(a.name, errors.Join(a.har.Close(strings.Join(text.Account(account), "; ")), a.end()))
}

// statOutput counts records, and prints a table at the end.
type statOutput struct {
	kit   *kit.Kit
	json  bool
	table *stat.Table
}

func (s *statOutput) record(x *tap.Record) error {
	s.table.Add(x)
	return nil
}

func (s *statOutput) close(a *tap.Account) error {
	if s.json {
		return s.kit.PrintJSON(struct {
			Rows    []stat.Row    `json:"rows"`
			Account *wire.Account `json:"account"`
		}{s.table.Rows(), wire.OfAccount(a)})
	}
	_, err := io.WriteString(s.kit.Out, statTable(s.table.Rows()))
	return err
}
