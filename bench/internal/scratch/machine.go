package scratch

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// CPUs are those that this process may run on.
func CPUs() []int {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return []int{0}
	}
	var out []int
	for i := 0; len(out) < set.Count(); i++ {
		if set.IsSet(i) {
			out = append(out, i)
		}
	}
	return out
}

// Machine reports what a run is measured on.
func Machine() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "unknown: " + err.Error()
	}
	who := "an ordinary user"
	if os.Geteuid() == 0 {
		who = "root"
	}
	return fmt.Sprintf("%s %s, %d CPUs, as %s", unix.ByteSliceToString(u.Sysname[:]), unix.ByteSliceToString(u.Release[:]), len(CPUs()), who)
}
