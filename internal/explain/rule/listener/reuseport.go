package listener

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/words"
	"lodge/internal/model"
	"lodge/internal/sockets"
)

// ReusePort finds a port that different programs share by SO_REUSEPORT.
func ReusePort() rule.Rule {
	return rule.Rule{
		Code: "reuseport_shared", Title: "different programs listen on one address (SO_REUSEPORT)",
		Show: rule.Show{Notable: true},
		Check: func(f *facts.Facts) []model.Finding {
			var out []model.Finding
			for i, ip := range rule.EndsOf(f).Open {
				for _, x := range Shared(f, f.Listeners(ip)) {
					x.Order = order(i, 1<<20)
					out = append(out, x)
				}
			}
			return model.Distinct(out)
		},
	}
}

// Shared tells which sockets among rows are of different programs at one address.
func Shared(f *facts.Facts, rows []*sockets.Row) []model.Finding {
	groups := make(map[string][]*sockets.Row)
	for _, r := range rows {
		groups[words.Own(r)+r.Family] = append(groups[words.Own(r)+r.Family], r)
	}
	var out []model.Finding
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		rs := groups[key]
		var programs, names []string
		for _, r := range rs {
			if f.HeldByLodge(r) != nil {
				continue // kept open while its service is started again
			}
			if len(r.Processes) > 0 && !slices.Contains(programs, program(r.Processes[0])) {
				programs = append(programs, program(r.Processes[0]))
				names = append(names, words.Process(r.Processes[0]))
			}
		}
		if len(programs) < 2 {
			continue
		}
		c := model.Finding{
			Sure:    true,
			Summary: fmt.Sprintf("Different programs share %s (SO_REUSEPORT): each connection goes to one of %s by chance.", words.Own(rs[0]), words.Join(names)),
			Hint:    "end the ones that should not be there",
		}
		for _, r := range rs {
			c.Evidence = append(c.Evidence, words.Socket(f, r))
			c.PIDs = append(c.PIDs, f.PIDs(r)...)
		}
		out = append(out, c)
	}
	return out
}

// program tells two programs apart: by executable, directory and, since an
// interpreter runs many, the first argument that is no option.
func program(p *sockets.Process) string {
	key := p.Executable
	if key == "" {
		key = p.Name
	}
	args := strings.Fields(p.Command)
	for _, a := range args[min(len(args), 1):] {
		if !strings.HasPrefix(a, "-") {
			key += " " + a
			break
		}
	}
	return key + " in " + p.Directory
}
