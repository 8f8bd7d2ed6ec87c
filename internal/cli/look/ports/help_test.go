package ports

import (
	"strings"
	"testing"

	"lodge/internal/cli/filter"
	"lodge/internal/cli/kit"
)

// The help names each key.
func TestHelpNamesKeys(t *testing.T) {
	help := strings.ReplaceAll(Command((&kit.Kit{})).Long, "\n", " ")
	if keys := strings.Join(filter.Sockets(false).Keys(), ", "); !strings.Contains(help, keys+".") {
		t.Errorf("the help has not: %s", keys)
	}
}
