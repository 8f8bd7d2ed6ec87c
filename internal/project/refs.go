package project

import (
	"fmt"
	"slices"
	"strings"

	"lodge/internal/project/syntax"
	"lodge/internal/refs"
)

// reference is a reference to a service in a variable of env.
type reference struct {
	service string // whose variable it is
	key     string
	offset  int
	refs.Ref
}

// checkRefs checks that what env refers to will be known when the service
// starts: a fact of a service that it needs, or of its own port where lodge
// chooses or is told that.
func (c *checks) checkRefs() error {
	for _, ref := range c.refs {
		if ref.Service+"."+ref.Fact == refs.ProjectDir {
			continue // checked when it is read
		}
		target, ok := c.project.Service(ref.Service)
		if !ok {
			return c.noService(ref.offset, ref.key, ref.Service)
		}
		if !slices.Contains(refs.Facts(), ref.Fact) {
			hint := ""
			if near := syntax.Nearest(ref.Fact, refs.Facts()); near != "" {
				hint = fmt.Sprintf("did you mean ${%s.%s}?", ref.Service, near)
			} else {
				hint = "known here: " + strings.Join(refs.Facts(), ", ") + "; $$ is a literal $"
			}
			return c.Fail(ref.offset, ref.key, fmt.Sprintf("%s has no %s to refer to", ref.Service, syntax.Ellipsis(ref.Fact)), hint)
		}
		self, _ := c.project.Service(ref.service)
		switch {
		case ref.Service == ref.service:
			if !target.Port.IsSet() && !target.Listen.IsSet() && target.HTTP == 0 {
				return c.Fail(ref.offset, ref.key, fmt.Sprintf("%s refers to itself, and its port is not known before it listens", ref),
					`set port = "auto", or port to a number`)
			}
		case !slices.Contains(self.Needs, ref.Service):
			return c.Fail(ref.offset, ref.key, fmt.Sprintf("%s is not known before %s is ready", ref, ref.Service),
				fmt.Sprintf("add needs = [%q]", ref.Service))
		}
	}
	return nil
}

// serviceRefs notes the references of a service's variables to services.
func (c *checks) serviceRefs(service string) {
	for _, e := range c.project.vars.of(service).env {
		for _, ref := range refs.Find(e.text) {
			c.refs = append(c.refs, reference{service, e.key, e.offset, ref})
		}
	}
}
