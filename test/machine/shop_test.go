package machine

import (
	"path/filepath"
	"strings"
	"testing"
)

// Two copies of examples/shop, side by side on the same ports: with the ebpf
// engine as root and with the seccomp engine as an ordinary user.
func TestShop(t *testing.T) {
	dir := programs(t)
	demo, err := filepath.Abs("../../examples/demo.sh")
	if err != nil {
		t.Fatal(err)
	}
	for engine, uid := range map[string]int{"ebpf": 0, "seccomp": 12345} {
		t.Run(engine, func(t *testing.T) {
			u := newUser(t, uid)
			out := u.do("", "sh", demo, filepath.Join(dir, "lodge"), filepath.Join(dir, "shop"))
			// What stands below the heading is the list of both copies.
			_, list, _ := strings.Cut(out, "\nlodge ls\n")
			list, _, _ = strings.Cut(list, "\n\n")
			listed := 0
			for _, l := range strings.Split(list, "\n") {
				if f := strings.Fields(l); len(f) > 5 && f[5] == engine {
					listed++
				}
			}
			if listed != 6 {
				t.Errorf("lodge ls lists %d services with engine %s, want all six:\n%s", listed, engine, out)
			}
		})
	}
}
