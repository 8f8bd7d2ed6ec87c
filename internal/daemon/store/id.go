package store

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// projectID makes the short stable name of a project: what people call it and
// eight digits of what makes it unique, of [a-z0-9-].
func projectID(seed, path, name string) string {
	sum := sha256.Sum256([]byte(seed + "\x00" + path))
	slug := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, name)
	if len(slug) > 20 {
		slug = slug[:20]
	}
	slug = strings.Trim(slug, "-")
	if slug == "" {
		slug = "project"
	}
	return slug + "-" + hex.EncodeToString(sum[:4])
}

// ValidID reports whether an id is one, and so can be part of a file's name.
func ValidID(id string) bool {
	return id != "" && len(id) <= 64 && strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
