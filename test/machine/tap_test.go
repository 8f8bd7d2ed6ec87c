package machine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tapped is what these tests read of a line of `lodge tap --json`.
type tapped struct {
	Kind, Protocol, Method, Target, Failure string
	Status                                  int
	Client, Server                          tappedEnd
	Complete                                bool
	Capture                                 struct {
		Seen, Delivered packets
		LeftOut         map[string]packets `json:"left_out"`
		Lost            map[string]packets
	}
	Records struct{ Ends, Attributed int }
}

type packets struct{ Packets int }

type tappedEnd struct {
	Port      int
	Source    string
	Processes []struct {
		PID  int
		Name string
	}
}

func (e tappedEnd) first() (pid int, name string) {
	if len(e.Processes) == 0 {
		return 0, "nobody"
	}
	return e.Processes[0].PID, e.Processes[0].Name
}

// running is a program that runs until the test ends it.
type running struct {
	t         *testing.T
	cmd       *exec.Cmd
	out, errs string // files
	done      chan error
}

// start starts a command of the user's, in a directory of its own.
func (u *user) start(dir, name string, argv ...string) *running {
	u.t.Helper()
	r := &running{t: u.t, out: u.path(name + ".out"), errs: u.path(name + ".err"), done: make(chan error, 1)}
	out, err := os.Create(r.out)
	errs, err2 := os.Create(r.errs)
	if err := errors.Join(err, err2); err != nil {
		u.t.Fatal(err)
	}
	r.cmd = exec.Command(argv[0], argv[1:]...)
	r.cmd.Dir, r.cmd.Env, r.cmd.Stdout, r.cmd.Stderr = u.path(dir), u.env, out, errs
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(u.uid), Gid: uint32(u.uid)}}
	if err := r.cmd.Start(); err != nil {
		u.t.Fatal(err)
	}
	_, _ = out.Close(), errs.Close() // they are the child's
	go func() { r.done <- r.cmd.Wait() }()
	u.t.Cleanup(func() { _ = r.cmd.Process.Kill() })
	return r
}

func (r *running) text(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(b)
}

// end interrupts it, and waits for its end.
func (r *running) end() {
	r.t.Helper()
	if err := r.cmd.Process.Signal(unix.SIGINT); err != nil {
		r.t.Fatal(err)
	}
	select {
	case <-r.done:
	case <-time.After(limit):
		r.t.Fatalf("%v does not end: %s", r.cmd.Args, r.text(r.errs))
	}
}

// knowsSenders reports whether this kernel tells who sent a packet of lo (tcx, Linux 6.6).
func knowsSenders(t *testing.T) bool {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		t.Fatal(err)
	}
	var major, minor int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &major, &minor); err != nil {
		t.Fatal(err)
	}
	return major > 6 || major == 6 && minor >= 6
}

// lodge tap on the machine's own lo: as root, and as an ordinary user through the helper
// that `lodge setup` installs. Where the kernel does not tell who sent a packet, root has
// the packets of a packet socket with the processes of the tables of sockets, and an
// ordinary user is told what is missing.
func TestTap(t *testing.T) {
	lodge := filepath.Join(programs(t), "lodge")
	root, u := newUser(t, 0), newUser(t, 12346)
	root.do("", lodge, "setup")
	t.Cleanup(func() { root.do("", lodge, "setup", "--uninstall") })
	t.Run("root", func(t *testing.T) { tapMachine(t, root, lodge, "5010", true) })
	t.Run("user", func(t *testing.T) {
		if !knowsSenders(t) {
			r := u.start("", "refused", lodge, "tap")
			select {
			case <-r.done:
			case <-time.After(limit):
				t.Fatal("lodge tap does not end")
			}
			if said := r.text(r.errs); r.cmd.ProcessState.ExitCode() != 1 || strings.Count(said, "\n") != 1 || !strings.Contains(said, "6.6") || !strings.Contains(said, "hint") {
				t.Errorf("status %d: %s", r.cmd.ProcessState.ExitCode(), said)
			}
			return
		}
		tapMachine(t, u, lodge, "5011", false)
	})
}

