package pages

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// GRPC calls f with the header fields that are the page for a client of gRPC: the answer of
// a call that failed, without a message ("Trailers-Only" in gRPC over HTTP2).
// The codes are those that gRPC itself makes of HTTP's.
func (p *Page) GRPC(f func(k, v string)) {
	code := 2 // UNKNOWN
	switch p.Status {
	case http.StatusBadRequest, http.StatusRequestHeaderFieldsTooLarge:
		code = 13 // INTERNAL
	case http.StatusForbidden:
		code = 7 // PERMISSION_DENIED
	case http.StatusNotFound, http.StatusMisdirectedRequest:
		code = 12 // UNIMPLEMENTED
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		code = 14 // UNAVAILABLE
	}
	if p.Call != 0 {
		code = p.Call
	}
	line, _, _ := bytes.Cut(p.plain(), []byte{'\n'})
	var b strings.Builder
	for _, c := range line {
		if c < ' ' || c > '~' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	f("Content-Type", "application/grpc")
	f("Grpc-Status", itoa(code))
	f("Grpc-Message", b.String())
}

// The statuses of gRPC for a call whose stream the service has reset.
const (
	grpcCancelled        = 1
	grpcDeadlineExceeded = 4
)

// ResetStatus returns the status of a call of gRPC that has come to err after a
// time, or 0 if the service did not reset its stream with CANCEL ("HTTP2
// Transport Mapping" in gRPC over HTTP2). A server whose timer is a little
// ahead of the client's does that when the call's own time, timeout, is over.
func ResetStatus(err error, timeout string, took time.Duration) int {
	// net/http keeps the error's value to itself.
	if !strings.Contains(err.Error(), "; CANCEL; received from peer") {
		return 0
	}
	if limit, ok := grpcTimeout(timeout); ok && took >= limit {
		return grpcDeadlineExceeded
	}
	return grpcCancelled
}

// grpcTimeout reads the field Grpc-Timeout: at most 8 digits and a unit.
func grpcTimeout(s string) (time.Duration, bool) {
	if len(s) < 2 || len(s) > 9 {
		return 0, false
	}
	n, err := strconv.ParseUint(s[:len(s)-1], 10, 32)
	unit, known := map[byte]time.Duration{
		'H': time.Hour, 'M': time.Minute, 'S': time.Second, 'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond,
	}[s[len(s)-1]]
	if err != nil || !known || n > uint64((1<<63-1)/unit) {
		return 0, false
	}
	return time.Duration(n) * unit, true
}
