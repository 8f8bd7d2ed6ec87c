package captures

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"lodge/internal/capture/pcapfile"
	"lodge/internal/decode"
	"lodge/internal/decode/all"
	"lodge/internal/decode/tls"
	"lodge/internal/decode/tlskeys"
	"lodge/internal/tap"
	"lodge/internal/tap/tapfile"
	"lodge/internal/tap/wire"
)

// file is one capture file.
type file struct {
	path string
	// name is what testdata/differences calls it.
	name string
	// compared: with tshark, as no test of a decoder does.
	compared bool
}

// files returns the captures of all tests, and those in the directories that
// LODGE_CAPTURES lists.
func files(t testing.TB) (list []file) {
	t.Helper()
	walk := func(root string, compared bool) {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			if ext := filepath.Ext(path); ext == ".pcap" || ext == ".pcapng" || ext == ".cap" {
				name, err := filepath.Rel(root, path)
				if err != nil {
					return err
				}
				list = append(list, file{path, filepath.ToSlash(name), compared})
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	walk("../../internal", false)
	own := len(list)
	walk("testdata", true)
	if own < 150 || len(list) == own {
		t.Fatalf("%d captures", len(list))
	}
	for _, dir := range filepath.SplitList(os.Getenv("LODGE_CAPTURES")) {
		walk(dir, true)
	}
	return list
}

// reading is what lodge makes of a file.
type reading struct {
	records []*tap.Record
	lines   []string // the records as JSON, without processes
	account tap.Account
	err     error // where the file ends, nil at its end
}

// read reads a capture as `lodge tap -r` does.
func read(t *testing.T, b []byte) *reading {
	t.Helper()
	r := &reading{}
	src, err := tapfile.Open(bytes.NewReader(b))
	if err != nil {
		r.err = err
		return r
	}
	var keys tlskeys.Log
	src.Keys(func(b []byte) { _, _ = keys.Write(b) }) // never an error
	e := tap.New(tap.Options{
		Protocols: all.Protocols(tls.Config{Keys: &keys}), Decode: decode.Options{Limits: decode.DefaultLimits(), Secrets: true},
		Ends: src, OriginSource: tap.SourceFile,
		Record: func(rec *tap.Record) { r.records = append(r.records, rec) },
	})
	r.err = src.Run(t.Context(), e)
	r.account = e.Account()
	r.account.Capture = src.Capture()
	for _, rec := range r.records {
		w := wire.Of(rec)
		w.Client.Processes, w.Server.Processes = nil, nil
		w.Client.Source, w.Server.Source = "", ""
		for _, e := range []*wire.End{&w.Client, &w.Server} { // of the processes
			e.Project, e.Service, e.Container = "", "", ""
		}
		line, err := json.Marshal(w)
		if err != nil {
			t.Fatal(err)
		}
		r.lines = append(r.lines, string(line))
	}
	return r
}

// identities holds that each layer accounts for what it was given.
func (r *reading) identities(t *testing.T) {
	t.Helper()
	a := &r.account
	if n := a.Capture.Missing(); n != 0 {
		t.Errorf("%d packets are not accounted for: %+v", n, a.Capture)
	}
	// What was delivered is what was seen less what came twice, late or astray.
	s := a.Streams
	if s.RepeatedBytes+s.LateBytes+s.StrayBytes+a.Decode.Bytes > s.PayloadBytes {
		t.Errorf("more bytes than were seen: %+v, decoded %+v", s, a.Decode)
	}
	lost := uint64(0)
	for _, l := range a.Decode.Lost {
		lost += l.Bytes
	}
	if lost > a.Decode.Bytes+s.MissingBytes {
		t.Errorf("%d bytes are lost of %d, and %d that are missing: %+v", lost, a.Decode.Bytes, s.MissingBytes, a.Decode.Lost)
	}
	emitted := uint64(0)
	for _, rec := range r.records {
		if rec.Number != 0 {
			emitted++
		}
	}
	if n := a.Records.Exchanges + a.Records.Failures; n != emitted {
		t.Errorf("%d records, counted %d", emitted, n)
	}
}

// rewrite returns the packets and the keys of a file as pcapng.
func rewrite(b []byte) ([]byte, error) {
	in, err := pcapfile.Open(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w, err := pcapfile.NewWriter(&out, pcapfile.WriterOptions{Application: "test"})
	if err != nil {
		return nil, err
	}
	interfaces, secrets := 0, 0
	for {
		rec, err := in.Next()
		for ; interfaces < len(in.Interfaces()); interfaces++ {
			if _, err := w.AddInterface(in.Interfaces()[interfaces]); err != nil {
				return nil, err
			}
		}
		for ; secrets < len(in.Secrets()); secrets++ {
			if err := w.WriteSecrets(in.Secrets()[secrets]); err != nil {
				return nil, err
			}
		}
		if err != nil {
			return out.Bytes(), nil // the same end as that of the reading
		}
		if err := w.WritePacket(rec); err != nil {
			return nil, err
		}
	}
}

// Every file is read to its end, accounted for, and the same when it is written as pcapng
// and read again.
func TestReadWriteRead(t *testing.T) {
	read1, records := 0, 0
	for _, f := range files(t) {
		t.Run(f.name, func(t *testing.T) {
			b, err := os.ReadFile(f.path)
			if err != nil {
				t.Fatal(err)
			}
			first := read(t, b)
			if first.err != nil && !errors.Is(first.err, io.ErrUnexpectedEOF) && !errors.Is(first.err, pcapfile.ErrNotCapture) {
				t.Logf("it is read until: %v", first.err)
			}
			first.identities(t)
			again, err := rewrite(b)
			if err != nil {
				t.Logf("it is not written again: %v", err) // a time that pcapng cannot have
				return
			}
			second := read(t, again)
			if second.err != nil {
				t.Errorf("read what was written: %v", second.err)
			}
			if !slices.Equal(first.lines, second.lines) {
				t.Errorf("read:\n%s\nwritten and read again:\n%s", strings.Join(first.lines, "\n"), strings.Join(second.lines, "\n"))
			}
			read1++
			records += len(first.lines)
		})
	}
	t.Logf("%d files, %d records", read1, records)
}

// A file takes memory for what is open in it, and not for all that is in it: a capture is
// read a thousand times in a row, as one of many connections.
func TestMemoryIsBounded(t *testing.T) {
	b, err := os.ReadFile("../../internal/tap/tapfile/testdata/run.pcapng")
	if err != nil {
		t.Fatal(err)
	}
	held := func(times int) int64 {
		in, err := pcapfile.Open(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		var packets []*pcapfile.Record
		for {
			rec, err := in.Next()
			if err != nil {
				break
			}
			rec.Data = bytes.Clone(rec.Data)
			packets = append(packets, rec)
		}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		records := 0
		e := tap.New(tap.Options{
			Protocols: all.Protocols(tls.Config{}), Decode: decode.Options{Limits: decode.DefaultLimits()},
			Record: func(*tap.Record) { records++ },
		})
		feed(t, e, packets, times)
		runtime.GC()
		runtime.ReadMemStats(&after)
		e.Close()
		if want := 5 * times; records != want {
			t.Errorf("%d records of %d", records, want)
		}
		return int64(after.HeapAlloc) - int64(before.HeapAlloc)
	}
	few, many := held(10), held(2000)
	t.Logf("%d bytes are held after 10 times, %d after 2000", few, many)
	if many > few+(4<<20) {
		t.Errorf("%d bytes are held after 10 times, %d after 2000", few, many)
	}
}
