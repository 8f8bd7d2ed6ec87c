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

// outputs are all outputs of a run. It is for the goroutine of the engine.
type outputs struct {
	kit     *kit.Kit
	list    []output
	packets *packetFile // nil: none is asked for
	limit   int         // 0: none
	stop    context.CancelFunc

	selected uint64
	err      error // the first: no more is written
}

// newOutputs opens what is written to. stop ends the run.
func newOutputs(k *kit.Kit, f tapcmd.Flags, keys *keyLog, stop context.CancelFunc) (*outputs, error) {
	o := &outputs{kit: k, limit: f.Count, stop: stop}
	for _, name := range f.Output {
		if err := o.open(k, name, keys); err != nil {
			o.abandon()
			return nil, err
		}
	}
	switch {
	case f.Follow > 0:
	case f.Packets && !f.JSON:
		o.list = append(o.list, nowhere{})
	case f.Stat:
		o.list = append(o.list, &statOutput{kit: k, json: f.JSON, table: stat.New()})
	case f.JSON:
		w := bufio.NewWriter(k.Out)
		o.list = append(o.list, &lines{lines: wire.NewWriter(w), flush: w.Flush, live: true})
	default:
		o.list = append(o.list, &printed{text.Printer{
			Out: k.Out, Color: k.WantsColor(k.Env.Stdout), Width: kit.TerminalWidth(k.Env.Stdout), Verbose: f.Verbose, Today: time.Now(),
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
		case kind == ".pcapng" && f.Read != "":
			return fmt.Errorf("--output %s: with --read, packets are in a file already", name)
		case kind == ".pcapng" && packets:
			return errors.New("--output: one file has the packets")
		}
		packets = packets || kind == ".pcapng"
	}
	return nil
}

// open opens an output file by what its name ends with.
func (o *outputs) open(k *kit.Kit, name string, keys *keyLog) error {
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(k.Env.Dir, path)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_CLOEXEC, 0o600) // it has what programs said to each other
	if err != nil {
		return fmt.Errorf("tap: write %s: %w", name, cause(err))
	}
	w := bufio.NewWriterSize(f, 1<<20)
	end := func() error { return errors.Join(w.Flush(), f.Close()) }
	switch kindOf(name) {
	case ".pcapng":
		o.packets, err = newPacketFile(name, f, w, keys, k.Env.Version)
		if err != nil {
			return errors.Join(err, f.Close())
		}
	case ".jsonl":
		o.list = append(o.list, &lines{name: name, lines: wire.NewWriter(w), flush: end})
	case ".har":
		o.list = append(o.list, &archive{name: name, har: har.NewWriter(w, k.Env.Version), end: end})
	}
	return nil
}

// record hands a record to all outputs.
func (o *outputs) record(x *tap.Record) {
	if o.err != nil || o.limit > 0 && o.selected >= uint64(o.limit) {
		return
	}
	o.selected++
	for _, out := range o.list {
		if err := out.record(x); err != nil {
			o.fail(err)
			return
		}
	}
	if o.limit > 0 && o.selected >= uint64(o.limit) {
		o.stop()
	}
}

// begun shows that an exchange has begun, to people: all else gets it when it is whole.
func (o *outputs) begun(x *tap.Record) {
	if o.err != nil || len(o.list) == 0 {
		return
	}
	if p, ok := o.list[len(o.list)-1].(*printed); ok {
		if err := p.Record(x); err != nil {
			o.fail(err)
		}
	}
}

// fail ends the run for an output that cannot be written.
func (o *outputs) fail(err error) {
	if o.err == nil {
		o.err = err
		o.stop()
	}
}

func (o *outputs) count(r *tap.Records) { r.Selected = o.selected }

// close ends all outputs.
func (o *outputs) close(a *tap.Account) error {
	err := o.err
	if o.packets != nil {
		err = errors.Join(err, o.packets.close(&a.Capture))
	}
	for _, out := range o.list {
		err = errors.Join(err, out.close(a))
	}
	if len(o.list) > 0 {
		if _, isJSON := o.list[len(o.list)-1].(*lines); !isJSON && a.Streams.Connections+a.Capture.Seen.Packets > 0 {
			err = errors.Join(err, text.WriteAccount(o.kit.Err, a))
		}
	}
	return err
}

// abandon closes what was opened before an error; that one is told.
func (o *outputs) abandon() {
	for _, out := range o.list {
		_ = out.close(&tap.Account{})
	}
	if o.packets != nil {
		_ = o.packets.close(&tap.Capture{})
	}
}

// nowhere is where records go that nobody asked for.
type nowhere struct{}

func (nowhere) record(*tap.Record) error { return nil }
func (nowhere) close(*tap.Account) error { return nil }

// printed prints records for people.
type printed struct{ text.Printer }

func (p *printed) record(x *tap.Record) error { return p.Record(x) }
func (p *printed) close(*tap.Account) error   { return nil }

// lines writes JSON lines: to standard output, one by one, or to a file.
type lines struct {
	name  string
	lines *wire.Writer
	flush func() error
	live  bool
}

func (l *lines) record(x *tap.Record) error {
	if err := l.lines.Record(x); err != nil {
		return l.named(err)
	}
	if l.live {
		return l.flush()
	}
	return nil
}

func (l *lines) close(a *tap.Account) error {
	return l.named(errors.Join(l.lines.Account(a), l.flush()))
}

func (l *lines) named(err error) error { return writing(l.name, err) }

// writing names the file of an error.
func writing(name string, err error) error {
	if err == nil || name == "" {
		return err
	}
	return fmt.Errorf("tap: write %s: %w", name, err)
}

// archive writes an HTTP archive.
type archive struct {
	name string
	har  *har.Writer
	end  func() error
}

func (a *archive) record(x *tap.Record) error { return writing(a.name, a.har.Record(x)) }
func (a *archive) close(*tap.Account) error {
	return writing(a.name, errors.Join(a.har.Close(), a.end()))
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
