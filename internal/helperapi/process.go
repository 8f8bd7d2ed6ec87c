package helperapi

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"lodge/internal/procfs"
	"lodge/internal/unixsock"
)

// unitCgroup is where systemd puts the machine's helper.
const unitCgroup = "system.slice/lodge-helper.service"

// Process returns the helper's process, or 0 where it is not known.
func (c *Client) Process() int {
	if c.child != nil {
		return c.child.Process.Pid
	}
	cred, err := unixsock.Peer(c.conn)
	if err != nil {
		return 0
	}
	if cred.Pid != 1 {
		return int(cred.Pid)
	}
	// It was systemd that listened (systemd.socket(5)).
	mount, err := procfs.CgroupMount()
	if err != nil {
		return 0
	}
	b, err := os.ReadFile(filepath.Join(mount, unitCgroup, "cgroup.procs"))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(b), "\n")
	pid, _ := strconv.Atoi(first)
	return pid
}
