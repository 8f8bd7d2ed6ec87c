package operation

import (
	"os"
	"strings"
)

// RealRoot reports whether this process is root outside of any user namespace.
func RealRoot() bool { return os.Geteuid() == 0 && !InUserNamespace() }

// InUserNamespace reports whether this process is in a user namespace that was
// made (user_namespaces(7)): in the first, uid_map has one line for all ids.
func InUserNamespace() bool {
	b, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && strings.Join(strings.Fields(string(b)), " ") != "0 0 4294967295"
}
