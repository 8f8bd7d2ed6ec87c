package operation

import (
	"path/filepath"

	"lodge/internal/localapi"
	"lodge/internal/project"
	"lodge/internal/service"
)

// privateDir is where the services of a project have their own directories.
func privateDir(st localapi.Project) string {
	logs := filepath.Clean(st.LogDir)
	return filepath.Join(filepath.Dir(filepath.Dir(logs)), "private", filepath.Base(logs))
}

// private gives a service directories of its own below dir: they are kept from
// one start to the next. Variables that lead elsewhere, and that the service's
// own env does not set, are set to match.
func private(sp *service.Spec, s project.Service, dir string) {
	var env []string
	for _, name := range s.Private {
		at := filepath.Join(dir, s.Name, name)
		sp.MakeDirs = append(sp.MakeDirs, at)
		switch name {
		case project.PrivateHome:
			env = append(env, "HOME="+at, "XDG_CONFIG_HOME="+at+"/.config", "XDG_CACHE_HOME="+at+"/.cache", "XDG_DATA_HOME="+at+"/.local/share")
		case project.PrivateTmp:
			env = append(env, "TMPDIR="+at, "TMP="+at, "TEMP="+at)
		}
	}
	if len(env) > 0 {
		sp.Env = append(quoted(env), sp.Env...)
	}
}
