package test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// note remembers which homes and cgroups there are, to look for them when they
// should be gone.
func (e *env) note() {
	records, _ := filepath.Glob(filepath.Join(e.lodgeRuntime(), "k", "*.json"))
	for _, r := range records {
		var rec struct {
			Config struct {
				Cgroup string `json:"cgroup"`
				Home   struct {
					ID  string
					IP4 netip.Addr
				} `json:"home"`
				Dir string `json:"dir"`
			} `json:"config"`
		}
		b, err := os.ReadFile(r)
		if err != nil || json.Unmarshal(b, &rec) != nil {
			continue
		}
		if c := rec.Config.Cgroup; c != "" {
			e.cgroups = append(e.cgroups, c)
		}
		e.homes = append(e.homes, lsProject{ID: rec.Config.Home.ID, Home: rec.Config.Home.IP4, Path: rec.Config.Dir})
	}
}

// close stops everything and checks that nothing is left.
func (e *env) close() {
	e.note()
	if r := e.lodge(e.base, "down", "--all"); r.code != 0 {
		e.t.Errorf("end everything: %v", r)
	}
	e.gone()
	if e.t.Failed() {
		if b, err := os.ReadFile(filepath.Join(e.state, "lodge", "daemon.log")); err == nil && len(b) > 0 {
			e.t.Logf("the daemon's log:\n%s", b)
		}
	}
	e.kill() // so that a failure leaves nothing either
}

// gone waits until nothing of this environment is left on the machine.
func (e *env) gone() {
	e.t.Helper()
	var left []string
	ok := false
	for deadline := newDeadline(); !ok && !deadline.over(); deadline.tick() {
		left = e.left()
		ok = len(left) == 0
	}
	if !ok {
		e.t.Errorf("left behind after everything was stopped:\n%s", strings.Join(left, "\n"))
	}
}

// left lists what of this environment is still there.
func (e *env) left() []string {
	var out []string
	for _, p := range e.processes() {
		out = append(out, "process "+p.String())
	}
	for _, c := range e.cgroups {
		for _, dir := range []string{c, filepath.Dir(c)} {
			if _, err := os.Stat(dir); err == nil {
				out = append(out, "cgroup "+dir)
			}
		}
	}
	if e.engine == ebpf && e.netns == "" {
		on := addresses()
		for _, h := range e.homes {
			if ip := home6(h.Home); slices.Contains(on, ip) {
				out = append(out, "address "+ip.String()+" on lo")
			}
		}
	}
	for _, pattern := range []string{"lodge.sock", "k/*"} {
		files, _ := filepath.Glob(filepath.Join(e.lodgeRuntime(), pattern))
		for _, f := range files {
			out = append(out, "file "+f)
		}
	}
	return out
}

// proc is a process as /proc shows it.
type proc struct {
	pid     int
	cmdline []string
}

func (p proc) String() string { return fmt.Sprintf("%d: %s", p.pid, strings.Join(p.cmdline, " ")) }

// processes lists those that this environment started: they have its path in
// their command line, environment or working directory, or its user.
func (e *env) processes() []proc {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	var out []proc
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil || pid == os.Getpid() {
			continue
		}
		cmdline, err := os.ReadFile(dir + "/cmdline")
		if err != nil || len(cmdline) == 0 { // gone, a zombie, or a kernel thread
			continue
		}
		environ, _ := os.ReadFile(dir + "/environ")
		cwd, _ := os.Readlink(dir + "/cwd")
		text := string(cmdline) + "\x00" + string(environ) + "\x00" + cwd + "/"
		mine := strings.Contains(text, e.base+"/")
		for _, h := range e.homes {
			mine = mine || strings.Contains(text, "LODGE_HOME_ID="+h.ID+"\x00") || strings.Contains(text, "LODGE_HOME="+h.Home.String()+"\x00")
		}
		var st unix.Stat_t
		if e.uid >= 1<<30 && unix.Stat(dir, &st) == nil {
			mine = mine || int(st.Uid) == e.uid
		}
		if mine {
			out = append(out, proc{pid, strings.Split(strings.TrimRight(string(cmdline), "\x00"), "\x00")})
		}
	}
	return out
}

// kill ends what a failed test left.
func (e *env) kill() {
	for _, p := range e.processes() {
		_ = unix.Kill(p.pid, unix.SIGKILL)
	}
	for _, c := range e.cgroups {
		_ = os.WriteFile(filepath.Join(c, "cgroup.kill"), []byte("1"), 0)
		var dirs []string
		_ = filepath.WalkDir(c, func(p string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, p)
			}
			return nil
		})
		slices.Reverse(dirs)
		for _, d := range append(dirs, filepath.Dir(c)) {
			for deadline := newDeadline(); !deadline.over(); deadline.tick() {
				if err := unix.Rmdir(d); err != unix.EBUSY {
					break
				}
			}
		}
	}
}

// home6 returns the IPv6 address of a home: fd6c:6f64:6765::/96 and the IPv4
// address in its low bits.
func home6(ip4 netip.Addr) netip.Addr {
	out := netip.MustParseAddr("fd6c:6f64:6765::").As16()
	v4 := ip4.As4()
	copy(out[12:], v4[:])
	return netip.AddrFrom16(out)
}

func addresses() []netip.Addr {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		return nil
	}
	addrs, _ := lo.Addrs()
	var out []netip.Addr
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			out = append(out, p.Addr())
		}
	}
	return out
}
