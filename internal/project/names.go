package project

import "lodge/internal/project/syntax"

// Error is the one thing that is wrong in a file, and where.
type Error = syntax.Error

// Nearest returns the candidate that was probably meant by word, or "".
func Nearest(word string, candidates []string) string { return syntax.Nearest(word, candidates) }

// ValidName reports whether name can be a service's or a project's: one DNS label
// in lower case (RFC 1123, section 2.1).
func ValidName(name string) bool { return labelProblem(name) == "" }

// MakeName makes such a name of anything; "project" where nothing is left.
func MakeName(s string) string {
	if l := toLabel(s); l != "" {
		return l
	}
	return "project"
}
