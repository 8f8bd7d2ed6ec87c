package helperapi

import (
	"os"

	"lodge/internal/fdpass"
)

// Grant is the descriptors of a reply, each with a name, of which several may
// have the same. It owns them: what is not taken is closed by Close, which may
// be called at any time and more than once. A nil Grant has none. It is used by
// one goroutine at a time.
type Grant struct {
	names []string
	files []*os.File
}

// Add puts files into the grant, which owns them from here on.
func (g *Grant) Add(name string, files ...*os.File) {
	for _, f := range files {
		g.names, g.files = append(g.names, name), append(g.files, f)
	}
}

// Len returns how many descriptors there are.
func (g *Grant) Len() int { return len(g.open()) }

// Take returns the descriptors of a name, in the order in which they were
// added. They are the caller's from here on.
func (g *Grant) Take(name string) []*os.File {
	if g == nil {
		return nil
	}
	var taken, files []*os.File
	var names []string
	for i, n := range g.names {
		if n == name {
			taken = append(taken, g.files[i])
		} else {
			names, files = append(names, n), append(files, g.files[i])
		}
	}
	g.names, g.files = names, files
	return taken
}

// TakeOne is Take for a name that one descriptor has; ok is false, and nothing
// taken, if none or several have it.
func (g *Grant) TakeOne(name string) (f *os.File, ok bool) {
	n := 0
	if g != nil {
		for _, other := range g.names {
			if other == name {
				n++
			}
		}
	}
	if n != 1 {
		return nil, false
	}
	return g.Take(name)[0], true
}

// Close closes what was not taken.
func (g *Grant) Close() error {
	if g == nil {
		return nil
	}
	files := g.files
	g.names, g.files = nil, nil
	return fdpass.Close(files)
}

func (g *Grant) open() []*os.File {
	if g == nil {
		return nil
	}
	return g.files
}
