package grpc

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"

	"lodge/internal/decode"
	"lodge/internal/decode/content"
	"lodge/internal/decode/protobuf"
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
		if ok && len(fs) < maxTrailer {
			fs = append(fs, decode.Field{Name: strings.ToLower(strings.TrimSpace(name)), Value: strings.TrimSpace(value)})
		}
	}
	return fs
}

// maxTrailer is how many fields of a trailer are kept that is a message.
const maxTrailer = 64

// addTrailer adds a field of a trailer that is in the body.
func (x *call) addTrailer(name, value string) {
	if t := &x.e.Response.Trailer; len(*t) < maxTrailer {
		*t = append(*t, decode.Field{Name: name, Value: content.Header(x.c, name, value)})
	}
}

var errEncoding = errors.New("compression is not known")

// decompress returns at most limit bytes of what a message was compressed from.
func decompress(encoding string, b []byte, limit int) (out []byte, more bool, err error) {
	switch encoding {
	case "gzip", "deflate", "br", "zstd":
		return content.Decompress(encoding, b, limit)
	}
	return nil, false, errEncoding
}

func secretName(name string) bool { return secret.Name(name) }

// status finds the call's status.
func (x *call) status() {
	e := x.e
	if x.format.connect || x.format.bare {
		x.connectStatus()
		return
	}
	fields := e.Response.Trailer
	if field(fields, "grpc-status") == "" {
		fields = x.trailer
	}
	if field(fields, "grpc-status") == "" {
		fields = e.Response.Header // there is nothing but the trailer
	}
	value := field(fields, "grpc-status")
	code, err := strconv.Atoi(value)
	if value == "" || err != nil {
		if e.Code == 200 {
			// The answer has begun, and its status is not there.
			e.Code, e.Status = 0, ""
		}
		if e.Code != 0 {
			e.Failed = true
			e.Status = "HTTP " + e.Status
		}
		return
	}
	e.Code, e.Failed = code, code != 0
	e.Status = value + " " + codeName(code)
	if text := percentDecode(field(fields, "grpc-message")); text != "" && text != codeName(code) {
		e.Status += " " + text
	}
	if details := field(fields, "grpc-status-details-bin"); details != "" {
		if b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(details, "=")); err == nil {
			text, _ := protobuf.Text{Limit: 4096}.Append(nil, b, nil)
			e.Add("status details", string(text))
		}
	}
}
