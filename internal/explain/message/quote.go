package message

import "strings"

// ErrorLine returns the last line in which an error is told, or "".
func ErrorLine(text string) string {
	text = clean(text)
	all := marks(text)
	if len(all) == 0 {
		all = failures(text)
	}
	if len(all) > 0 {
		return strings.TrimSpace(lineAround(text, all[len(all)-1].start))
	}
	return ""
}

// UntrustedLine returns the last line which tells that the issuer of a
// certificate is not trusted, or "": in the words of OpenSSL, Go, Node, Java,
// GnuTLS, rustls, Firefox and Chromium.
func UntrustedLine(text string) string {
	text = clean(text)
	if all := reUntrusted.get().FindAllStringIndex(text, -1); len(all) > 0 {
		line := strings.TrimSpace(lineAround(text, all[len(all)-1][0]))
		if low := strings.ToLower(line); strings.Contains(low, "expired") || strings.Contains(low, "mismatch") || strings.Contains(low, "not yet valid") {
			return "" // it is another matter than the issuer's
		}
		return line
	}
	return ""
}

var reUntrusted = compiled(`(?i)unable to get (?:local )?issuer cert|unable_to_get_issuer_cert|unable_to_verify_leaf_signature|unable to verify the first certificate|self[- _]signed[ _]cert|certificate signed by unknown authority|unable to find valid certification path|issuer certificate is unknown|issuer is unknown|unknownissuer|sec_error_unknown_issuer|err_cert_authority_invalid|certificate verify failed|certificate is not trusted|unknown ca\b`)