// tapMachine taps while the user's own server is asked. all: failed connections to ports
// of nobody are seen too.
func tapMachine(t *testing.T, u *user, lodge, port string, all bool) {
	u.t = t
	server := u.start("", "server", "/usr/bin/python3", "-m", "http.server", "--bind", "127.0.0.1", port)
	url := "http://127.0.0.1:" + port + "/"
	eventually(t, func() string {
		if got := get(url); got != "200" {
			return got + server.text(server.errs)
		}
		return ""
	})
	tap := u.start("", "tap", lodge, "tap", "--json", "-o", "run.pcapng", "-o", "run.jsonl", "port="+port)
	curl := func(path string) {
		t.Helper()
		u.do("", "curl", "-s", "-o", "/dev/null", url+path)
	}
	eventually(t, func() string {
		if curl("ready"); strings.Contains(tap.text(tap.out), "/ready") {
			return ""
		}
		return "lodge tap sees nothing: " + tap.text(tap.errs)
	})
	const n = 20
	for i := range n {
		curl(fmt.Sprint("item/", i))
	}
	tap.end()
	if code := tap.cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("status %d: %s", code, tap.text(tap.errs))
	}
	records, account := tappedLines(t, tap.text(tap.out))
	found := 0
	for _, l := range records {
		if !strings.HasPrefix(l.Target, "/item/") {
			continue
		}
		found++
		_, client := l.Client.first()
		pid, name := l.Server.first()
		if l.Status != 404 || pid != server.cmd.Process.Pid || !strings.HasPrefix(name, "python3") {
			t.Errorf("%s = %d by %d %s (%s)", l.Target, l.Status, pid, name, l.Server.Source)
		}
		if knowsSenders(t) && client != "curl" {
			t.Errorf("%s is asked by %s (%s)", l.Target, client, l.Client.Source)
		}
	}
	if found != n {
		t.Errorf("%d requests of %d", found, n)
	}
	sum := account.Capture.Delivered.Packets
	for _, m := range []map[string]packets{account.Capture.LeftOut, account.Capture.Lost} {
		for _, p := range m {
			sum += p.Packets
		}
	}
	if account.Capture.Seen.Packets != sum || !account.Complete {
		t.Errorf("of %d packets %d are accounted for, complete: %v", account.Capture.Seen.Packets, sum, account.Complete)
	}
	if knowsSenders(t) && account.Records.Attributed != account.Records.Ends {
		t.Errorf("processes are known at %d of %d ends", account.Records.Attributed, account.Records.Ends)
	}
	t.Logf("processes are known at %d of %d ends; %d packets", account.Records.Attributed, account.Records.Ends, account.Capture.Seen.Packets)
	again, _ := tappedLines(t, u.do("", lodge, "tap", "-r", "run.pcapng", "--json", "port="+port))
	if len(again) != len(records) {
		t.Errorf("%d records in the file of packets, %d live", len(again), len(records))
	}
	if !all {
		return
	}
	// Who is refused.
	failing := u.start("", "failing", lodge, "tap", "--json", "-o", "failed.jsonl", "port=9", "failure")
	eventually(t, func() string {
		_ = exec.Command("curl", "-s", "http://127.0.0.1:9/").Run() // it is refused
		if strings.Contains(failing.text(failing.out), `"failure":"refused"`) {
			return ""
		}
		return "no refusal is seen: " + failing.text(failing.errs)
	})
	failing.end()
}

func tappedLines(t *testing.T, text string) (list []tapped, account tapped) {
	t.Helper()
	for line := range bytes.Lines([]byte(text)) {
		var l tapped
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatalf("read a line of lodge tap: %v\n%s", err, line)
		}
		list = append(list, l)
	}
	if len(list) == 0 || list[len(list)-1].Kind != "account" {
		t.Fatalf("there is no account at the end of\n%s", text)
	}
	return list[:len(list)-1], list[len(list)-1]
}
