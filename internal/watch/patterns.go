package watch

import (
	"fmt"
	"path"
	"strings"
)

// patterns is what the user wants watched. Unlike ignore rules, a later "!x"
// also takes back files below a directory that an earlier pattern named.
type patterns struct {
	globs []glob
	// all says that no pattern adds anything, so that everything counts that
	// is not taken back.
	all bool
}

func parsePatterns(sources []string) (patterns, error) {
	ps := patterns{all: true}
	for _, s := range sources {
		text, negated := strings.CutPrefix(s, "!")
		text = strings.TrimPrefix(text, "./")
		if text == ".." || strings.HasPrefix(text, "../") || strings.Contains(text, "/../") {
			return ps, fmt.Errorf("watch pattern %q: leaves the directory", s)
		}
		if negated {
			text = "!" + text
		}
		g, ok := parseGlob(text)
		if !ok {
			return ps, fmt.Errorf("watch pattern %q: empty, or an open bracket or backslash at its end", s)
		}
		ps.globs = append(ps.globs, g)
		if !negated {
			ps.all = false
		}
	}
	return ps, nil
}

// wants reports whether a change of the file rel counts, ignore rules aside.
func (ps *patterns) wants(rel string) bool {
	for i := len(ps.globs) - 1; i >= 0; i-- {
		g := &ps.globs[i]
		if g.match(rel, false) {
			return !g.negated
		}
		for dir := path.Dir(rel); dir != "."; dir = path.Dir(dir) {
			if g.match(dir, true) {
				return !g.negated
			}
		}
	}
	return ps.all
}

// names reports whether a pattern without wildcards names exactly rel. Such a
// path is watched even if it is ignored: a user who writes ".env" means it.
func (ps *patterns) names(rel string, isDir bool) bool {
	for i := range ps.globs {
		if g := &ps.globs[i]; g.isLiteral && !g.negated && g.match(rel, isDir) {
			return true
		}
	}
	return false
}

// leadsTo reports whether a pattern without wildcards names something below the
// directory rel.
func (ps *patterns) leadsTo(rel string) bool {
	for i := range ps.globs {
		if g := &ps.globs[i]; g.isLiteral && g.anchored && !g.negated && strings.HasPrefix(g.literal, rel+"/") {
			return true
		}
	}
	return false
}

// mayWant reports whether a file somewhere below the directory rel could count,
// so that directories that no pattern reaches cost no watch.
func (ps *patterns) mayWant(rel string) bool {
	if ps.all || rel == "." {
		return true
	}
	for i := range ps.globs {
		if g := &ps.globs[i]; !g.negated && (!g.anchored || g.reaches(rel)) {
			return true
		}
	}
	return false
}

// reaches reports whether the literal beginning of an anchored pattern allows it
// to match dir, something above it or something below it.
func (g *glob) reaches(dir string) bool {
	var fixed []byte
	wild := false
	for _, t := range g.tokens {
		if t.kind != oneByte {
			wild = true
			break
		}
		fixed = append(fixed, t.b)
	}
	begin := string(fixed)
	if wild {
		begin = begin[:strings.LastIndexByte(begin, '/')+1]
	}
	begin = strings.TrimSuffix(begin, "/")
	return begin == "" || begin == dir || strings.HasPrefix(begin, dir+"/") || strings.HasPrefix(dir, begin+"/")
}
