package tap

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/capture/pcapfile"
	"lodge/internal/cli/kit"
	"lodge/internal/cli/look/tap/tapcmd"
	"lodge/internal/tap"
	"lodge/internal/tap/tapfile"
)

// recorded is what a file of packets has.
type recorded struct {
	packets    []*pcapfile.Record
	processes  []pcapfile.Process
	names      []pcapfile.Name
	statistics []pcapfile.Statistics
	comments   []string
}

func readPackets(t *testing.T, path string) (out recorded) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pcapfile.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	for {
		p, err := r.Next()
		if err != nil {
			break
		}
		out.packets = append(out.packets, p)
	}
	out.processes, out.names, out.statistics, out.comments = r.Processes(), r.Names(), r.Drops(), r.Sections()[0].Comments
	return out
}

// requests are the records of a file, without what another file gives other numbers.
func requests(t *testing.T, args ...string) []string {
	t.Helper()
	code, stdout, stderr := tapCommand(t, nil, append(args, "--json")...)
	if code != kit.ExitDone {
		t.Fatalf("%v: %d, %s", args, code, stderr)
	}
	var out []string
	for line := range strings.Lines(stdout) {
		var r map[string]any
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if r["kind"] == "account" {
			continue
		}
		delete(r, "number")
		delete(r, "connection")
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(b))
	}
	return out
}

// A recording that is cut down has the connections of what is selected, whole, and all
// that is known beside packets.
func TestCut(t *testing.T) {
	small := filepath.Join(t.TempDir(), "small.pcapng")
	filter := []string{"-r", "main.pcapng", "path~/count"}
	code, _, stderr := tapCommand(t, nil, append(filter, "-o", small)...)
	if code != kit.ExitDone || !strings.Contains(stderr, small+": ") {
		t.Fatalf("%d, %s", code, stderr)
	}
	all, cut := readPackets(t, "testdata/diff/main.pcapng"), readPackets(t, small)
	if len(cut.packets) == 0 || len(cut.packets) >= len(all.packets) {
		t.Errorf("%d of %d packets", len(cut.packets), len(all.packets))
	}
	if len(cut.processes) != len(all.processes) || len(cut.processes) == 0 || len(cut.names) != len(all.names) || len(cut.statistics) != len(all.statistics) {
		t.Errorf("%d of %d processes, %d of %d names, %d of %d counters", len(cut.processes), len(all.processes),
			len(cut.names), len(all.names), len(cut.statistics), len(all.statistics))
	}
	if last := cut.comments[len(cut.comments)-1]; !strings.Contains(last, "path~/count") {
		t.Errorf("comments: %q", cut.comments)
	}
	of := map[string]bool{}
	for _, p := range all.packets {
		of[string(p.Data)+p.Time.String()] = true
	}
	for _, p := range cut.packets {
		if !of[string(p.Data)+p.Time.String()] || len(p.Processes) == 0 && len(p.Comments) == 0 {
			t.Errorf("another packet: %+v", p)
		}
	}
	want, got := requests(t, filter...), requests(t, "-r", small)
	if len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	// The file is cut to itself, and read by the same name once more.
	again := filepath.Join(t.TempDir(), "again.pcapng")
	if code, _, stderr := tapCommand(t, nil, "-r", small, "-o", again); code != kit.ExitDone {
		t.Fatalf("%d, %s", code, stderr)
	}
	if twice := readPackets(t, again); len(twice.packets) != len(cut.packets) || len(twice.processes) != len(cut.processes) {
		t.Errorf("%d packets, %d processes", len(twice.packets), len(twice.processes))
	}
}

// Standard input is cut where it is a file; a pipe cannot be read twice.
func TestCutOfStandardInput(t *testing.T) {
	in, err := os.Open("testdata/diff/main.pcapng")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	small := filepath.Join(t.TempDir(), "small.pcapng")
	if code, _, stderr := tapCommand(t, in, "-r", "-", "-n", "1", "-o", small); code != kit.ExitDone {
		t.Fatalf("%d, %s", code, stderr)
	}
	if n := len(readPackets(t, small).packets); n == 0 || n >= len(readPackets(t, "testdata/diff/main.pcapng").packets) {
		t.Errorf("%d packets", n)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w.Close()
	other := filepath.Join(t.TempDir(), "other.pcapng")
	code, _, stderr := tapCommand(t, r, "-r", "-", "-o", other)
	if code != kit.ExitUsage || !strings.Contains(stderr, "they are read twice") || !strings.Contains(stderr, "hint: ") {
		t.Errorf("%d, %s", code, stderr)
	}
	if _, err := os.Stat(other); err == nil {
		t.Error("the output is made")
	}
}

// What is read is not emptied.
func TestCutToItself(t *testing.T) {
	data, err := os.ReadFile("testdata/diff/main.pcapng")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "run.pcapng")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := tapCommand(t, nil, "-r", path, "-o", path)
	if now, err := os.ReadFile(path); code == kit.ExitDone || err != nil || !bytes.Equal(now, data) || !strings.Contains(stderr, "it is the file that is read") {
		t.Errorf("%d, %s", code, stderr)
	}
}

