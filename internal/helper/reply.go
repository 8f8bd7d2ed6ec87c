package helper

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"lodge/internal/helper/homes"
	"lodge/internal/helper/policy"
	"lodge/internal/helper/taps"
	"lodge/internal/helperapi"
)

// unknownError says that this helper does not know an operation.
type unknownError struct{ op string }

func (e *unknownError) Error() string {
	return fmt.Sprintf("operation %q: unknown; the helper may be older than lodge", e.op)
}

// tooManyCallsError says that a connection has as many calls as it may have.
type tooManyCallsError struct{}

func (e *tooManyCallsError) Error() string {
	return fmt.Sprintf("%d calls are under way on this connection, the most that there may be", helperapi.CallsUnderWay)
}

// outcome is what an operation has made.
type outcome struct {
	// result has the operation's type of reply; nil: none.
	result any
	// hello is the result of the greeting, which stands elsewhere.
	hello *helperapi.Hello
	grant *helperapi.Grant
	// undo takes back what was made, for a client that does not wait for it; nil:
	// there is nothing beside the descriptors. The call's turn is not over.
	undo func() error
}

func (o *outcome) reply(id uint64) *helperapi.Reply {
	rep := &helperapi.Reply{ID: id, Hello: o.hello}
	if o.result != nil {
		b, err := json.Marshal(o.result)
		if err != nil {
			return failed(id, err)
		}
		rep.Result = b
	}
	return rep
}

// failed makes a reply of an error, with what a client may act on.
func failed(id uint64, err error) *helperapi.Reply {
	r := &helperapi.Reply{ID: id, Error: helperapi.OneLine(err)}
	var taken *homes.TakenError
	var other *policy.NotYoursError
	var many *homes.TooManyError
	var unknown *unknownError
	var calls *tooManyCallsError
	var manyTaps *taps.TooManyError
	var noTap *taps.UnsupportedError
	var noUprobes *taps.NoUprobesError
	var notProbed *taps.NotProbedError
	switch {
	case errors.Is(err, errGivenUp):
		r.Code = helperapi.Canceled
	case errors.As(err, &taken):
		r.Code, r.Owner = helperapi.HomeTaken, &taken.Owner
	case errors.As(err, &many):
		r.Code = helperapi.TooManyHomes
	case errors.As(err, &other):
		r.Owner = &other.Owner
		if r.Code = helperapi.NotYours; strings.HasPrefix(other.What, "address ") {
			r.Code = helperapi.HomeTaken
		}
	case errors.As(err, &unknown):
		r.Code = helperapi.UnknownOperation
	case errors.As(err, &manyTaps):
		r.Code = helperapi.TooManyTaps
	case errors.As(err, &noTap):
		r.Code = helperapi.NoTap
	case errors.As(err, &noUprobes):
		r.Code = helperapi.NoUprobes
	case errors.As(err, &notProbed):
		r.Code = helperapi.NotProbed
	case errors.As(err, &calls):
		r.Code = helperapi.TooManyCalls
	}
	return r
}

// refuse tells the client why it is served no more, if it listens.
func refuse(conn *net.UnixConn, why error) {
	_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
	_ = helperapi.SendReply(conn, &helperapi.Reply{Error: helperapi.OneLine(why)}, nil)
}
