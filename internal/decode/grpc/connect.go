package grpc

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"lodge/internal/decode"
)

// failure is Connect's error: its code is a name.
type failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// parseFailure reads an error, nil where there is none.
func parseFailure(b []byte) *failure {
	var f failure
	if json.Unmarshal(b, &f) != nil || f.Code == "" {
		return nil
	}
	return &f
}

// endOfStream reads the last message of a stream, which has the error in JSON.
func (x *call) endOfStream(s decode.Side, p *direction) {
	b := p.buf
	if x.compressed(s, p) {
		b, _, _ = decompress(x.encoding(s), b, x.c.Limits.Message) // what cannot be read is no error
	}
	var end struct {
		Error    json.RawMessage     `json:"error"`
		Metadata map[string][]string `json:"metadata"`
	}
	if s == decode.Client || json.Unmarshal(b, &end) != nil {
		return
	}
	if x.failure = parseFailure(end.Error); x.failure == nil {
		x.failure = new(failure)
	}
	for _, name := range slices.Sorted(maps.Keys(end.Metadata)) {
		for _, value := range end.Metadata[name] {
			x.addTrailer(name, value)
		}
	}
}

// connectStatus is the status of a call of Connect: that of HTTP, or of the error.
func (x *call) connectStatus() {
	e, f := x.e, x.failure
	switch {
	case f != nil && f.Code == "", f == nil && x.format.bare && e.Code == 200:
		e.Code, e.Failed, e.Status = 0, false, "0 "+codeName(0)
	case f != nil:
		e.Code = slices.IndexFunc(codes[:], func(name string) bool {
			return name == strings.ToUpper(f.Code) || f.Code == "canceled" && name == "CANCELLED"
		})
		if e.Failed = true; e.Code < 0 {
			e.Code, e.Status = 2, f.Code // as UNKNOWN
		} else {
			e.Status = strconv.Itoa(e.Code) + " " + codeName(e.Code)
		}
		if f.Message != "" {
			e.Status += " " + strings.ToValidUTF8(f.Message, "\uFFFD")
		}
	case e.Code == 200: // the end of the stream was not seen
		e.Code, e.Status = 0, ""
	case e.Code == 304 && x.format.get: // the client has the answer
		e.Status = "HTTP " + e.Status
	case e.Code != 0:
		e.Failed = true
		e.Status = "HTTP " + e.Status
	}
}
