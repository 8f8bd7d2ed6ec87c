package procfs

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// ErrNoCgroup2 says that no cgroup2 file system is mounted, as on a machine
// that has cgroup v1 only.
var ErrNoCgroup2 = errors.New("no cgroup2 file system is mounted")

// CgroupMount returns the directory where cgroup2 is mounted in this process's
// mount namespace, from /proc/self/mountinfo (proc_pid_mountinfo(5)).
func CgroupMount() (string, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", fmt.Errorf("find cgroup2: %w", err)
	}
	defer f.Close()
	return cgroupMount(f)
}

// cgroupMount prefers a mount of the whole hierarchy over one of a part.
func cgroupMount(mountinfo io.Reader) (string, error) {
	found := ""
	sc := bufio.NewScanner(mountinfo)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		// id parent major:minor root mountpoint options [optional...] - type source super
		before, after, ok := strings.Cut(sc.Text(), " - ")
		fields := strings.Fields(before)
		if !ok || len(fields) < 6 || !strings.HasPrefix(after, "cgroup2 ") {
			continue
		}
		point := unescapeMount(fields[4])
		if fields[3] == "/" {
			return point, nil
		}
		if found == "" {
			found = point
		}
	}
	if err := sc.Err(); err != nil {
		return "", fmt.Errorf("find cgroup2: read mountinfo: %w", err)
	}
	if found == "" {
		return "", ErrNoCgroup2
	}
	return found, nil
}

// unescapeMount undoes the octal escapes of mountinfo: \040 for a space.
func unescapeMount(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && isOctal(s[i+1:i+4]) {
			b.WriteByte((s[i+1]-'0')<<6 | (s[i+2]-'0')<<3 | (s[i+3] - '0'))
			i += 3
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func isOctal(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '7' {
			return false
		}
	}
	return true
}
