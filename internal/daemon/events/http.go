package events

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"lodge/internal/daemon/api"
	"lodge/internal/event"
	"lodge/internal/eventfilter"
	"lodge/internal/localapi"
	"lodge/internal/query"
)

// readerPatience is how long a reader of events may take for a batch when the daemon
// ends.
const readerPatience = time.Second

// ServeHTTP answers with events, one JSON object a line, until the client goes or
// the daemon ends. A client that reads events keeps the daemon from ending by itself,
// as every call does.
func (ev *Stream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	after, filter, err := eventsAsked(r, ev.bus)
	if err != nil {
		api.Refuse(w, http.StatusBadRequest, err)
		return
	}
	rc := http.NewResponseController(w)
	// A client that does not read must not keep the daemon from its end.
	defer context.AfterFunc(ev.ending, func() { _ = rc.SetWriteDeadline(time.Now().Add(readerPatience)) })()
	once := r.URL.Query().Get(localapi.EventsFollow) == "false"
	subscribe := ev.bus.Subscribe
	if filter.Sockets() {
		subscribe = ev.bus.SubscribeAll
		if !once {
			defer ev.sources.reading()()
		}
	}
	s := subscribe(after)
	at, newest := s.Position(), ev.bus.Position()
	w.Header().Set("Content-Type", "application/jsonl")
	w.Header().Set(localapi.HeaderStream, at.Stream)
	w.Header().Set(localapi.HeaderNumber, strconv.FormatUint(at.Number, 10))
	w.WriteHeader(http.StatusOK)
	if rc.Flush() != nil {
		return // the client is gone
	}
	out := bufio.NewWriterSize(w, 64<<10)
	for {
		list := s.Pending()
		if len(list) == 0 && !once {
			if list, err = s.Next(r.Context()); err != nil {
				return
			}
		}
		for i := range list {
			if !filter.Match(&list[i]) {
				continue
			}
			b, err := json.Marshal(&list[i])
			if err != nil {
				return // the end of the answer says that it is not whole
			}
			_, _ = out.Write(append(b, '\n')) // Flush has the error
		}
		if out.Flush() != nil || rc.Flush() != nil || once && s.Position().Number >= newest.Number {
			return
		}
	}
}

// eventsAsked reads which events a client wants.
func eventsAsked(r *http.Request, bus *event.Bus) (after event.Position, filter *eventfilter.Filter, err error) {
	q := r.URL.Query()
	if filter, err = eventfilter.Parse(q[localapi.EventsFilter], eventfilter.Options{Now: time.Now()}); err != nil {
		var why *query.Error
		if errors.As(err, &why) {
			err = &localapi.Error{Message: why.Text, Hint: why.Hint}
		}
		return after, nil, err
	}
	number, since := q.Get(localapi.EventsSince), q.Get(localapi.EventsSinceTime)
	switch {
	case number != "" && since != "":
		return after, nil, errors.New("read events: both a number and a time are given")
	case number != "":
		if after.Number, err = strconv.ParseUint(number, 10, 64); err != nil {
			return after, nil, fmt.Errorf("read events: %q is no number of an event", number)
		}
		after.Stream = q.Get(localapi.EventsStream)
		if after.Stream == "" {
			after.Stream = bus.Position().Stream
		}
		return after, filter, nil
	case since != "":
		t, err := time.Parse(time.RFC3339Nano, since)
		if err != nil {
			return after, nil, fmt.Errorf("read events: %q is no time (RFC 3339)", since)
		}
		return bus.Before(t), filter, nil
	}
	return bus.Position(), filter, nil
}
