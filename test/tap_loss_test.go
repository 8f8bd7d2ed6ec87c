package test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// accountOf reads an account, which must add up: what was seen is what was delivered, left
// out or lost, and each record was selected and written, dropped or not written.
func accountOf(t *testing.T, what string, b []byte) (a tapAccount) {
	t.Helper()
	if err := json.Unmarshal(b, &a); err != nil {
		t.Fatalf("%s: read the account: %v\n%s", what, err, b)
	}
	sum := a.Capture.Delivered.Packets
	for _, m := range []map[string]tapCount{a.Capture.LeftOut, a.Capture.Lost} {
		for _, c := range m {
			sum += c.Packets
		}
	}
	if a.Capture.Seen.Packets != sum {
		t.Errorf("%s: %d packets were seen, and %d are accounted for: %s", what, a.Capture.Seen.Packets, sum, b)
	}
	return a
}

type tapAccount struct {
	Kind     string
	Complete bool
	Capture  struct {
		Seen, Delivered tapCount
		LeftOut         map[string]tapCount `json:"left_out"`
		Lost            map[string]tapCount
	}
	Records struct{ Exchanges, Failures, Selected, Dropped, Unwritten int }
}

// lost is the number of packets that were lost, for any reason.
func (a *tapAccount) lost() (n int) {
	for _, c := range a.Capture.Lost {
		n += c.Packets
	}
	return n
}

// lastLine is the last line of a text.
func lastLine(text string) string {
	text = strings.TrimSuffix(text, "\n")
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// flood sends more than the rings hold, in one process.
const flood = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 0))
for _ in range(8000):
    s.sendto(bytes(60000), s.getsockname())
