package procfs

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

// tick is the unit of times in /proc/PID/stat (proc(5), sysconf(_SC_CLK_TCK)),
// which is the same on every architecture that Linux has in use.
const tick = time.Second / 100

// Activity is how much processes have done.
type Activity struct {
	// CPU is the processor time that they and their ended children used, and Wait
	// how long their threads were ready to run and did not.
	CPU, Wait time.Duration
	// Runs and Disk report that a thread is ready to run, or waits for a disk.
	Runs, Disk bool
}

// ReadActivity adds up the activity of processes. Those that have vanished do not
// count.
func ReadActivity(pids []int) Activity {
	var a Activity
	for _, pid := range pids {
		dir := "/proc/" + strconv.Itoa(pid)
		b, err := os.ReadFile(dir + "/stat")
		if err != nil {
			continue
		}
		state, cpu := parseTimes(b)
		a.CPU += cpu
		a.see(state)
		a.tasks(dir + "/task/")
	}
	return a
}

// maxTasks bounds how many threads of a process are read.
const maxTasks = 256

func (a *Activity) tasks(dir string) {
	f, err := os.Open(dir)
	if err != nil {
		return
	}
	defer f.Close()
	names, _ := f.Readdirnames(maxTasks)
	for _, tid := range names {
		if b, err := os.ReadFile(dir + tid + "/schedstat"); err == nil {
			a.Wait += parseWait(b)
		}
		if len(names) > 1 {
			if b, err := os.ReadFile(dir + tid + "/stat"); err == nil {
				state, _ := parseTimes(b)
				a.see(state)
			}
		}
	}
}

func (a *Activity) see(state byte) {
	a.Runs = a.Runs || state == 'R'
	a.Disk = a.Disk || state == 'D'
}

// parseTimes reads the state and the fields 14 to 17 of /proc/PID/stat: the
// processor time of the process and of the children that it has waited for.
func parseTimes(b []byte) (state byte, cpu time.Duration) {
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(f) < 15 || len(f[0]) != 1 {
		return 0, 0
	}
	for _, s := range f[11:15] {
		if n, err := strconv.ParseInt(string(s), 10, 64); err == nil && n > 0 && n < 1<<32 {
			cpu += time.Duration(n) * tick
		}
	}
	return f[0][0], cpu
}

// parseWait reads the second field of /proc/PID/schedstat: nanoseconds spent
// waiting on a run queue. It stands still while the thread waits.
func parseWait(b []byte) time.Duration {
	f := bytes.Fields(b)
	if len(f) < 2 {
		return 0
	}
	n, err := strconv.ParseInt(string(f[1]), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return time.Duration(n)
}
