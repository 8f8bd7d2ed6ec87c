package procfs

import (
	"os"
	"strconv"
)

// RunBy reports whether the user uid started a process and it has the rights of
// no other user: all of its user ids are uid (proc(5), Uid of /proc/PID/status),
// and its program is not set-user-id. Such a program has the user id of its
// owner, and the arguments and the environment that its caller chose.
func RunBy(pid, uid int) bool {
	proc := "/proc/" + strconv.Itoa(pid)
	b, err := os.ReadFile(proc + "/status")
	if err != nil || !parseRunBy(b, uid) {
		return false
	}
	exe, err := os.Stat(proc + "/exe")
	return err == nil && exe.Mode()&os.ModeSetuid == 0
}

func parseRunBy(status []byte, uid int) bool {
	ids, ok := ParseUserIDs(status)
	for _, id := range ids {
		if int64(id) != int64(uid) {
			return false
		}
	}
	return ok
}
