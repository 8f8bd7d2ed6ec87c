package operation

import (
	"fmt"
	"slices"

	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/selection"
	"lodge/internal/service"
)

// keepElsewhere returns an error where an `up` in dir would end or replace services
// that run in another directory: that of a project which was opened at this path,
// was renamed since, and still exists.
func keepElsewhere(st localapi.Project, running keeperapi.Project, specs []service.Spec, dir string) error {
	if st.DirectoryProblem != keeperapi.DirReplaced || st.DirectoryNow == "" || st.DirectoryID == selection.DirectoryID(dir) {
		return nil
	}
	for _, s := range running.Services {
		same := func(sp service.Spec) bool { return sp.Name == s.Name && sp.Command == s.Command && sp.Dir == s.Dir }
		if s.Kind != service.KindService || s.PID == 0 || slices.ContainsFunc(specs, same) {
			continue
		}
		return &localapi.Error{
			Message: fmt.Sprintf("start project %s: %s, which runs %s in %s, has its path and other services", dir, st.Shown(), s.Name, st.DirectoryNow),
			Hint: fmt.Sprintf("lodge restart ends that and runs the services here; lodge down --project %s ends it, and lodge up in %s starts it there again",
				st.ID, st.DirectoryNow),
		}
	}
	return nil
}
