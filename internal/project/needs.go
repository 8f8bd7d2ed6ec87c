package project

import (
	"fmt"
	"strings"
)

// checkNeeds checks the services' needs against each other.
func (r *reader) checkNeeds() error {
	known := map[string]bool{}
	for _, s := range r.project.Services {
		known[s.Name] = true
	}
	for _, s := range r.project.Services {
		key := dotKey("services", s.Name, "needs")
		seen := map[string]bool{}
		for i, need := range s.Needs {
			offset := r.needs[s.Name][i]
			switch {
			case need == s.Name:
				return r.fail(offset, key, "a service cannot need itself", "")
			case seen[need]:
				return r.fail(offset, key, fmt.Sprintf("%s is named twice", ellipsis(need)), "")
			}
			seen[need] = true
			if !known[need] {
				return r.noService(offset, key, need)
			}
		}
	}
	return r.checkCycles()
}

// noService is the error for a service that does not exist.
func (r *reader) noService(offset int, key, name string) error {
	names := make([]string, len(r.project.Services))
	for i, s := range r.project.Services {
		names[i] = s.Name
	}
	hint := didYouMean(Nearest(name, names))
	if of := r.portNamed(name); of != "" {
		hint = fmt.Sprintf("it is a port of %s: write %q", of, of)
	}
	if hint == "" && len(names) > 1 && len(names) <= 12 {
		hint = "the services are " + strings.Join(names, ", ")
	}
	return r.fail(offset, key, fmt.Sprintf("there is no service %s", ellipsis(name)), hint)
}

// checkCycles finds the first service, in file order, that needs itself by way
// of others.
func (r *reader) checkCycles() error {
	index := map[string]int{}
	for i, s := range r.project.Services {
		index[s.Name] = i
	}
	const (
		untouched = iota
		onPath
		done
	)
	state := make([]int, len(r.project.Services))
	var path []int
	var visit func(i int) []int
	visit = func(i int) []int {
		state[i] = onPath
		path = append(path, i)
		for _, need := range r.project.Services[i].Needs {
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
	for i := range r.project.Services {
		if state[i] != untouched {
			continue
		}
		if cycle := visit(i); cycle != nil {
			return r.cycle(cycle)
		}
	}
	return nil
}

// cycle is the error for a cycle, told from its first service in the file.
func (r *reader) cycle(cycle []int) error {
	first := 0
	for i := range cycle {
		if cycle[i] < cycle[first] {
			first = i
		}
	}
	names := make([]string, 0, len(cycle)+1)
	for i := range len(cycle) + 1 {
		names = append(names, r.project.Services[cycle[(first+i)%len(cycle)]].Name)
	}
	start := r.project.Services[cycle[first]]
	offset := 0
	for i, need := range start.Needs {
		if need == names[1] {
			offset = r.needs[start.Name][i]
		}
	}
	return r.fail(offset, dotKey("services", start.Name, "needs"), "a cycle: "+strings.Join(names, " -> "), "none of them could start first")
}
