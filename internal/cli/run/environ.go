package run

import (
	"context"

	"lodge/internal/cli/kit"
	"lodge/internal/localapi"
	"lodge/internal/operation"
)

// childEnviron is the environment of this command line for what runs inside,
// with what makes it trust the HTTPS names of other services. Where there can
// be no authority, programs do without, and a warning says why.
func childEnviron(ctx context.Context, k *kit.Kit) []string {
	d := localapi.New(k.Dirs().Socket())
	defer d.Close()
	environ, err := operation.Trusting(ctx, d, k.Env.Environ)
	if err != nil {
		k.Warn(err.Error())
	}
	return environ
}
