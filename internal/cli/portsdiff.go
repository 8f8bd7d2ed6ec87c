package cli

import "lodge/internal/sockets"

type change struct {
	kind        string
	row, before *sockets.Row
}

func diffTables(before, after *sockets.Table) []change {
	type key struct {
		c uint64
		n uint32
	}
	old := map[key]*sockets.Row{}
	for i := range before.Rows {
		r := &before.Rows[i]
		old[key{r.Cookie, r.Namespace}] = r
	}
	var out []change
	for i := range after.Rows {
		r := &after.Rows[i]
		k := key{r.Cookie, r.Namespace}
		if o, ok := old[k]; ok {
			if o.State != r.State {
				out = append(out, change{changeChanged, r, o})
			}
			delete(old, k)
		} else {
			out = append(out, change{changeOpened, r, nil})
		}
	}
	for _, o := range old {
		out = append(out, change{changeClosed, o, nil})
	}
	return out
}
