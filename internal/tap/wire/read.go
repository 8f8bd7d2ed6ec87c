package wire

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/decode"
	"lodge/internal/tap"
)

// ErrNotLines is the error of a file whose first line is none of `lodge tap`.
var ErrNotLines = errors.New("its lines are not those of lodge tap --json")

// MaxLine bounds a line that is read: the largest body of both directions has room in it.
const MaxLine = 512 << 20

// Reader reads lines. After an error it reads no more.
type Reader struct {
	in      *bufio.Reader
	buf     []byte
	line    int
	account *tap.Account
	err     error
}

// NewReader returns a reader of lines from r.
func NewReader(r io.Reader) *Reader { return &Reader{in: bufio.NewReaderSize(r, 64<<10)} }

// Next returns the next record, or [io.EOF] at the end. A last line without its end is
// [io.ErrUnexpectedEOF]: the program that wrote it was ended.
func (r *Reader) Next() (*tap.Record, error) {
	for r.err == nil {
		var line []byte
		line, r.err = r.readLine()
		if r.err != nil {
			break
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		x, err := r.parse(line)
		if err != nil {
			r.err = fmt.Errorf("line %d: %w", r.line, err)
			break
		}
		if x != nil {
			return x, nil
		}
	}
	return nil, r.err
}

// Account returns the account, which is the last line; nil where there was none yet.
func (r *Reader) Account() *tap.Account { return r.account }

// readLine returns the next line, valid until the next call.
func (r *Reader) readLine() ([]byte, error) {
	r.buf = r.buf[:0]
	for {
		part, err := r.in.ReadSlice('\n')
		r.buf = append(r.buf, part...)
		switch {
		case err == nil:
			r.line++
			return r.buf, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			if errors.Is(err, io.EOF) && len(bytes.TrimSpace(r.buf)) > 0 {
				if json.Valid(r.buf) { // only the end of the line is missing
					r.line++
					return r.buf, nil
				}
				return nil, fmt.Errorf("line %d: %w", r.line+1, io.ErrUnexpectedEOF)
			}
			return nil, err
		case len(r.buf) > MaxLine:
			return nil, fmt.Errorf("line %d: longer than %d bytes", r.line+1, MaxLine)
		}
	}
}

// parse reads a line: it returns nil for that of an account.
func (r *Reader) parse(line []byte) (*tap.Record, error) {
	var x Record
	if err := json.Unmarshal(line, &x); err != nil {
		if r.line == 1 {
			return nil, ErrNotLines
		}
		return nil, err
	}
	switch x.Kind {
	case KindAccount:
		var a Account
		if err := json.Unmarshal(line, &a); err != nil {
			return nil, err
		}
		r.account = &a.Account
		return nil, nil
	case KindFailure, string(decode.KindRequest), string(decode.KindMessage), string(decode.KindSession):
		return x.record()
	case "":
		return nil, ErrNotLines
	}
	return nil, fmt.Errorf("kind %q is not known", x.Kind)
}

// record returns the record of a line.
func (x *Record) record() (*tap.Record, error) {
	out := &tap.Record{
		Number: x.Number, Connection: x.Connection, Time: x.Time, Failure: tap.Failure(x.Failure),
		Client: x.Client.end(), Server: x.Server.end(),
	}
	switch x.Transport {
	case packet.TCP.String():
		out.Transport = packet.TCP
	case packet.UDP.String():
		out.Transport = packet.UDP
	case packet.Unix.String():
		out.Transport = packet.Unix
	default:
		return nil, fmt.Errorf("transport %q is not known", x.Transport)
	}
	if x.Kind == KindFailure {
		if x.Failure == "" {
			return nil, errors.New("a failure says not what failed")
		}
		return out, nil
	}
	e := &decode.Exchange{
		Protocol: x.Protocol, Version: x.Version, Kind: decode.Kind(x.Kind), Method: x.Method, Target: x.Target, Host: x.Host, Group: x.Group,
		Status: x.Answer, Failed: x.Failed, Secure: x.Secure, Stream: x.Stream, Details: x.Details, Unknown: x.Unknown, Begun: x.Number == 0,
	}
	if x.Status != nil {
		e.Code = *x.Status
	}
	if x.From == decode.Server.String() {
		e.From = decode.Server
	}
	var err error
	if e.Request, err = x.Request.message(); err != nil {
		return nil, fmt.Errorf("body of the request: %w", err)
	}
	if e.Response, err = x.Response.message(); err != nil {
		return nil, fmt.Errorf("body of the response: %w", err)
	}
	switch {
	case x.LatencyUS != nil:
		e.Started, e.Answered = x.Time, x.Time.Add(duration(*x.LatencyUS))
	case x.Request == nil && x.Response != nil:
		e.Answered = x.Time
	default:
		e.Started = x.Time
	}
	if x.DurationUS != nil {
		e.Ended = x.Time.Add(duration(*x.DurationUS))
	}
	out.Exchange = e
	return out, nil
}

// duration is a number of microseconds, rounded to nanoseconds.
func duration(us float64) time.Duration {
	ns := math.Round(us * 1000)
	if ns != ns || math.Abs(ns) > math.MaxInt64/2 {
		return 0
	}
	return time.Duration(ns)
}

func (e *End) end() tap.End {
	out := tap.End{
		Address: netip.AddrPortFrom(e.IP, e.Port), Path: e.Path, Processes: e.Processes, Source: tap.Source(e.Source),
		Project: e.Project, Service: e.Service, Container: e.Container,
	}
	if b := e.Behind; b != nil {
		out.Behind = &tap.Behind{Address: netip.AddrPortFrom(b.IP, b.Port), Processes: b.Processes, Container: b.Container}
	}
	return out
}

func (m *Message) message() (decode.Message, error) {
	if m == nil {
		return decode.Message{}, nil
	}
	out := decode.Message{
		Header: m.Header, Trailer: m.Trailer, Encoding: m.Encoding, BodyBytes: m.BodyBytes, Bytes: m.Bytes, Truncated: m.Truncated, Incomplete: m.Incomplete,
	}
	switch {
	case m.Body != "":
		out.Body = []byte(m.Body)
	case m.BodyBase64 != "":
		b, err := base64.StdEncoding.DecodeString(m.BodyBase64)
		if err != nil {
			return out, err
		}
		out.Body = b
	}
	return out, nil
}
