package pcapfile

import (
	"bytes"
	"crypto/md5"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// packet is what this package and tshark say of a packet, in tshark's words.
type packet struct {
	Time, Len, CapLen, Interface, Flags, Sum, Comments string
}

// ours returns the packets of a file as this package reads them, and the error
// at the end.
func ours(t *testing.T, file string) ([]packet, error) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Open(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	recs, err := readAll(r)
	isPcapng := b[0] == '\n'
	var all []packet
	for _, rec := range recs {
		p := packet{
			Len:      fmt.Sprint(rec.OrigLen),
			CapLen:   fmt.Sprint(len(rec.Data)),
			Sum:      fmt.Sprintf("%x", md5.Sum(rec.Data)),
			Comments: strings.Join(rec.Comments, "|"),
		}
		if isPcapng { // tshark numbers no interface in pcap
			p.Interface = fmt.Sprint(r.Interfaces()[rec.Interface].ID)
		}
		if rec.Flags != 0 {
			p.Flags = fmt.Sprintf("0x%08x", uint32(rec.Flags))
		}
		if !rec.Time.IsZero() {
			p.Time = epoch(rec.Time)
		}
		all = append(all, p)
	}
	return all, err
}

// epoch returns a time as tshark's frame.time_epoch has it.
func epoch(t time.Time) string {
	if t.Unix() < 0 && t.Nanosecond() > 0 {
		return fmt.Sprintf("-%d.%09d", -t.Unix()-1, 1_000_000_000-t.Nanosecond())
	}
	return fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond())
}

// theirs returns the packets of a file as tshark reads them, and what it
// complains of. Custom blocks, which it lists among the packets, are left
// out; they have neither a time nor an interface.
func theirs(t *testing.T, file string, args ...string) ([]packet, string) {
	t.Helper()
	args = append([]string{"-n", "-o", "frame.generate_md5_hash:TRUE", "-r", file, "-T", "json",
		"-e", "frame.time_epoch", "-e", "frame.len", "-e", "frame.cap_len", "-e", "frame.interface_id",
		"-e", "frame.packet_flags", "-e", "frame.md5_hash", "-e", "frame.comment"}, args...)
	cmd := exec.Command("tshark", args...)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	var frames []struct {
		Source struct {
			Layers map[string][]string `json:"layers"`
		} `json:"_source"`
	}
	if err := json.Unmarshal(out.Bytes(), &frames); err != nil && out.Len() > 0 {
		t.Fatalf("tshark's output: %v", err)
	}
	var all []packet
	for _, f := range frames {
		field := func(name string) string { return strings.Join(f.Source.Layers[name], "|") }
		flags := field("frame.packet_flags")
		if flags == "0x00000000" { // present, with nothing in it
			flags = ""
		}
		if p := (packet{field("frame.time_epoch"), field("frame.len"), field("frame.cap_len"), field("frame.interface_id"),
			flags, field("frame.md5_hash"), field("frame.comment")}); p.Time != "" || p.Interface != "" {
			all = append(all, p)
		}
	}
	var lines []string
	for l := range strings.Lines(complaint.String()) {
		if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "Running as user") {
			lines = append(lines, l)
		}
	}
	return all, strings.Join(lines, "\n")
}

func needTshark(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip("tshark is not installed (see test/install)")
	}
}

// TestTshark compares the packets of all files with tshark's: number, time,
// lengths, interface, flags, data, comments. All pcapng files but those on which
// the two differ are given to tshark as one, which has a section for each; it
// takes long to start.
func TestTshark(t *testing.T) {
	needTshark(t)
	all := filepath.Join(t.TempDir(), "all.pcapng")
	var sections []byte
	files := []string{all}
	for _, name := range testFiles(t) {
		switch {
		case strings.HasSuffix(name, ".pcap"):
			files = append(files, name)
		case !strings.HasSuffix(name, "901.pcapng"):
			sections = append(sections, readFile(t, name)...)
		}
	}
	if err := os.WriteFile(all, sections, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		got, err := ours(t, name)
		want, complaint := theirs(t, name)
		if err != io.EOF || complaint != "" {
			t.Errorf("%s: error %v, tshark's %s", name, err, complaint)
		}
		if len(got) != len(want) {
			t.Fatalf("%s: %d packets, tshark %d", name, len(got), len(want))
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("%s, packet %d: %q, tshark %q", name, i+1, got[i], want[i])
			}
		}
	}
}

