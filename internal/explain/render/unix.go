package render

import (
	"fmt"
	"strings"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/words"
)

// unixAnswer answers a path.
func unixAnswer(f *facts.Facts, r *Report) string {
	if len(r.Causes) > 0 {
		return r.Causes[0].Summary
	}
	var out []string
	for _, row := range f.UnixListeners() {
		verb := "listens on"
		if row.State != "listen" {
			verb = "takes datagrams at"
		}
		out = append(out, fmt.Sprintf("%s %s %s.", words.Upper(words.Holder(f, row)), verb, words.Own(row)))
	}
	if len(out) == 0 {
		return "Nothing is known of " + f.Unix.Path + "."
	}
	return strings.Join(out[:min(len(out), 3)], " ")
}