// A file of lodge's says what was lost, also where it is not read to its end.
func TestLossOfAPartlyReadFile(t *testing.T) {
	_, stdout, stderr := tapCommand(t, nil, "-r", "main.pcapng", "-n", "1", "--json")
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	var a struct {
		Kind    string
		Capture struct {
			Unknown bool `json:"lost_unknown"`
		}
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &a); err != nil || a.Kind != "account" || a.Capture.Unknown || stderr != "" {
		t.Errorf("%v, %s, %s", err, lines[len(lines)-1], stderr)
	}
}

// Each error of a file says what to do.
func TestErrorsOfFilesHaveHints(t *testing.T) {
	data, err := os.ReadFile("testdata/diff/main.pcapng")
	if err != nil {
		t.Fatal(err)
	}
	version := bytes.Clone(data)
	binary.LittleEndian.PutUint16(version[12:], 2)
	malformed := bytes.Clone(data)
	binary.LittleEndian.PutUint32(malformed[4+int(binary.LittleEndian.Uint32(data[4:])):], 7)
	for name, content := range map[string][]byte{
		"version": version, "malformed": malformed, "cut": data[:len(data)-9], "text": []byte("not packets at all"), "empty": nil,
	} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		code, _, stderr := tapCommand(t, nil, "-r", path)
		if code == kit.ExitDone || strings.Count(stderr, "(hint: ") != 1 {
			t.Errorf("%s: %d, %s", name, code, stderr)
		}
	}
	for _, args := range []string{"--packets -o x.pcapng http", "--packets -o x.pcapng 5432 path~x"} {
		code, _, stderr := tapCommand(t, nil, strings.Fields(args)...)
		if code != kit.ExitUsage || !strings.Contains(stderr, "can name ports and nothing else (hint: ") {
			t.Errorf("%s: %d, %s", args, code, stderr)
		}
	}
}

