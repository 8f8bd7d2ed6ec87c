package project

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
