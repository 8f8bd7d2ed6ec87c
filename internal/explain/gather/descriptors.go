package gather

import (
	"os"
	"strconv"
	"strings"

	"lodge/internal/explain/facts"
)

// descriptors counts a process's open descriptors and returns how many it may
// have (RLIMIT_NOFILE); ok is false where that may not be read.
func descriptors(pid int) (open, limit int, ok bool) {
	dir := "/proc/" + strconv.Itoa(pid)
	list, err := os.ReadDir(dir + "/fd")
	if err != nil {
		return 0, 0, false
	}
	b, err := os.ReadFile(dir + "/limits")
	if err != nil {
		return 0, 0, false
	}
	limit, ok = parseOpenFiles(string(b))
	return len(list), limit, ok
}

// parseOpenFiles reads the soft limit of open files from /proc/PID/limits.
func parseOpenFiles(s string) (int, bool) {
	for line := range strings.Lines(s) {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			if words := strings.Fields(rest); len(words) > 0 {
				n, err := strconv.Atoi(words[0])
				return n, err == nil
			}
		}
	}
	return 0, false
}

// readDescriptors counts the descriptors of those that hold a socket whose queue is
// full, or of which a message says that they had none left.
func readDescriptors(f *facts.Facts) {
	f.Descriptors = make(map[int]facts.Descriptors)
	for i := range f.Rows {
		r := &f.Rows[i]
		// One more than the limit fits (sk_acceptq_is_full, unix_recvq_full).
		full := r.Backlog != nil && r.BacklogLimit != nil && *r.Backlog > *r.BacklogLimit
		if !full && (f.Question.Errno != "EMFILE" || !facts.Listens(r)) {
			continue
		}
		for _, p := range r.Processes[:min(len(r.Processes), 4)] {
			if open, limit, ok := descriptors(p.PID); ok {
				f.Descriptors[p.PID] = facts.Descriptors{Open: open, Limit: limit}
			}
		}
	}
}
