package test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// endsLine is what these tests read of a record: both ends, and what they said of
// themselves.
type endsLine struct {
	Kind, Target, Failure string
	Client, Server        endsEnd
	Response              struct{ Body string }
}

type endsEnd struct {
	Source    string
	Container string
	Processes []struct {
		PID   int
		Start uint64 `json:"start_ticks"`
		Name  string
	}
	Behind *struct {
		IP        string
		Port      int
		Container string
		Processes []struct{ PID int }
	}
}

// first names the process that a record has first at an end, as ends.py names itself.
func (e endsEnd) first() string {
	if len(e.Processes) == 0 {
		return "nobody"
	}
	return fmt.Sprintf("%d/%d", e.Processes[0].PID, e.Processes[0].Start)
}

// endsServer starts a server of testdata/tap/ends.py, and returns its port and what
// ends it.
func (p *project) endsServer(mode string) (port string, end func()) {
	p.t.Helper()
	cmd := p.beside(systemPython, "testdata/tap/ends.py", "serve", mode)
	in, err := cmd.StdinPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	ended := false
	end = func() {
		if !ended {
			ended = true
			_ = in.Close()
			_ = cmd.Wait() // it is killed
		}
	}
	p.t.Cleanup(end)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		p.t.Fatalf("server %s: %v", mode, err)
	}
	return strings.TrimSpace(line), end
}

