package explain

import (
	"fmt"
	"strings"

	"lodge/internal/cli/kit"
	"lodge/internal/explain/input"
	"lodge/internal/explain/render"
)

// withoutAddress is the error of a message in which no address is: it quotes the
// line that tells the error, or else the first.
func withoutAddress(what string, err error) error {
	hint := "add the port, such as: " + exampleLine
	line := input.ErrorLine(what)
	if untrusted := input.UntrustedLine(what); untrusted != "" {
		line = untrusted
		hint = "the issuer of the server's certificate is not trusted; for names of lodge's: lodge trust"
	}
	if line == "" {
		line = what
	}
	return &kit.UsageError{Err: fmt.Errorf("explain %q: %w", firstLine(line), err), Hint: hint}
}

// trustHint puts lodge trust in front where a message tells that a certificate of
// one of lodge's names is not trusted.
func trustHint(r *render.Report, what string) {
	if input.UntrustedLine(what) == "" || r.Address == nil {
		return
	}
	if r.Address.Name == "localhost" || !strings.HasSuffix(r.Address.Name, ".localhost") {
		return
	}
	r.Hints = append([]string{"lodge trust: the certificate's issuer is not trusted here, and lodge's own signs names below localhost"}, r.Hints...)
}
