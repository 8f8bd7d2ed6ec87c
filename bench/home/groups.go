package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// inGroups makes a place for plain programs in cgroups like those of a home,
// just as deep, with nothing attached to them. The kernel keeps accounts of
// every cgroup and of all above it at each change of process (cgroup-v2.rst,
// "CPU" and "PSI"), by whatever program; a session of systemd has as many. What a
// home costs more than this is lodge's.
func (b *bench) inGroups(ctx context.Context, l *lodge, dir string, p *place) error {
	mount := cgroupMount()
	if os.Geteuid() != 0 || mount == "" {
		p.missing = "needs root and cgroup2"
		return nil
	}
	out, err := l.do(ctx, dir, "exec", "--engine", "ebpf", "--", "/bin/cat", "/proc/self/cgroup")
	if err != nil {
		p.missing = "the engine ebpf has no homes here to be like"
		return nil
	}
	inside := ownGroup(out)
	if inside == "" {
		return errors.New("find cgroup of a home: the process is in none")
	}
	// Two leaves side by side: client and server are two programs of a home.
	parent := filepath.Join(mount, fmt.Sprintf("lodge-bench-%d", os.Getpid()))
	top := parent
	for range strings.Count(inside, "/") - 2 {
		parent = filepath.Join(parent, "g")
	}
	b.w.Later(func(context.Context) error { return removeGroups(top) })
	off := pressureOff(mount, inside)
	for _, leaf := range []string{"serve", "ask"} {
		if err := os.MkdirAll(filepath.Join(parent, leaf), 0o755); err != nil {
			return fmt.Errorf("make cgroup: %w", err)
		}
	}
	for _, g := range groupsBelow(top) {
		// As lodge has it: accounts of pressure can be switched off for each.
		if off {
			if err := os.WriteFile(filepath.Join(g, "cgroup.pressure"), []byte("0"), 0); err != nil {
				return fmt.Errorf("switch pressure accounts off: %w", err)
			}
		}
	}
	in := func(leaf string) []string {
		return []string{"/bin/sh", "-c", `echo $$ >"$0" && exec "$@"`, filepath.Join(parent, leaf, "cgroup.procs")}
	}
	p.server, p.client = in("serve"), in("ask")
	return nil
}

// ownGroup reads the cgroup2 line of /proc/PID/cgroup (cgroups(7)).
func ownGroup(b string) string {
	for l := range strings.Lines(b) {
		if g, ok := strings.CutPrefix(strings.TrimSpace(l), "0::"); ok && g != "/" {
			return g
		}
	}
	return ""
}

// pressureOff reports whether the home's own cgroup, one above the command's that
// is gone by now, keeps no account of pressure.
func pressureOff(mount, inside string) bool {
	b, err := os.ReadFile(filepath.Join(mount, filepath.Dir(inside), "cgroup.pressure"))
	return err == nil && strings.TrimSpace(string(b)) == "0"
}

// groupsBelow lists a cgroup and those in it, parents first.
func groupsBelow(dir string) []string {
	out := []string{dir}
	ents, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, e := range ents {
		if e.IsDir() {
			out = append(out, groupsBelow(filepath.Join(dir, e.Name()))...)
		}
	}
	return out
}

func removeGroups(dir string) error {
	all := groupsBelow(dir)
	var errs []error
	for i := len(all) - 1; i >= 0; i-- {
		errs = append(errs, os.Remove(all[i]))
	}
	return errors.Join(errs...)
}
