package localapi

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"lodge/internal/event"
	"lodge/internal/stall"
	"lodge/internal/unixhttp"
)

// EventsQuery says which events are wanted. The zero value: those that happen from
// now on.
type EventsQuery struct {
	// After is the place after which events are wanted; nil: now. Its Number 0 is the
	// oldest event that is kept. A Stream that is not the daemon's makes the answer
	// begin with an event of kind lost, and then the oldest that is kept.
	After *event.Position
	// Since is the time from which on events are wanted, where After is nil and Since
	// is not zero.
	Since time.Time
	// Once ends the answer with the newest event that is there; else it goes on with
	// what happens.
	Once bool
	// Filter are the words of a filter of events (docs/reference/filters.md). Where they leave
	// events of sockets out, the daemon reads no table of sockets for this reader.
	Filter []string
}

// The parameters of GET /v1/events, and the headers of its answer, which say after
// which event it begins.
const (
	EventsSince     = "since"      // a number
	EventsStream    = "stream"     // the stream that the number is of
	EventsSinceTime = "since_time" // RFC 3339
	EventsFollow    = "follow"     // false: what is there, and no more
	EventsFilter    = "filter"     // a word; repeated

	HeaderStream = "Lodge-Stream"
	HeaderNumber = "Lodge-Number"
)

func (q EventsQuery) encode() string {
	v := url.Values{}
	if q.After != nil {
		v.Set(EventsSince, strconv.FormatUint(q.After.Number, 10))
		if q.After.Stream != "" {
			v.Set(EventsStream, q.After.Stream)
		}
	} else if !q.Since.IsZero() {
		v.Set(EventsSinceTime, q.Since.Format(time.RFC3339Nano))
	}
	if q.Once {
		v.Set(EventsFollow, "false")
	}
	v[EventsFilter] = q.Filter
	return v.Encode()
}

// ErrStreamEnded says that the answer ended although it should go on: the daemon has
// ended, and another one may continue the stream.
var ErrStreamEnded = errors.New("the daemon ended the stream of events")

// Events hands each event to each, with the line of JSON that it came as,
// which is the caller's. begun is called first, with the place after which the
// answer begins. It returns nil where q.Once and all were told; ErrStreamEnded or an
// error of the connection where the daemon has ended; the error of each; or that of
// ctx.
func (c *Client) Events(ctx context.Context, q EventsQuery, begun func(event.Position), each func(line []byte, e event.Event) error) error {
	// The answer may be silent for hours, so that a daemon which is stopped meanwhile
	// is waited for; the first word is not.
	first, done := c.guard(ctx)
	ask, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(first, cancel)
	resp, err := c.do(ask, unixhttp.Get, "/v1/events?"+q.encode(), nil)
	stop()
	err = stall.Cause(first, err)
	done()
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return refusal(resp)
	}
	at := event.Position{Stream: resp.Header.Get(HeaderStream)}
	if at.Number, err = strconv.ParseUint(resp.Header.Get(HeaderNumber), 10, 64); err != nil {
		return fmt.Errorf("read the daemon's answer: %w", err)
	}
	if begun != nil {
		begun(at)
	}
	in := bufio.NewReaderSize(resp.Body, 64<<10)
	for {
		line, err := in.ReadBytes('\n')
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, io.EOF) && q.Once:
			return nil
		case err != nil: // what was not written whole was not told
			return ErrStreamEnded
		}
		var e event.Event
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("read the daemon's answer: %w", err)
		}
		if err := each(line, e); err != nil {
			return err
		}
	}
}
