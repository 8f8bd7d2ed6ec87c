package operation

import (
	"fmt"

	"lodge/internal/localapi"
	"lodge/internal/loopback"
	"lodge/internal/project"
)

// noteSettings notes what the project's file says by now and the running home
// cannot take over.
func noteSettings(r *Runner, p *project.Project, up localapi.Project) {
	for _, text := range staleSettings(p, up) {
		note(r, NoticeSettings, text)
	}
}

func staleSettings(p *project.Project, up localapi.Project) []string {
	isolation := p.Isolation
	if isolation == "" {
		isolation = loopback.Overlay
	}
	var out []string
	for _, s := range []struct{ key, says, has string }{
		{"name", p.Name, up.Name},
		{"isolation", string(isolation), string(up.Isolation)},
	} {
		if s.says != s.has && s.says != "" && s.has != "" {
			out = append(out, fmt.Sprintf("%s is %q by now, and the project is up with %q until it is ended (hint: lodge down, then lodge up)", s.key, s.says, s.has))
		}
	}
	return out
}
