package keeper

import (
	"lodge/internal/mark"

	"lodge/internal/keeperapi"
)

// setMark marks this process before it starts anything, so that every process
// of the home has the mark from its first moment on. Where the limit that
// carries it is taken, the home does without.
func setMark(cfg *keeperapi.Config) {
	if cfg.Home.Mark != 0 && mark.Set(cfg.Home.Mark) != nil {
		cfg.Home.Mark = 0
	}
}
