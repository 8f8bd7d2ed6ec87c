package test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// Five hundred names at once: each leads to its own service, over both versions
// of HTTP, with a certificate of its own.
func TestManyNames(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		const projects, services = 10, 50
		type name struct{ url, want string }
		var all []name
		var ps []*project
		for i := range projects {
			var b strings.Builder
			b.WriteString("version = 1\n")
			for j := range services {
				fmt.Fprintf(&b, "[services.s%d]\ncommand = \"%s http :%d 'service %d of @ALONE@'\"\n", j, peerBin, 8000+j, j)
			}
			ps = append(ps, e.project(fmt.Sprint("many", i), "lodge.toml", b.String()))
		}
		for _, p := range ps {
			p.up()
		}
		for _, p := range ps {
			q, _ := p.info()
			for _, s := range q.Services {
				all = append(all, name{s.URL + "/", "service " + strings.TrimPrefix(s.Name, "s") + " of " + p.name + "\n"})
			}
		}
		if len(all) != projects*services {
			t.Fatalf("%d names", len(all))
		}
		for _, version := range []int{1, 2} {
			c := e.byName(version)
			var asked sync.WaitGroup
			for part := range 8 {
				asked.Go(func() {
					for i := part; i < len(all); i += 8 {
						got, err := fetch(c, all[i].url)
						if err != nil || !strings.HasPrefix(got, all[i].want) {
							t.Errorf("HTTP/%d, %s: %q, %v", version, all[i].url, got, err)
						}
					}
				})
			}
			asked.Wait()
		}
	})
}
