package helperapi

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"lodge/internal/procfs"
	"lodge/internal/stall"
	"lodge/internal/unixsock"
)

// unitCgroup is where systemd puts the machine's helper.
const unitCgroup = "system.slice/lodge-helper.service"

// guard makes a call end when the helper's process does not run: its context
// ends with a *stall.Error as its cause. done is called when the call is over.
func (c *Client) guard(ctx context.Context) (guarded context.Context, done func()) {
	return stall.Guard(ctx, stall.Peer{Role: "the helper", PID: c.Process})
}

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