func (p *project) endsRun(args ...string) string {
	p.t.Helper()
	out, err := p.beside(append([]string{systemPython, "testdata/tap/ends.py"}, args...)...).CombinedOutput()
	if err != nil {
		p.t.Fatalf("ends.py %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Ten thousand connections of less than a millisecond each, by one process and by
// processes that end at once, to servers whose workers share a listener, a port, or get
// their connections passed: both ends of each are named, with process id and start time,
// and it is the process that really reads and writes. So are those who were refused, and
// those whose connection is older than the tap.
func TestTapNamesBothEnds(t *testing.T) {
	needRoot(t)
	python(t)
	t.Parallel()
	e := newEnv(t, ebpf)
	e.quiet()
	p := e.project("ends")
	modes := []string{"fork", "reuseport", "passed", "threads", "each"}
	ports := map[string]string{}
	for _, mode := range modes {
		ports[mode], _ = p.endsServer(mode)
	}
	const older = 4 // as many as the server has threads
	before := p.beside(systemPython, "testdata/tap/ends.py", "older", ports["threads"], itoa(older), "older")
	in, err := before.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := before.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := before.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	tap := p.tap([]string{systemPython, "testdata/tap/ends.py", "clients", "one", ports["fork"], "1", "ready"}, "--json", "-o", "run.pcapng", "-o", "run.jsonl")
	if _, err := io.WriteString(in, "\n"); err != nil {
		t.Fatal(err)
	}
	if err := before.Wait(); err != nil {
		t.Fatal(err)
	}
	const each = 1000
	for _, mode := range modes {
		for _, kind := range []string{"one", "forks"} {
			p.endsRun("clients", kind, ports[mode], itoa(each), mode)
		}
	}
	const refusals = 200
	wanted := map[string]bool{}
	for who := range strings.Lines(p.endsRun("refused", "9", itoa(refusals))) {
		wanted[strings.TrimSpace(who)] = true
	}
	tap.signal(syscall.SIGINT)
	r := tap.wait()
	if r.code != 130 {
		t.Fatal(r.stderr)
	}
	count, refused, wrong := map[string]int{}, map[string]bool{}, 0
	for line := range strings.Lines(p.read("run.jsonl")) {
		var l endsLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		if l.Kind == "failure" {
			refused[l.Client.first()] = true
			continue
		}
		if l.Kind != "request" {
			continue
		}
		mode, client, _ := strings.Cut(strings.TrimPrefix(l.Target, "/"), "/")
		count[mode]++
		if l.Client.first() != client || l.Server.first() != l.Response.Body {
			if wrong++; wrong <= 20 {
				t.Errorf("%s: %s (%s) → %s (%s), they are %s → %s", mode, l.Client.first(), l.Client.Source, l.Server.first(), l.Server.Source, client, l.Response.Body)
				t.Log(strings.TrimSpace(line))
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%d connections have other processes\n%s", wrong, lastLine(r.stdout))
	}
	want := map[string]int{"older": older}
	for _, mode := range modes {
		want[mode] = 2 * each
	}
	delete(count, "ready")
	if !maps.Equal(count, want) {
		t.Errorf("connections %v, want %v", count, want)
	}
	if !maps.Equal(refused, wanted) {
		t.Errorf("%d processes were refused, %d are named: %v", len(wanted), len(refused), slices.Sorted(maps.Keys(refused))[:min(5, len(refused))])
	}
	_, account := tapLines(t, r.stdout)
	if n := account.Records; n.Attributed != n.Ends || n.Ends < 2*len(modes)*2*each || !account.Complete {
		t.Errorf("processes are known at %d of %d ends, complete %v\n%s", n.Attributed, n.Ends, account.Complete, r.stderr)
	}
	// The file of packets has them too.
	_, again := tapLines(t, p.lodge("tap", "-r", "run.pcapng", "--json").ok(t)+"\n")
	if n := again.Records; n.Attributed != n.Ends || n.Ends != account.Records.Ends {
		t.Errorf("in the file, processes are known at %d of %d ends; live, at %d", n.Attributed, n.Ends, account.Records.Ends)
	}
}

// dockerProxy returns Docker's proxy of published ports, or the name of a program that
// behaves like it.
func dockerProxy(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"/usr/sbin/docker-proxy", "/usr/bin/docker-proxy", "/usr/libexec/docker/docker-proxy"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	path, err := filepath.Abs("testdata/tap/docker-proxy")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// A client, Docker's proxy of a published port and the server in the container are one
// chain. The proxy is Docker's own where it is installed.
func TestTapBehindDockerProxy(t *testing.T) {
	needRoot(t)
	python(t)
	need(t, "curl")
	t.Parallel()
	e := newEnv(t, ebpf)
	e.quiet()
	p := e.project("docker")
	container := lone(t, "docker")
	e.join(container, "10.88.7.1", "10.88.7.2")
	server := background(t, in(container, systemPython, "-m", "http.server", "--bind", "10.88.7.2", "5000"))
	proxy := background(t, p.beside(dockerProxy(t), "-proto", "tcp", "-host-ip", "127.0.0.1", "-host-port", "8085", "-container-ip", "10.88.7.2", "-container-port", "5000"))
	eventually(t, func() string {
		if out, err := p.beside("curl", "-sf", "-o", "/dev/null", "http://127.0.0.1:8085/").CombinedOutput(); err != nil {
			return fmt.Sprintf("curl: %v: %s\n%s%s", err, out, proxy.stderr(), server.stderr())
		}
		return ""
	})
	tap := p.tap([]string{"curl", "-s", "-o", "/dev/null", "http://127.0.0.1:8085/"}, "--json", "-o", "run.jsonl", "process=curl")
	tap.signal(syscall.SIGINT)
	if r := tap.wait(); r.code != 130 {
		t.Fatal(r)
	}
	line, _, _ := strings.Cut(p.read("run.jsonl"), "\n")
	var l struct {
		Client, Server endsEnd
	}
	if err := json.Unmarshal([]byte(line), &l); err != nil {
		t.Fatal(err)
	}
	b := l.Server.Behind
	if len(l.Client.Processes) == 0 || l.Client.Processes[0].Name != "curl" || len(l.Server.Processes) == 0 || l.Server.Processes[0].PID != proxy.cmd.Process.Pid {
		t.Errorf("the ends are %s", line)
	}
	if b == nil || b.IP != "10.88.7.2" || b.Port != 5000 || len(b.Processes) != 1 || b.Processes[0].PID != server.cmd.Process.Pid || b.Container == "" {
		t.Errorf("behind the proxy is %+v\n%s", b, line)
	}
}

// join gives this environment's network namespace and another one an address each, by a
// pair of interfaces.
func (e *env) join(other, here, there string) {
	e.t.Helper()
	ip := need(e.t, "ip")
	for _, argv := range [][]string{
		{"-n", e.netns, "link", "add", "dock0", "type", "veth", "peer", "name", "eth0", "netns", other},
		{"-n", e.netns, "addr", "add", here + "/24", "dev", "dock0"},
		{"-n", e.netns, "link", "set", "dock0", "up"},
		{"-n", other, "addr", "add", there + "/24", "dev", "eth0"},
		{"-n", other, "link", "set", "eth0", "up"},
	} {
		if out, err := exec.Command(ip, argv...).CombinedOutput(); err != nil {
			e.t.Fatalf("ip %s: %v\n%s", strings.Join(argv, " "), err, out)
		}
	}
}
