package message

import "testing"

func TestLines(t *testing.T) {
	const trace = "Traceback (most recent call last):\n  File \"a.py\", line 3\nOSError: [Errno 98] Address already in use\n"
	if got := ErrorLine(trace); got != "OSError: [Errno 98] Address already in use" {
		t.Errorf("%q", got)
	}
	if got := ErrorLine("hello\nworld"); got != "" {
		t.Errorf("%q", got)
	}
	for text, want := range map[string]bool{
		"curl: (60) SSL certificate problem: unable to get local issuer certificate":               true,
		"tls: failed to verify certificate: x509: certificate signed by unknown authority":         true,
		"Error: self signed certificate in certificate chain":                                      true,
		"code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'":                                                  true,
		"net::ERR_CERT_AUTHORITY_INVALID":                                                          true,
		"ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed": true,
		"curl: (7) Failed to connect to localhost port 80: Connection refused":                     false,
		"[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired":      false,
		"x509: certificate has expired or is not yet valid":                                        false,
	} {
		if got := UntrustedLine("first\n"+text) == text; got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
