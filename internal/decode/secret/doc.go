// Package secret finds secrets by the names that they have, and masks them: passwords,
// tokens, cookies, keys and signatures in header fields, URLs, forms, JSON, XML and HTML,
// GraphQL and other text. There is one table of names, which SQL's columns, the fields of
// documents and command lines use as well.
//
// It is a set of scanners and no parsers: what they read may be cut off, be damaged, or
// not be what its type says. What they do not understand stays as it is. Each keeps its
// argument, and returns it where nothing is masked.
package secret