// What was decrypted with a key log can be read in the file that is cut without it.
func TestCutHasKeys(t *testing.T) {
	keys, err := filepath.Abs("../../../decode/tls/testdata/keys")
	if err != nil {
		t.Fatal(err)
	}
	small := filepath.Join(t.TempDir(), "small.pcapng")
	args := []string{"-r", filepath.Join(keys, "nginx13.pcap"), "--keylog", filepath.Join(keys, "nginx13.keys"), "secure=yes"}
	if code, _, stderr := tapCommand(t, nil, append(args, "-o", small)...); code != kit.ExitDone {
		t.Fatalf("%d, %s", code, stderr)
	}
	want, got := requests(t, args...), requests(t, "-r", small, "secure=yes")
	if len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// keysBehind writes a recording with keys, all but a few of which stand behind its packets,
// and returns its name and that of the packets alone, with their key log.
func keysBehind(t *testing.T) (run, packets, keys string) {
	t.Helper()
	dir, err := filepath.Abs("../../../decode/tls/testdata/keys")
	if err != nil {
		t.Fatal(err)
	}
	packets, keys = filepath.Join(dir, "nginx13.pcap"), filepath.Join(dir, "nginx13.keys")
	text, err := os.ReadFile(keys)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	in, err := os.Open(packets)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	r, err := pcapfile.Open(in)
	if err != nil {
		t.Fatal(err)
	}
	run = filepath.Join(t.TempDir(), "run.pcapng")
	out, err := os.Create(run)
	if err != nil {
		t.Fatal(err)
	}
	w, err := tapfile.NewWriter(out, tapfile.Options{Link: packet.LinkEthernet, Interface: "lo", Version: "1", KeySpace: 4 << 10})
	if err != nil {
		t.Fatal(err)
	}
	// The first connection's handshake keys are in the space, so that a part of its keys is
	// there and the others are missed.
	var late []byte
	for _, line := range lines {
		if len(late) == 0 && bytes.Contains(line, []byte("_HANDSHAKE_")) {
			if err := w.Secrets(line); err != nil {
				t.Fatal(err)
			}
			continue
		}
		late = append(late, line...)
	}
	at, b := w.KeySpace()
	if len(b) == 0 {
		t.Fatal("no key is before the packets")
	}
	if _, err := out.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Seek(0, io.SeekEnd); err != nil {
		t.Fatal(err)
	}
	for {
		p, err := r.Next()
		if err != nil {
			break
		}
		if err := w.Packet(0, p.Time, p.Data, int(p.OrigLen), 0, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Secrets(late), w.Secrets(bytes.Repeat([]byte("# much\n"), 1000)), w.Close(&tap.Capture{}), out.Close()); err != nil {
		t.Fatal(err)
	}
	return run, packets, keys
}

// Keys that stand behind the packets which they are for decrypt them too, and are before
// them in what is cut out of the recording, where Wireshark wants them.
func TestKeysBehindPackets(t *testing.T) {
	run, packets, keys := keysBehind(t)
	want := requests(t, "-r", packets, "--keylog", keys, "secure=yes")
	if len(want) == 0 {
		t.Fatal("no requests")
	}
	same := func(what string, got []string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: got\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	same("the recording", requests(t, "-r", run, "secure=yes"))
	small := filepath.Join(t.TempDir(), "small.pcapng")
	if code, _, stderr := tapCommand(t, nil, "-r", run, "-o", small); code != kit.ExitDone {
		t.Fatalf("%d, %s", code, stderr)
	}
	same("what is cut out", requests(t, "-r", small, "secure=yes"))
	r := atFirstPacket(t, small)
	before := r.Secrets()
	for err := error(nil); err == nil; {
		_, err = r.Next()
	}
	if len(before) < 2 || len(r.Secrets()) != len(before) {
		t.Errorf("%d of %d blocks of keys are before the packets", len(before), len(r.Secrets()))
	}
	for _, s := range before {
		if bytes.Contains(s.Data, []byte("    ")) {
			t.Error("the space for keys is copied")
		}
	}
	// Comparing takes them as well.
	code, stdout, stderr := tapCommand(t, nil, "diff", run, small, "--json")
	var d struct {
		A struct{ Exchanges int }
	}
	if err := json.Unmarshal([]byte(stdout), &d); err != nil || code != kit.ExitDone || d.A.Exchanges < len(want) {
		t.Errorf("%d, %d exchanges, %v, %s", code, d.A.Exchanges, err, stderr)
	}
}

// A file of packets has room for keys before them also where no source of keys is known
// yet: a project that comes later may have keys.
func TestRoomForKeysOfLaterProjects(t *testing.T) {
	none := t.TempDir()
	k := kit.New(kit.Env{Environ: []string{"XDG_RUNTIME_DIR=" + none, "XDG_STATE_HOME=" + none, "HOME=" + none}, Dir: none}, io.Discard)
	l, err := openKeyLog(k, &tapcmd.Flags{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	l.find(t.Context())
	if l.given() {
		t.Fatal("there are keys")
	}
	path := filepath.Join(none, "run.pcapng")
	f, err := openOutFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPacketFile("run.pcapng", f, l, "1", "")
	if err == nil {
		err = f.begin()
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := p.take(func() error { return p.w.Packet(0, time.Unix(1e9, 0), make([]byte, 60), 60, 0, nil, nil) }); err != nil {
		t.Fatal(err)
	}
	keepers := filepath.Join(none, "lodge", "k")
	if err := os.MkdirAll(keepers, 0o700); err != nil {
		t.Fatal(err)
	}
	add(t, filepath.Join(keepers, "late.keys"), keyLine("CLIENT_RANDOM", 1))
	if l.Secrets(keyRandom(1)) == nil {
		t.Fatal("the project's keys are not found")
	}
	if err := p.close(&tap.Capture{}); err != nil {
		t.Fatal(err)
	}
	if list := atFirstPacket(t, path).Secrets(); len(list) != 1 || !strings.HasPrefix(string(list[0].Data), keyLine("CLIENT_RANDOM", 1)) {
		t.Errorf("before the first packet: %d blocks of keys", len(list))
	}
}

// atFirstPacket opens a file of packets, and reads to its first one.
func atFirstPacket(t *testing.T, path string) *pcapfile.Reader {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() }) // only read from
	r, err := pcapfile.Open(f)
	if err == nil {
		_, err = r.Next()
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}
