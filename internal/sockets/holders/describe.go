package holders

import (
	"context"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/procfs"
)

// Details says what is read of a process beside its name and command line.
type Details uint8

const (
	ReadExecutable Details = 1 << iota
	ReadDirectory          // the working directory
	readCgroup
	readParents

	ReadAll = ReadExecutable | ReadDirectory | readCgroup | readParents
)

// ticks is USER_HZ, the clock ticks of /proc a second: 100 on everything that
// Go's Linux ports run on.
const ticks = 100

// BootTime returns the time at which CLOCK_BOOTTIME was zero.
func BootTime() time.Time {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return time.Time{}
	}
	return time.Now().UTC().Add(-time.Duration(ts.Nano()))
}

// ReadPlace is what says where a process belongs: its project, its unit, its container.
const ReadPlace = readCgroup

// Describe reads what f asks for of one process, or returns nil if it has ended.
func Describe(ctx context.Context, f Request, pid int) *Process {
	if ctx.Err() != nil {
		return nil
	}
	dir, err := unix.Open("/proc/"+strconv.Itoa(pid), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer func() { _ = unix.Close(dir) }() // only read from
	return (&searcher{search: &search{Request: f}}).describe(dir, pid, len(f.Homes) > 0)
}

// describe reads what is told of a process, by way of its open directory. It
// returns nil if the process is gone. inside says that it may be a service's.
func (w *searcher) describe(dir, pid int, inside bool) *Process {
	b, err := w.read(dir, "stat")
	if err != nil {
		return nil
	}
	stat, err := procfs.ParseStat(b)
	if err != nil {
		return nil
	}
	var st unix.Stat_t
	if unix.Fstat(dir, &st) != nil {
		return nil
	}
	p := &Process{PID: pid, Start: stat.Start, Name: stat.Name, UID: st.Uid, ParentPID: stat.Parent}
	if !w.Boot.IsZero() {
		at := StartedAt(w.Boot, stat.Start)
		p.StartedAt = &at
	}
	if b, err := w.read(dir, "cmdline"); err == nil {
		p.Command = commandLine(b)
	}
	if w.Details&ReadExecutable != 0 {
		p.Executable = w.readlink(dir, "exe")
	}
	if w.Details&ReadDirectory != 0 {
		p.Directory = w.readlink(dir, "cwd")
	}
	if w.Details&readCgroup != 0 || inside {
		if b, err := w.read(dir, "cgroup"); err == nil {
			p.Cgroup = procfs.ParseCgroup(b)
			p.Unit, p.Container = procfs.Unit(p.Cgroup), procfs.Container(p.Cgroup)
		}
	}
	if inside {
		readHome(w, dir, p)
	}
	return p
}

// complete reads the name, the user and the command line of a process, if it is still
// the one that p is of. That it is, is looked at last: what was read before is then of
// this process.
func (w *searcher) complete(p *Process) {
	dir := strconv.Itoa(p.PID)
	b, err := w.read(w.proc, dir+"/cmdline")
	command := p.Command
	if err == nil {
		command = commandLine(b)
	}
	var st unix.Stat_t
	if unix.Fstatat(w.proc, dir, &st, 0) != nil {
		return
	}
	if b, err = w.read(w.proc, dir+"/stat"); err != nil {
		return
	}
	if stat, err := procfs.ParseStat(b); err == nil && stat.Start == p.Start {
		p.Name, p.ParentPID, p.UID, p.Command = stat.Name, stat.Parent, st.Uid, command
	}
}

// commandLine returns the command line of what was read of /proc/PID/cmdline.
func commandLine(b []byte) string {
	text := procfs.CommandLine(b[:min(len(b), commandLimit)])
	if len(b) > commandLimit {
		text += " …"
	}
	return text
}

// commandLimit bounds the command line, in bytes: a Java class path can fill
// megabytes.
const commandLimit = 4 << 10

func (w *searcher) readlink(dir int, name string) string {
	n, err := unix.Readlinkat(dir, name, w.file[:])
	if err != nil || n <= 0 || n >= len(w.file) {
		return ""
	}
	return string(w.file[:n])
}
