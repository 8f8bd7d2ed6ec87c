package run

import (
	"lodge/internal/cli/kit"
	"lodge/internal/localapi"
)

// printProjects prints projects as JSON, where they were read, after what was
// asked of them ended with err, which it returns.
func printProjects(k *kit.Kit, ps []localapi.Project, err error) error {
	if ps == nil {
		return err
	}
	if perr := k.PrintJSON(localapi.Projects{Projects: ps}); err == nil {
		return perr
	}
	return err
}
