package mongodb

import (
	"strings"

	"lodge/internal/decode/secret"
)

// interesting reports whether elements of a command or an answer are looked
// into.
func interesting(name string) bool {
	switch name {
	case "cursor", "writeErrors", "writeConcernError", "updates", "deletes", "cursors":
		return true
	}
	return false
}

// path returns the names that lead to the element that is read, or "" where it
// is not looked at.
func (v *view) path() string {
	d := v.depth()
	switch {
	case d == 1:
		return v.names[0]
	case d < 1 || d > len(v.names) || !interesting(v.names[0]):
		return ""
	}
	return strings.Join(v.names[:d], ".")
}

// note keeps a value that describes the message.
func (v *view) note(value string) {
	p := v.path()
	switch p {
	case "":
		return
	case v.command:
		if v.reply || v.facts[p] != "" {
			return
		}
	case "$db", "collection", "txnNumber", "ok", "errmsg", "code", "codeName", "n", "nModified", "$err", "getMore",
		"cursor.id", "cursor.ns", "writeErrors.0.code", "writeErrors.0.errmsg", "writeConcernError.code",
		"writeConcernError.codeName", "writeConcernError.errmsg", "cursors.0", "mechanism":
	default:
		return
	}
	if len(value) <= factBytes {
		v.facts[p] = value
	}
}

// noteCount keeps the number of elements of an array.
func (v *view) noteCount(n int64) {
	switch p := v.path(); p {
	case "documents", "updates", "deletes", "cursors", "cursor.firstBatch", "cursor.nextBatch", "writeErrors":
		v.counts[p] += n
	}
}

// isFilter reports whether the element that begins, with d names before it, is
// what the command looks for.
func (v *view) isFilter(d int) bool {
	if v.reply {
		return false
	}
	switch d {
	case 1:
		switch v.names[0] {
		case "filter", "query", "pipeline":
			return v.command != v.names[0]
		}
	case 3:
		return (v.names[0] == "updates" || v.names[0] == "deletes") && v.names[1] == "0" && v.names[2] == "q"
	}
	return false
}

// secret reports whether an element is a password, or part of a login.
func (v *view) secret(name string, d int) bool {
	c := strings.ToLower(v.command)
	unknown := v.reply && c == ""
	if secret.Name(name) && !(name == "signature" && v.names[0] == "$clusterTime") {
		return true // also a field of a document
	}
	switch name {
	case "payload":
		return strings.HasPrefix(c, "sasl") || d > 1 && v.names[0] == "speculativeAuthenticate" || unknown
	case "pwd":
		return c == "createuser" || c == "updateuser" || unknown
	case "key", "nonce":
		return c == "authenticate"
	case "credentials":
		return v.reply && (c == "usersinfo" || unknown)
	}
	return false
}
