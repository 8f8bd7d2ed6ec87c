package keeperapi

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"lodge/internal/procfs"
	"lodge/internal/rawjson"
	"lodge/internal/statefile"
	"lodge/internal/unixsock"
)

// envConfig is the variable in which a keeper process has its Config, for those
// who have lost its records: /proc/PID/environ is there as long as the process
// is, and only its user can read it.
const envConfig = "LODGE_KEEPER"

// Environ is the variable with the configuration, for the environment of a new
// keeper. Its services do not get it.
func Environ(cfg Config) (string, error) {
	b, err := rawjson.Marshal(cfg)
	if err != nil {
		return "", err
	}
	return envConfig + "=" + string(b), nil
}

// FromProcess returns the record of a process of this user, if it is a keeper.
func FromProcess(pid int) (Record, bool) {
	args := procfs.Args(pid)
	if len(args) < 2 || args[1] != "keeper" {
		return Record{}, false
	}
	// Any user can run a set-user-id program with these arguments, and with an
	// environment that names files to be removed.
	if !procfs.RunBy(pid, os.Geteuid()) {
		return Record{}, false
	}
	text := procfs.Getenv(pid, envConfig)
	rec := Record{PID: pid, Started: time.Now(), BootID: procfs.BootID()}
	if text == "" || rawjson.Unmarshal([]byte(text), &rec.Config) != nil {
		return Record{}, false
	}
	s, err := procfs.ReadStat(pid)
	if err != nil || s.State == 'Z' || s.State == 'X' {
		return Record{}, false
	}
	rec.StartTime = s.Start
	return rec, true
}

// Find lists the keepers that run and whose sockets belong in dir: those that
// have a record there or in spare, and those among the processes.
func Find(dir, spare string) []Record {
	var out []Record
	add := func(rec Record) {
		if !slices.ContainsFunc(out, func(r Record) bool { return r.PID == rec.PID }) {
			out = append(out, rec)
		}
	}
	boot := procfs.BootID()
	for _, d := range []string{dir, spare} {
		files, _ := filepath.Glob(filepath.Join(d, "*.json"))
		for _, file := range files {
			var rec Record
			b, err := statefile.Read(file)
			if err != nil || rawjson.Unmarshal(b, &rec) != nil {
				continue // the daemon sets it aside
			}
			if (rec.BootID == "" || rec.BootID == boot) && procfs.Alive(rec.PID, rec.StartTime) {
				add(rec)
			}
		}
	}
	for _, rec := range Running(dir) {
		add(rec)
	}
	return out
}

// Running lists the keepers of this user whose sockets belong in dir, whether
// these are there or not. A keeper for which that path is another directory,
// in a container or a chroot, is none of them.
func Running(dir string) []Record {
	pids, err := procfs.Pids()
	if err != nil {
		return nil
	}
	var out []Record
	for _, pid := range pids {
		rec, ok := FromProcess(pid)
		if ok && rec.Config.Socket == filepath.Join(dir, rec.Config.ID+".sock") && SameDir(pid, dir) {
			out = append(out, rec)
		}
	}
	return out
}

// SameDir reports whether a path leads to the same directory for a process as
// for this one. Of a directory that is missing, the nearest parent counts.
func SameDir(pid int, path string) bool {
	ours, err := os.Stat(path)
	for unixsock.NoPath(err) && path != "/" {
		path = filepath.Dir(path)
		ours, err = os.Stat(path)
	}
	if err != nil {
		return false
	}
	theirs, err := os.Stat("/proc/" + strconv.Itoa(pid) + "/root" + path)
	return err == nil && os.SameFile(ours, theirs)
}
