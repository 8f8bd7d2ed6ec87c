package project

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"lodge/internal/project/syntax"
)

// label reads a string that must be a host name label.
func readLabel(t *syntax.Tree, it *syntax.Item, key string) (string, error) {
	s, err := t.Str(it, key)
	if err != nil {
		return "", err
	}
	if problem := labelProblem(s); problem != "" {
		return "", t.Fail(it.Value.Offset, key, fmt.Sprintf("%s is not a name: %s", syntax.Ellipsis(s), problem), syntax.DidYouMean(toLabel(s)))
	}
	return s, nil
}

// signal reads the name of a signal.
func readSignal(t *syntax.Tree, it *syntax.Item, key string) (string, error) {
	const want = `a signal such as "SIGTERM" or "SIGINT"`
	s, err := t.Typed(it.Value, key, unstable.String, want, "")
	if err != nil {
		return "", err
	}
	if _, ok := stopSignals()[s]; !ok {
		names := slices.Sorted(maps.Keys(stopSignals()))
		upper := strings.ToUpper(s)
		hint := "one of " + strings.Join(names, ", ")
		for _, try := range []string{upper, "SIG" + upper} {
			if _, ok := stopSignals()[try]; ok {
				hint = syntax.DidYouMean(try)
			}
		}
		return "", t.Fail(it.Value.Offset, key, fmt.Sprintf("found %s, want %s", syntax.Ellipsis(s), want), hint)
	}
	return s, nil
}
