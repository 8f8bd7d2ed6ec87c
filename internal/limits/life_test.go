package limits

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// machine is a kernel's files in a directory.
type machine struct {
	t   *testing.T
	dir string
	k   kernel
}

func newMachine(t *testing.T) *machine {
	m := &machine{t: t, dir: t.TempDir()}
	m.k = kernel{proc: m.dir + "/proc"}
	m.write("proc/vmstat", "oom_kill 4\n")
	m.write("proc/loadavg", "0.00 0.01 0.05 1/123 4567\n")
	m.write("proc/sys/kernel/threads-max", "100000\n")
	m.write("proc/sys/kernel/pid_max", "32768\n")
	return m
}

func (m *machine) write(name, text string) {
	m.t.Helper()
	p := filepath.Join(m.dir, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

// in puts this process, and process 1 of the machine, into cgroups.
func (m *machine) in(self, its string) {
	m.write("proc/self/cgroup", self)
	m.write("proc/1/cgroup", its)
}

// unified has version 2 with a limit of memory for /app, whose processes are in
// /app/web, and one of processes.
func (m *machine) unified() {
	m.write("proc/self/mountinfo", "29 23 0:26 / "+m.dir+"/cg rw - cgroup2 cgroup2 rw\n")
	m.events("/app", 0, 0)
	m.events("/app/web", 0, 0)
	m.write("cg/app/memory.max", "67108864\n")
	m.write("cg/app/web/memory.max", "max\n")
	for _, g := range []string{"/app", "/app/web"} {
		m.write("cg"+g+"/pids.events", "max 0\n")
		m.write("cg"+g+"/pids.max", "max\n")
		m.write("cg"+g+"/pids.current", "3\n")
	}
}

func (m *machine) events(group string, oom, kills int) {
	m.write("cg"+group+"/memory.events", fmt.Sprintf("low 0\nhigh 0\nmax 9\noom %d\noom_kill %d\noom_group_kill 0\n", oom, kills))
}

// legacy has version 1, in the same way.
func (m *machine) legacy() {
	m.write("proc/self/mountinfo", "30 25 0:27 / "+m.dir+"/mem rw - cgroup cgroup rw,memory\n31 25 0:28 / "+m.dir+"/pid rw - cgroup cgroup rw,pids\n")
	for _, g := range []string{"", "/app", "/app/web"} {
		m.write("mem"+g+"/memory.limit_in_bytes", "9223372036854771712\n")
		m.control(g, 0, 0)
		if g != "" {
			m.write("pid"+g+"/pids.events", "max 0\n")
			m.write("pid"+g+"/pids.max", "max\n")
			m.write("pid"+g+"/pids.current", "3\n")
		}
	}
	m.write("mem/app/memory.limit_in_bytes", "67108864\n")
}

func (m *machine) control(group string, failed, kills int) {
	m.write("mem"+group+"/memory.oom_control", fmt.Sprintf("oom_kill_disable 0\nunder_oom 0\noom_kill %d\n", kills))
	m.write("mem"+group+"/memory.failcnt", fmt.Sprintf("%d\n", failed))
}

const (
	inApp  = "0::/app\n"
	inWeb  = "0::/app/web\n"
	inApp1 = "8:pids:/app\n4:memory:/app\n0::/\n"
	inWeb1 = "8:pids:/app/web\n4:memory:/app/web\n0::/\n"
)

func TestKilled(t *testing.T) {
	const limit2, limit1 = "memory.max of cgroup /app: 64 MiB", "memory.limit_in_bytes of cgroup /app: 64 MiB"
	for name, c := range map[string]struct {
		make      func(m *machine)
		self, its string
		then      func(m *machine)
		want      string
		sure      bool
	}{
		"nothing happened": {(*machine).unified, inApp, inWeb, func(m *machine) {}, "", false},
		"a limit above": {(*machine).unified, inApp, inWeb, func(m *machine) {
			m.events("/app", 1, 1)
			m.events("/app/web", 0, 1)
		}, limit2, true},
		"its own limit": {(*machine).unified, inApp, inWeb, func(m *machine) {
			m.write("cg/app/web/memory.max", "1048576\n")
			m.events("/app", 1, 1)
			m.events("/app/web", 1, 1)
		}, "memory.max of cgroup /app/web: 1 MiB", true},
		"another cgroup's process": {(*machine).unified, inApp, inWeb, func(m *machine) {
			m.events("/app", 1, 1)
			m.write("proc/vmstat", "oom_kill 5\n")
		}, "", false},
		"in a cgroup with others": {(*machine).unified, inWeb, inWeb, func(m *machine) {
			m.events("/app", 1, 1)
			m.events("/app/web", 0, 1)
		}, limit2, false},
		"the machine": {(*machine).unified, inApp, inWeb, func(m *machine) {
			m.events("/app", 0, 1)
			m.events("/app/web", 0, 1)
			m.write("proc/vmstat", "oom_kill 5\n")
		}, "the machine had no memory left", true},
		"no cgroups to be seen": {func(m *machine) { m.write("proc/self/mountinfo", "") }, inApp, inWeb, func(m *machine) {
			m.write("proc/vmstat", "oom_kill 5\n")
		}, "the machine had no memory left", false},
		"no cgroups to be seen, and nothing happened": {func(m *machine) { m.write("proc/self/mountinfo", "") }, inApp, inWeb, func(m *machine) {}, "", false},
		"version 1, a limit above": {(*machine).legacy, inApp1, inWeb1, func(m *machine) {
			m.control("/app", 12, 0)
			m.control("/app/web", 0, 1)
		}, limit1, true},
		"version 1, another cgroup's process": {(*machine).legacy, inApp1, inWeb1, func(m *machine) {
			m.control("/app", 12, 1)
			m.write("proc/vmstat", "oom_kill 5\n")
		}, "", false},
		"version 1, in a cgroup with others": {(*machine).legacy, inApp1, inApp1, func(m *machine) {
			m.control("/app", 12, 1)
		}, limit1, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			c.make(m)
			m.in(c.self, c.its)
			l := m.k.begin(1)
			c.then(m)
			got, sure := l.Killed()
			if got != c.want || sure != c.sure && got != "" {
				t.Errorf("%q, sure %v; want %q, %v", got, sure, c.want, c.sure)
			}
		})
	}
}

// TestMoved: a process that has moved to another cgroup is followed there, and
// not to the root, where version 1 shows those that have ended.
func TestMoved(t *testing.T) {
	m := newMachine(t)
	m.legacy()
	m.in(inApp1, inApp1)
	l := m.k.begin(1)
	m.control("/app/web", 0, 7) // before it came
	m.in(inApp1, inWeb1)
	l.Again()
	m.in(inApp1, "8:pids:/\n4:memory:/\n0::/\n")
	l.Again()
	if got, _ := l.Killed(); got != "" {
		t.Errorf("nothing has happened: %q", got)
	}
	m.control("/app", 3, 0)
	m.control("/app/web", 0, 8)
	if got, sure := l.Killed(); !strings.HasSuffix(got, "cgroup /app: 64 MiB") || !sure {
		t.Errorf("%q, %v", got, sure)
	}
}

func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		make func(m *machine)
		in   string
		then func(m *machine)
		want string
	}{
		"nothing": {(*machine).unified, inWeb, func(*machine) {}, ""},
		"counted where the limit is": {(*machine).unified, inWeb, func(m *machine) { // Linux 6.11 and later
			m.write("cg/app/pids.max", "20\n")
			m.write("cg/app/pids.events", "max 2\n")
		}, "pids.max of cgroup /app: 20"},
		"counted where the process is": {(*machine).unified, inWeb, func(m *machine) {
			m.write("cg/app/pids.max", "20\n")
			m.write("cg/app/web/pids.max", "100\n")
			m.write("cg/app/pids.current", "19\n")
			m.write("cg/app/web/pids.events", "max 2\n")
		}, "pids.max of cgroup /app: 20"},
		"version 1": {(*machine).legacy, inWeb1, func(m *machine) {
			m.write("pid/app/web/pids.max", "5\n")
			m.write("pid/app/web/pids.events", "max 1\n")
		}, "pids.max of cgroup /app/web: 5"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			c.make(m)
			m.in(c.in, c.in)
			l := m.k.begin(1)
			c.then(m)
			if got, _ := l.Refused(); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// TestRefusedIsSure: a refused fork is the service's own where nobody else is in
// its cgroup.
func TestRefusedIsSure(t *testing.T) {
	for own, want := range map[string]bool{inApp1: true, inWeb1: false} {
		m := newMachine(t)
		m.legacy()
		m.in(own, inWeb1)
		l := m.k.begin(1)
		m.write("pid/app/web/pids.max", "5\n")
		m.write("pid/app/web/pids.events", "max 1\n")
		if limit, sure := l.Refused(); limit == "" || sure != want {
			t.Errorf("lodge in %q: %q, %v", own, limit, sure)
		}
	}
}

func TestSystemLimit(t *testing.T) {
	m := newMachine(t)
	if got := m.k.systemLimit(); got != "" {
		t.Errorf("far from all: %q", got)
	}
	m.write("proc/loadavg", "0.00 0.01 0.05 1/32000 4567\n")
	if got := m.k.systemLimit(); got != "kernel.pid_max: 32768" {
		t.Errorf("%q", got)
	}
	m.write("proc/sys/kernel/threads-max", "32100\n")
	if got := m.k.systemLimit(); got != "kernel.threads-max: 32100" {
		t.Errorf("%q", got)
	}
}

func TestParseProcesses(t *testing.T) {
	const file = "Limit                     Soft Limit           Hard Limit           Units     \nMax cpu time              unlimited            unlimited            seconds   \n" +
		"Max processes             %s                96364                processes \nMax open files            1024                 524288               files     \n"
	for in, want := range map[string]uint64{"20": 20, "0": 0} {
		if got, ok := parseProcesses(fmt.Appendf(nil, file, in)); got != want || !ok {
			t.Errorf("%s: %d, %v", in, got, ok)
		}
	}
	for _, in := range []string{"unlimited", "", "x"} {
		if got, ok := parseProcesses(fmt.Appendf(nil, "Max processes  %s", in)); ok {
			t.Errorf("%s: %d", in, got)
		}
	}
}

// TestNow: what holds a running process back.
func TestNow(t *testing.T) {
	m := newMachine(t)
	m.legacy()
	m.in(inWeb1, inWeb1)
	if got := m.k.now(1); len(got) != 0 {
		t.Errorf("no limit: %q", got)
	}
	m.write("pid/app/pids.max", "20\n")
	m.write("pid/app/pids.current", "20\n")
	if got := m.k.now(1); len(got) != 1 || got[0] != "pids.max of cgroup /app: 20, and there are 20 processes and threads: it can start no other" {
		t.Errorf("%q", got)
	}
	m.write("pid/app/pids.current", "7\n")
	m.write("pid/app/web/pids.events", "max 3\n")
	if got := m.k.now(1); len(got) != 1 || !strings.HasPrefix(got[0], "pids.max of cgroup /app: 20; 3 forks were refused") {
		t.Errorf("%q", got)
	}
}
