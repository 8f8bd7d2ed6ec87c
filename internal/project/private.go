package project

import (
	"fmt"
	"slices"
)

// private reads which directories a service has for itself.
func (r *reader) private(it *item, key string) ([]string, error) {
	out, offsets, err := r.strings(it, key)
	if err != nil {
		return nil, err
	}
	known := []string{PrivateHome, PrivateTmp}
	for i, name := range out {
		switch {
		case !slices.Contains(known, name):
			return nil, r.fail(offsets[i], key, fmt.Sprintf("found %s, want %s", ellipsis(name), quoteList(known)), didYouMean(Nearest(name, known)))
		case slices.Contains(out[:i], name):
			return nil, r.fail(offsets[i], key, ellipsis(name)+" is named twice", "")
		}
	}
	return out, nil
}
