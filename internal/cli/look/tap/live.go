package tap

import (
	"context"
	"errors"

	"lodge/internal/tap"
)

// live reads the packets of this machine.
func (r *run) live(ctx context.Context) (tap.Capture, error) {
	return tap.Capture{}, errors.New("tap: the packets of this machine cannot be read yet")
}
