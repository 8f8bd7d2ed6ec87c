package operation

import (
	"strings"
	"testing"

	"lodge/internal/localapi"
	"lodge/internal/loopback"
	"lodge/internal/project"
)

func TestStaleSettings(t *testing.T) {
	up := localapi.Project{Name: "shop", Isolation: loopback.Overlay}
	for _, c := range []struct {
		name, isolation string
		want            []string
	}{
		{"shop", "", nil},
		{"shop", "overlay", nil},
		{"store", "", []string{`name is "store"`}},
		{"store", "strict", []string{`name is "store"`, `isolation is "strict"`}},
	} {
		got := staleSettings(&project.Project{Name: c.name, Isolation: loopback.Isolation(c.isolation)}, up)
		if len(got) != len(c.want) {
			t.Errorf("%s %s: %q", c.name, c.isolation, got)
			continue
		}
		for i := range got {
			if !strings.HasPrefix(got[i], c.want[i]) || !strings.Contains(got[i], "lodge down") {
				t.Errorf("%s %s: %q", c.name, c.isolation, got[i])
			}
		}
	}
}
