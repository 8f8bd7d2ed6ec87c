package grpc

import (
	"bytes"
	"errors"
	"strconv"
	"strings"

	"lodge/internal/decode"
	"lodge/internal/decode/content"
	"lodge/internal/decode/secret"
)

// codes are the names of status codes.
var codes = [...]string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
	"PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
	"INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}

func codeName(code int) string {
	if code >= 0 && code < len(codes) {
		return codes[code]
	}
	return "code " + strconv.Itoa(code)
}

// percentDecode decodes grpc-message; what is not encoded properly remains.
func percentDecode(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				out = append(out, byte(n))
				i += 2
				continue
			}
		}
		out = append(out, s[i])
	}
	return strings.ToValidUTF8(string(out), "�")
}

// parseTrailer reads the trailer in a body of gRPC-Web: fields as in HTTP/1.
func parseTrailer(b []byte) (fs []decode.Field) {
	for line := range bytes.Lines(b) {
		name, value, ok := strings.Cut(strings.TrimRight(string(line), "\r\n"), ":")
		if ok && len(fs) < 64 {
			fs = append(fs, decode.Field{Name: strings.ToLower(strings.TrimSpace(name)), Value: strings.TrimSpace(value)})
		}
	}
	return fs
}

var errEncoding = errors.New("compression is not known")

// decompress returns at most limit bytes of what a message was compressed from.
func decompress(encoding string, b []byte, limit int) (out []byte, more bool, err error) {
	switch encoding {
	case "gzip", "deflate":
		return content.Decompress(encoding, b, limit)
	}
	return nil, false, errEncoding
}

func secretName(name string) bool { return secret.Name(name) }
