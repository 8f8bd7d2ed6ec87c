package sqltext

import (
	"strings"

	"lodge/internal/decode"
	"lodge/internal/decode/secret"
)

// MaskError masks secrets in what a server says of an error: values of keys whose columns
// have names of secrets, and the rows of constraints, which have all columns.
func MaskError(text string) string {
	switch {
	case strings.HasPrefix(text, "Failing row contains ("):
		return "Failing row contains (" + decode.Masked + ")."
	case strings.HasPrefix(text, "Duplicate entry '"):
		return maskDuplicate(text)
	case strings.HasPrefix(text, "Key ("):
		return maskKey(text)
	}
	return text
}

// maskKey masks "Key (name, token)=(a, b) already exists." of PostgreSQL.
func maskKey(text string) string {
	names, rest, ok := strings.Cut(text[len("Key ("):], ")=(")
	if !ok {
		return text
	}
	for name := range strings.SplitSeq(names, ",") {
		if secret.Name(strings.TrimSpace(name)) {
			if end := strings.LastIndexByte(rest, ')'); end >= 0 {
				rest = rest[end:]
			}
			return "Key (" + names + ")=(" + decode.Masked + rest
		}
	}
	return text
}

// maskDuplicate masks "Duplicate entry 'a' for key 'users.token'" of MySQL.
func maskDuplicate(text string) string {
	i := strings.LastIndex(text, "' for key '")
	if i < 0 {
		return text
	}
	if key := strings.TrimSuffix(text[i+len("' for key '"):], "'"); !secret.Name(key) && !secret.May(key) {
		return text
	}
	return "Duplicate entry '" + decode.Masked + text[i:]
}