// TestTsharkDiffers holds where the two differ: tshark stops at a section of an
// unknown version, and the specification has readers skip it ("Physical File
// Layout"), as this package does.
func TestTsharkDiffers(t *testing.T) {
	needTshark(t)
	const name = "testdata/gopacket/le901.pcapng"
	got, err := ours(t, name)
	want, complaint := theirs(t, name)
	if len(got) != 2 || len(want) != 1 || got[0] != want[0] || !errors.Is(err, ErrVersion) || !strings.Contains(complaint, "unknown SHB version 2.0") {
		t.Errorf("%q, tshark %q and %s", got, want, complaint)
	}
}

// TestTsharkUnderstands holds that tshark and capinfos open what a Writer
// writes, without a complaint, and see comments, names, secrets and counters.
// Debian's tshark 4.0 does not know the processes of packets, and lists process
// blocks as Custom Blocks of CACE Technologies, between the packets.
func TestTsharkUnderstands(t *testing.T) {
	needTshark(t)
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		var complaint bytes.Buffer
		cmd.Stderr = &complaint
		out, err := cmd.Output()
		if err != nil || strings.Contains(strings.ReplaceAll(complaint.String(), "could be dangerous", ""), "pcapng") {
			t.Errorf("%s %s: %v, %s", name, strings.Join(args, " "), err, &complaint)
		}
		return string(out)
	}
	field := func(name string) string {
		return run("tshark", "-r", goldenFile, "-o", "nameres.network_name:TRUE", "-o", "nameres.use_external_name_resolver:FALSE", "-Y", "frame.interface_id >= 0", "-T", "fields", "-e", name)
	}
	c := everything()
	if got := field("frame.comment"); got != c.Records[0].Comments[0]+"\n"+"a,b\n\n\n" {
		t.Errorf("comments %q", got)
	}
	if got := field("frame.interface_name"); got != "lo\nlo\nplaintext\nlo\n" {
		t.Errorf("interfaces %q", got)
	}
	if got := field("ip.dst_host"); strings.Count(got, "api.shop") != 3 {
		t.Errorf("names %q", got)
	}
	if got := run("tshark", "-r", goldenFile, "-Y", "!(frame.interface_id >= 0)"); strings.Count(got, "\n") != len(c.Processes) || strings.Count(got, "Custom Block: PEN = ") != len(c.Processes) {
		t.Errorf("beside packets: %s", got)
	}
	info := run("capinfos", "-M", goldenFile)
	copied := filepath.Join(t.TempDir(), "copied.pcapng")
	run("editcap", goldenFile, copied)
	got, err := read(bytes.NewReader(readFile(t, copied)))
	if err != io.EOF || len(got.Records) != len(c.Records) || !reflect.DeepEqual(got.Processes, c.Processes) {
		t.Errorf("after editcap: %v, %d packets, processes %+v", err, len(got.Records), got.Processes)
	}
	for _, want := range []string{
		"Number of packets:   4\n", "Number of decryption secrets in file: 1\n", "Number of resolved IPv4 addresses in file: 3\n", "Number of resolved IPv6 addresses in file: 1\n",
		"Capture application: lodge tap\n", "Capture comment:     project shop\n", "Name = plaintext\n", "Filter string = tcp port 80\n", "Time precision = nanoseconds (9)\n", "Number of stat entries = 1\n",
	} {
		if !strings.Contains(info, want) {
			t.Errorf("capinfos has no %q in:\n%s", want, info)
		}
	}
}
