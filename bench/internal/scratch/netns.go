package scratch

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// NeedError says that something is missing on this machine.
type NeedError struct{ What string }

func (e *NeedError) Error() string { return e.What }

// IP runs ip(8).
func IP(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
		if strings.Contains(string(out), "Operation not permitted") {
			return errors.Join(&NeedError{"may not make network namespaces"}, err)
		}
	}
	return err
}
