// Package content has what the decoders of HTTP/1 and HTTP/2 share about what
// messages carry: content codings are undone within limits, secrets are masked
// in header fields, targets and bodies, paths become templates for statistics,
// and text is told from binary data.
//
// Content codings: RFC 9110 section 8.4
// (https://www.rfc-editor.org/rfc/rfc9110#section-8.4); gzip is RFC 1952, zlib
// RFC 1950, DEFLATE RFC 1951, br RFC 7932, zstd RFC 8878.
package content
