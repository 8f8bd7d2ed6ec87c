package ebpfhome

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"lodge/internal/bpf"
)

// group is the cgroup of one service: HOME/in/<name>.
type group struct {
	service string
	dir     *os.File
	id      uint64
}

// maxName bounds the name of a cgroup (NAME_MAX is 255).
const maxName = 200

// groupName writes a service's name as a directory's. Letters, digits, "-" and
// "_" stay; every other byte becomes "%" and two digits. So it has no "/" and
// no ".", and is never one of the kernel's own files, such as cgroup.procs.
func groupName(service string) (string, error) {
	var b strings.Builder
	for _, c := range []byte(service) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	if b.Len() == 0 || b.Len() > maxName {
		return "", fmt.Errorf("service %q: a name needs 1 to %d bytes", service, maxName)
	}
	return b.String(), nil
}

// serviceName undoes groupName. ok is false for what groupName does not write.
func serviceName(name string) (service string, ok bool) {
	var b []byte
	for i := 0; i < len(name); i++ {
		if name[i] != '%' {
			b = append(b, name[i])
			continue
		}
		if i+2 >= len(name) {
			return "", false
		}
		n, err := strconv.ParseUint(name[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		b = append(b, byte(n))
		i += 2
	}
	again, err := groupName(string(b))
	return string(b), err == nil && again == name
}

// openGroup opens the cgroup of a service, which it makes where it is missing.
func openGroup(in *os.File, service string) (*group, error) {
	name, err := groupName(service)
	if err != nil {
		return nil, err
	}
	if err := unix.Mkdirat(int(in.Fd()), name, 0o755); err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, fmt.Errorf("make cgroup of service %s: %w", service, err)
	}
	noPressure(in, name)
	dir, err := openDir(in, name)
	if err != nil {
		return nil, fmt.Errorf("open cgroup of service %s: %w", service, err)
	}
	id, err := bpf.CgroupID(dir)
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return &group{service, dir, id}, nil
}

// noPressure switches pressure stall accounting off where the kernel can
// (Linux 6.1): it costs each wake-up a little at every level of the tree.
func noPressure(in *os.File, name string) {
	fd, err := unix.Openat(int(in.Fd()), name+"/cgroup.pressure", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	_, _ = unix.Write(fd, []byte("0"))
}

func openDir(at *os.File, name string) (*os.File, error) {
	fd, err := unix.Openat(int(at.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// maxDepth bounds how deep processes inside may nest cgroups of their own.
const maxDepth = 16

// walk calls visit for the cgroup dir and for every one below it, parents
// first. What vanishes meanwhile is passed over.
func walk(dir *os.File, depth int, visit func(*os.File) error) error {
	if err := visit(dir); err != nil {
		return err
	}
	names, err := children(dir)
	if err != nil || depth == 0 {
		return err
	}
	for _, name := range names {
		child, err := openDir(dir, name)
		if isGone(err) {
			continue
		}
		if err != nil {
			return err
		}
		err = walk(child, depth-1, visit)
		if err = errors.Join(err, child.Close()); err != nil {
			return err
		}
	}
	return nil
}

// children lists the names of the cgroups in dir.
func children(dir *os.File) ([]string, error) {
	// A descriptor of its own, since reading a directory moves its offset.
	again, err := openDir(dir, ".")
	if isGone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	entries, err := again.ReadDir(-1)
	if isGone(err) {
		err = nil
	}
	if err = errors.Join(err, again.Close()); err != nil {
		return nil, fmt.Errorf("list cgroup: %w", err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// isGone reports whether the error is that of a cgroup that was removed.
func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV)
}

// pids lists the processes in one cgroup, those below not included.
func pids(dir *os.File) ([]int, error) {
	b, err := readFile(dir, "cgroup.procs")
	if isGone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var out []int
	for _, line := range strings.Fields(string(b)) {
		pid, err := strconv.Atoi(line)
		if err != nil {
			return nil, fmt.Errorf("list processes: %w", err)
		}
		if pid > 0 { // 0 is a process of another pid namespace
			out = append(out, pid)
		}
	}
	return out, nil
}

func readFile(dir *os.File, name string) ([]byte, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	f := os.NewFile(uintptr(fd), name)
	b, err := io.ReadAll(f)
	return b, errors.Join(err, f.Close())
}

// kill sends SIGKILL to all processes in the cgroup and below, also to those
// that are being forked (cgroup.kill, since Linux 5.14).
func kill(dir *os.File) error {
	fd, err := unix.Openat(int(dir.Fd()), "cgroup.kill", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if isGone(err) {
		return nil
	}
	if err != nil {
		return &fs.PathError{Op: "open", Path: "cgroup.kill", Err: err}
	}
	_, err = unix.Write(fd, []byte("1"))
	if isGone(err) {
		err = nil
	}
	return errors.Join(err, unix.Close(fd))
}

// remove removes the cgroup name in dir and those below it.
func remove(at *os.File, name string, depth int) error {
	dir, err := openDir(at, name)
	if isGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	names, err := children(dir)
	for _, n := range names {
		if err == nil && depth > 0 {
			err = remove(dir, n, depth-1)
		}
	}
	if err = errors.Join(err, dir.Close()); err != nil {
		return err
	}
	if err := unix.Unlinkat(int(at.Fd()), name, unix.AT_REMOVEDIR); err != nil && !isGone(err) {
		return &fs.PathError{Op: "remove cgroup", Path: name, Err: err}
	}
	return nil
}
