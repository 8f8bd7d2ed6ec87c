package run

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"lodge/internal/cli/kit"
	"lodge/internal/localapi"
	"lodge/internal/operation"
)

// A command inside is a child of the project's keeper and in its namespaces:
// those in which the project was started.

// strangeNamespaces names the namespaces in which this process is and another
// is not (namespaces(7)). Those that cannot be compared are left out.
func strangeNamespaces(pid int) []string {
	var out []string
	for _, ns := range []struct{ file, name string }{{"user", "user"}, {"mnt", "mount"}, {"net", "network"}} {
		own, err := os.Readlink("/proc/self/ns/" + ns.file)
		if err != nil {
			continue
		}
		its, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, ns.file))
		if ns.file == "user" && errors.Is(err, os.ErrPermission) && operation.InUserNamespace() {
			// The keeper may not be looked at from a user namespace below its own
			// (ptrace(2), "Ptrace access mode checking").
			return []string{ns.name}
		}
		if err == nil && its != own {
			out = append(out, ns.name)
		}
	}
	return out
}

// noteNamespaces tells where a command runs, if that is elsewhere than here.
func noteNamespaces(k *kit.Kit, s *localapi.Session) {
	if s.Project.KeeperPID == 0 {
		return
	}
	if ns := strangeNamespaces(s.Project.KeeperPID); len(ns) > 0 {
		fmt.Fprintf(k.Err, "lodge: the command runs where %s was started, in another %s namespace than this shell's\n",
			s.Project.Shown(), strings.Join(ns, ", "))
	}
}
