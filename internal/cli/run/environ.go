package run

import (
	"fmt"
	"slices"

	"lodge/internal/cli/kit"
	"lodge/internal/trust"
)

// childEnviron is the environment of this command line for what runs inside,
// with what makes it trust the HTTPS names of other services. Where there can
// be no authority, programs do without, and the person hears why.
func childEnviron(k *kit.Kit) []string {
	authority, err := trust.Open(trust.Options{Dir: k.Dirs().Trust()})
	if err != nil {
		fmt.Fprintln(k.Err, "lodge: services do not trust HTTPS names: "+err.Error())
		return k.Env.Environ
	}
	more, err := authority.Env(k.Env.Environ)
	if err != nil {
		fmt.Fprintln(k.Err, "lodge: services do not trust HTTPS names: "+err.Error())
	}
	return append(slices.Clone(k.Env.Environ), more...)
}
