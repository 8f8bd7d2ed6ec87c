package logline

import (
	"testing"

	"lodge/internal/cli/kit"
)

func TestNoColour(t *testing.T) {
	for _, env := range [][]string{nil, {"NO_COLOR=1"}, {"TERM=dumb"}} {
		if NewPrinter((&kit.Kit{Env: kit.Env{Environ: env}})).color {
			t.Errorf("%v: colour although it is no terminal", env)
		}
	}
}
