package ports

import (
	"bytes"
	"os"
	"testing"

	"lodge/internal/cli/kit"
)

func TestUnknownOwners(t *testing.T) {
	var errs bytes.Buffer
	a := &kit.Kit{Err: &errs}
	unknownOwners(a, 0)
	if errs.Len() > 0 {
		t.Errorf("got %q", errs.String())
	}
	unknownOwners(a, 1)
	unknownOwners(a, 3)
	whose := "processes of other users: sudo lodge ports, or lodge setup\n"
	if os.Geteuid() == 0 {
		whose = "processes that cannot be seen from here, such as those of another pid namespace\n"
	}
	if want := "1 socket belongs to " + whose + "3 sockets belong to " + whose; errs.String() != want {
		t.Errorf("got %q", errs.String())
	}
}
