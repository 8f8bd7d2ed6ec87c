package cli

import (
	"fmt"
	"slices"

	"lodge/internal/trust"
)

// childEnviron is the environment of this command line for what runs inside,
// with what makes it trust the HTTPS names of other services. Where there can
// be no authority, programs do without, and the person hears why.
func (a *app) childEnviron() []string {
	authority, err := trust.Open(trust.Options{Dir: a.dirs().Trust()})
	if err != nil {
		fmt.Fprintln(a.err, "lodge: services do not trust HTTPS names: "+err.Error())
		return a.env.Environ
	}
	more, err := authority.Env(a.env.Environ)
	if err != nil {
		fmt.Fprintln(a.err, "lodge: services do not trust HTTPS names: "+err.Error())
	}
	return append(slices.Clone(a.env.Environ), more...)
}
