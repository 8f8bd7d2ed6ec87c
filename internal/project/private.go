package project

import (
	"fmt"
	"slices"

	"lodge/internal/project/syntax"
)

// readPrivate reads which directories a service has for itself.
func readPrivate(t *syntax.Tree, it *syntax.Item, key string) ([]string, error) {
	out, offsets, err := t.Strings(it, key)
	if err != nil {
		return nil, err
	}
	known := []string{PrivateHome, PrivateTmp}
	for i, name := range out {
		switch {
		case !slices.Contains(known, name):
			return nil, t.Fail(offsets[i], key, fmt.Sprintf("found %s, want %s", syntax.Ellipsis(name), syntax.QuoteList(known)), syntax.DidYouMean(syntax.Nearest(name, known)))
		case slices.Contains(out[:i], name):
			return nil, t.Fail(offsets[i], key, syntax.Ellipsis(name)+" is named twice", "")
		}
	}
	return out, nil
}
