package project

import (
	"fmt"
	"strings"

	"lodge/internal/project/syntax"
)

// checks holds what is checked against each other once all of a lodge.toml was read, and where it is written.
type checks struct {
	*syntax.Tree
	project   *Project
	needs     map[string][]int // offsets, by service
	refs      []reference
	portNames []portNameAt
}

// checkNeeds checks the services' needs against each other.
func (c *checks) checkNeeds() error {
	known := map[string]bool{}
	for _, s := range c.project.Services {
		known[s.Name] = true
	}
	for _, s := range c.project.Services {
		key := syntax.DotKey("services", s.Name, "needs")
		seen := map[string]bool{}
		for i, need := range s.Needs {
			offset := c.needs[s.Name][i]
			switch {
			case need == s.Name:
				return c.Fail(offset, key, "a service cannot need itself", "")
			case seen[need]:
				return c.Fail(offset, key, fmt.Sprintf("%s is named twice", syntax.Ellipsis(need)), "")
			}
			seen[need] = true
			if !known[need] {
				return c.noService(offset, key, need)
			}
		}
	}
	return c.checkCycles()
}

// noService is the error for a service that does not exist.
func (c *checks) noService(offset int, key, name string) error {
	names := make([]string, len(c.project.Services))
	for i, s := range c.project.Services {
		names[i] = s.Name
	}
	hint := syntax.DidYouMean(syntax.Nearest(name, names))
	if of := c.portNamed(name); of != "" {
		hint = fmt.Sprintf("it is a port of %s: write %q", of, of)
	}
	if hint == "" && len(names) > 1 && len(names) <= 12 {
		hint = "the services are " + strings.Join(names, ", ")
	}
	return c.Fail(offset, key, fmt.Sprintf("there is no service %s", syntax.Ellipsis(name)), hint)
}

// checkCycles finds the first service, in file order, that needs itself by way
// of others.
func (c *checks) checkCycles() error {
	index := map[string]int{}
	for i, s := range c.project.Services {
		index[s.Name] = i
	}
	const (
		untouched = iota
		onPath
		done
	)
	state := make([]int, len(c.project.Services))
	var path []int
	var visit func(i int) []int
	visit = func(i int) []int {
		state[i] = onPath
		path = append(path, i)
		for _, need := range c.project.Services[i].Needs {
			j := index[need]
			switch state[j] {
			case onPath:
				for k, on := range path {
					if on == j {
						return path[k:]
					}
				}
			case untouched:
				if cycle := visit(j); cycle != nil {
					return cycle
				}
			}
		}
		path = path[:len(path)-1]
		state[i] = done
		return nil
	}
	for i := range c.project.Services {
		if state[i] != untouched {
			continue
		}
		if cycle := visit(i); cycle != nil {
			return c.cycle(cycle)
		}
	}
	return nil
}

// cycle is the error for a cycle, told from its first service in the file.
func (c *checks) cycle(cycle []int) error {
	first := 0
	for i := range cycle {
		if cycle[i] < cycle[first] {
			first = i
		}
	}
	names := make([]string, 0, len(cycle)+1)
	for i := range len(cycle) + 1 {
		names = append(names, c.project.Services[cycle[(first+i)%len(cycle)]].Name)
	}
	start := c.project.Services[cycle[first]]
	offset := 0
	for i, need := range start.Needs {
		if need == names[1] {
			offset = c.needs[start.Name][i]
		}
	}
	return c.Fail(offset, syntax.DotKey("services", start.Name, "needs"), "a cycle: "+strings.Join(names, " -> "), "none of them could start first")
}
