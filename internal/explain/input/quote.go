package input

import "lodge/internal/explain/message"

// ErrorLine returns the last line of a message in which an error is told, or "".
func ErrorLine(text string) string { return message.ErrorLine(text) }

// UntrustedLine returns the last line of a message which tells that the issuer of
// a certificate is not trusted, or "".
func UntrustedLine(text string) string { return message.UntrustedLine(text) }
