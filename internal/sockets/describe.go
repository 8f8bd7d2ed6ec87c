package sockets

import (
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/procfs"
)

// details says what is read of a process beside its name and command line.
type details uint8

const (
	readExecutable details = 1 << iota
	readDirectory
	readCgroup
	// readHome reads the variables that the seccomp engine sets.
	readHome
	readParents

	readAll = readExecutable | readDirectory | readCgroup | readParents
)

// ticks is USER_HZ, the clock ticks of /proc a second: 100 on everything that
// Go's Linux ports run on.
const ticks = 100

// boot gives the time at which CLOCK_BOOTTIME was zero.
func boot() time.Time {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return time.Time{}
	}
	return time.Now().Add(-time.Duration(ts.Nano()))
}

// describe reads what is told of a process, by way of its open fd directory.
// It gives nil if the process is gone.
func (w *searcher) describe(fds, pid int) *Process {
	b, err := w.read(fds, "../stat")
	if err != nil {
		return nil
	}
	stat, err := procfs.ParseStat(b)
	if err != nil {
		return nil
	}
	var st unix.Stat_t
	if unix.Fstatat(fds, "..", &st, 0) != nil {
		return nil
	}
	p := &Process{PID: pid, Start: stat.Start, Name: stat.Name, UID: st.Uid, ParentPID: stat.Parent}
	if !w.boot.IsZero() {
		at := w.boot.Add(time.Duration(stat.Start) * (time.Second / ticks)).Round(time.Second / ticks)
		p.StartedAt = &at
	}
	if b, err := w.read(fds, "../cmdline"); err == nil {
		p.Command = procfs.CommandLine(b[:min(len(b), commandLimit)])
		if len(b) > commandLimit {
			p.Command += " …"
		}
	}
	if w.details&readExecutable != 0 {
		p.Executable = w.readlink(fds, "../exe")
	}
	if w.details&readDirectory != 0 {
		p.Directory = w.readlink(fds, "../cwd")
	}
	if w.details&(readCgroup|readHome) != 0 {
		if b, err := w.read(fds, "../cgroup"); err == nil {
			p.Cgroup = procfs.ParseCgroup(b)
			p.Unit, p.Container = procfs.Unit(p.Cgroup), procfs.Container(p.Cgroup)
		}
	}
	if w.details&readHome != 0 {
		w.readHome(fds, p)
	}
	return p
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
