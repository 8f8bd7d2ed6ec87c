// Package syntax reads the text of a project's files: a TOML document as a tree that knows the
// order and the position of every key and value, typed values of it, and errors with line and
// column that say what was probably meant. It knows no key of lodge.toml and opens no file.
package syntax