`

// Where the reader of the packets stands still, the programs go on, what found no place is
// counted, and every output says it: text, JSON, statistics, JSON lines, packets, an HTTP
// archive and a comparison.
func TestTapLossIsToldEverywhere(t *testing.T) {
	needRoot(t)
	python(t)
	need(t, "redis-server")
	need(t, "redis-cli")
	t.Parallel()
	e := newEnv(t, ebpf)
	e.quiet()
	p := e.project("lossy", "lodge.toml", config("db", "redis-server --port 6379 --save ''"))
	p.lodge("up", "-d").ok(t)
	ping := []string{"redis-cli", "-h", e.ls().Projects[0].Home.String(), "ping"}
	runs := map[string]*process{
		"json":  p.tap(ping, "--json", "-o", "run.pcapng", "-o", "run.jsonl", "-o", "run.har"),
		"text":  p.tap(ping),
		"stat":  p.start("tap", "--stat", "-o", "stat.jsonl"),
		"stats": p.start("tap", "--stat", "--json", "-o", "stats.jsonl"),
	}
	// The statistics say nothing before the end; their files do.
	for _, name := range []string{"stat.jsonl", "stats.jsonl"} {
		for deadline := time.Now().Add(commandLimit); p.sizeOf(name) == 0; {
			if time.Now().After(deadline) {
				t.Fatalf("nothing is in %s", name)
			}
			if out, err := p.beside(ping...).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
	}
	for _, r := range runs {
		r.signal(syscall.SIGSTOP)
	}
	if out, err := p.beside(systemPython, "-c", flood).CombinedOutput(); err != nil {
		t.Fatalf("flood: %v\n%s", err, out)
	}
	results := map[string]result{}
	for _, r := range runs {
		r.signal(syscall.SIGCONT)
	}
	for name, r := range runs {
		r.signal(syscall.SIGINT)
		results[name] = r.wait()
		if results[name].code != 130 {
			t.Errorf("%s: %v", name, results[name])
		}
	}
	for _, name := range []string{"run.jsonl", "stat.jsonl", "stats.jsonl"} {
		if a := accountOf(t, name, []byte(lastLine(p.read(name)))); a.Complete || a.Capture.Lost["ring_full"].Packets == 0 {
			t.Errorf("%s: %+v", name, a)
		}
	}
	whole := accountOf(t, "json", []byte(lastLine(results["json"].stdout)))
	if whole.Complete || whole.lost() == 0 {
		t.Errorf("json: %+v", whole)
	}
	var stats struct{ Account json.RawMessage }
	if err := json.Unmarshal([]byte(results["stats"].stdout), &stats); err != nil {
		t.Fatal(err)
	}
	if a := accountOf(t, "stats", stats.Account); a.Complete || a.lost() == 0 {
		t.Errorf("stats: %+v", a)
	}
	for _, name := range []string{"text", "stat"} {
		if said := results[name].stderr; !strings.Contains(said, "lost: the ring was full") || strings.Contains(said, "nothing lost") {
			t.Errorf("%s says\n%s", name, said)
		}
	}
	// The file of packets has the true counts.
	_, again := tapLines(t, p.lodge("tap", "-r", "run.pcapng", "--json").ok(t)+"\n")
	if n := again.Capture.Lost["before_the_file"].Packets; n != whole.lost() || again.Capture.Delivered != whole.Capture.Delivered {
		t.Errorf("run.pcapng: %d packets are lost and %d there; the tap lost %d and had %d", n, again.Capture.Delivered.Packets, whole.lost(), whole.Capture.Delivered.Packets)
	}
	var har struct{ Log struct{ Comment string } }
	if err := json.Unmarshal([]byte(p.read("run.har")), &har); err != nil || !strings.Contains(har.Log.Comment, "lost: the ring was full") {
		t.Errorf("run.har: %v, says %q", err, har.Log.Comment)
	}
	if r := p.lodge("tap", "diff", "run.jsonl", "run.jsonl"); r.code != 0 || !strings.Contains(r.stdout, "lost: the ring was full") {
		t.Errorf("tap diff says\n%s%s", r.stdout, r.stderr)
	}
}

func (p *project) sizeOf(name string) int64 {
	fi, err := os.Stat(filepath.Join(p.dir, name))
	if err != nil {
		return 0
	}
	return fi.Size()
}

// On a full disk each output ends the run with one line and a hint, the others are whole,
// and what was not written is counted.
func TestTapFullDisk(t *testing.T) {
	needRoot(t)
	need(t, "unshare")
	python(t)
	t.Parallel()
	e := newEnv(t, ebpf)
	e.quiet()
	p := e.project("full")
	// A capture of so many exchanges that their records are more than the disk holds.
	port, end := p.endsServer("threads")
	tap := p.tap([]string{systemPython, "testdata/tap/ends.py", "clients", "one", port, "1", "ready"}, "--json", "-o", "run.pcapng")
	p.endsRun("clients", "one", port, "3000", strings.Repeat("x", 200))
	end()
	tap.signal(syscall.SIGINT)
	if r := tap.wait(); r.code != 130 {
		t.Fatal(r)
	}
	e.inSmallState("1m")
	disk := e.state
	for _, args := range [][]string{
		{"-o", disk + "/x.jsonl", "-o", "other.jsonl", "--stat"},
		{"-o", disk + "/x.har", "-o", "other.jsonl", "--stat"},
		{"-o", disk + "/x.jsonl", "-o", "other.jsonl", "--json"},
	} {
		r := p.lodge(append([]string{"tap", "-r", "run.pcapng"}, args...)...)
		failed := lastLine(r.stderr)
		if r.code != 1 || !strings.Contains(failed, "no space left") || !strings.Contains(failed, "hint") || !strings.Contains(failed, filepath.Base(args[1])) {
			t.Errorf("tap %v: %v", args, r)
		}
		list, account := tapLines(t, p.read("other.jsonl"))
		var a tapAccount
		if err := json.Unmarshal([]byte(lastLine(p.read("other.jsonl"))), &a); err != nil {
			t.Fatal(err)
		}
		if account.Complete || a.Records.Unwritten == 0 || len(list) == 0 {
			t.Errorf("tap %v: %d lines, account %+v", args, len(list), a)
		}
		if got := a.Records.Exchanges + a.Records.Failures; a.Records.Selected > got || a.Records.Unwritten > a.Records.Selected {
			t.Errorf("tap %v: %+v", args, a.Records)
		}
		p.remove(disk, "x.jsonl", "x.har")
	}
	// Standard output, in each form.
	for _, args := range [][]string{{}, {"--json"}, {"-v"}, {"--stat", "--json"}, {"--stat"}, {"--follow", "1", "--secrets"}} {
		words := append([]string{e.bin, "tap", "-r", "run.pcapng"}, args...)
		fill := "head -c 2m /dev/zero > " + disk + "/fill 2>/dev/null; exec " + strings.Join(words, " ") + " > " + disk + "/out"
		r := p.as(e.environ, p.dir, "sh", "-c", fill)
		if r.code != 1 || strings.Count(r.stderr, "no space left") != 1 {
			t.Errorf("tap %v > on a full disk: %v", args, r)
		}
		p.remove(disk, "fill", "out")
	}
}

// remove removes files on the small file system.
func (p *project) remove(dir string, names ...string) {
	p.t.Helper()
	for _, name := range names {
		p.as(p.environ, p.dir, "rm", "-f", filepath.Join(dir, name)).ok(p.t)
	}
}

// Packets that find no room on the disk end a live tap: what was written until then can be
// read, and the account says what is not there.
func TestTapPacketsOnFullDisk(t *testing.T) {
	needRoot(t)
	need(t, "unshare")
	python(t)
	t.Parallel()
	e := newEnv(t, ebpf)
	e.quiet()
	there := e.prefix
	e.inSmallState("1m")
	e.prefix = append(e.prefix, there...)
	p := e.project("packets")
	disk := e.state
	port, _ := p.endsServer("threads")
	tap := p.start("tap", "--json", "-o", disk+"/x.pcapng", "-o", "other.jsonl")
	for deadline := time.Now().Add(commandLimit); ; {
		select {
		case <-tap.done:
		default:
			if time.Now().After(deadline) {
				t.Fatal("the disk does not become full")
			}
			p.endsRun("clients", "one", port, "500", strings.Repeat("x", 500))
			continue
		}
		break
	}
	r := tap.wait()
	if failed := lastLine(r.stderr); r.code != 1 || !strings.Contains(failed, "x.pcapng") || !strings.Contains(failed, "no space left") || !strings.Contains(failed, "hint") {
		t.Errorf("status %d: %s", r.code, r.stderr)
	}
	a := accountOf(t, "other.jsonl", []byte(lastLine(p.read("other.jsonl"))))
	if a.Complete || a.Records.Unwritten == 0 {
		t.Errorf("%+v", a)
	}
	again := p.lodge("tap", "-r", disk+"/x.pcapng", "--json")
	list, _ := tapLines(t, again.stdout)
	if len(list) == 0 {
		t.Errorf("nothing can be read of the packets: %s", again.stderr)
	}
}
