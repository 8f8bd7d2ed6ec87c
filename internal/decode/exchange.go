package decode

import "time"

// Kind is what an [Exchange] is.
type Kind string

// The kinds of exchanges.
const (
	// KindRequest is a request with its response, or as much of both as was seen.
	KindRequest Kind = "request"
	// KindMessage is a message that is not answered: a notification, a published
	// message on its way to a subscriber, a frame of a WebSocket. From is its sender.
	KindMessage Kind = "message"
	// KindSession is the begin of a session: a handshake, a login.
	KindSession Kind = "session"
)

// Exchange is one request and its response, or one message.
type Exchange struct {
	// Protocol is the [Protocol]'s name: "http", "postgresql".
	Protocol string
	// Version is the protocol's version, as the protocol writes it: "1.1", "2".
	Version string
	Kind    Kind
	From    Side
	// Begun reports that the exchange goes on: its answer is a stream, such as
	// server-sent events, and its messages follow as exchanges of their own. It is
	// emitted once more, whole and with Begun false, when it ends. A live view shows
	// it at once; statistics, files and comparisons leave it out.
	Begun bool

	// Secure reports that it was sent inside TLS, and was decrypted. Sizes are those
	// of what was encrypted.
	Secure bool

	// Started is when the first byte of the request was sent, Answered that of the
	// response, Ended when the last byte of either was. Zero where it was not seen.
	Started, Answered, Ended time.Time

	// Method is what kind of thing was asked: "GET", "SELECT", "HGETALL", "publish".
	Method string
	// Target is what it was asked of: a path with its query, the text of a
	// statement, keys, a topic.
	Target string
	// Host is the name of the server that the client asked for, if the protocol
	// carries one.
	Host string
	// Group is Method and Target without what differs from one request to the next,
	// for statistics and comparison: a statement with its literals taken out, a
	// path without its query. Empty: Target is the group.
	Group string
	// Status is what was answered, in the protocol's words: "200 OK", "SELECT 3",
	// "42P01 relation \"x\" does not exist". Empty: no answer was seen.
	Status string
	// Code is the status as a number where the protocol has one (HTTP, gRPC,
	// MySQL's error, Kafka's error), else 0.
	Code int
	// Failed reports that the protocol calls the answer an error; in HTTP, a status
	// of 500 or more.
	Failed bool

	// Stream is the number of the stream on a multiplexed connection, or the
	// protocol's own number of the request; 0 where there is none.
	Stream uint64
	// Details are the protocol's own facts, in a fixed order: parameters, rows,
	// database, the name of a prepared statement.
	Details []Field
	// Unknown says what could not be had and why, for people: "its statement was
	// prepared before the recording began". Empty: all is known.
	Unknown []string

	Request, Response Message
}

// Field is a name with a value: a header, a detail. A name may occur more than
// once.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Message is one direction of an exchange.
type Message struct {
	// Header has the header fields in their order; values of secrets are [Masked].
	Header []Field
	// Trailer has those that followed the body.
	Trailer []Field
	// Body is what was carried, without the framing and the compression of the
	// protocol, up to [Limits.Body] bytes.
	Body []byte
	// Encoding is the compression that Body had on the way and that was undone
	// ("gzip"); or, where it could not be undone, that it still has, as Unknown of
	// the exchange says.
	Encoding string
	// BodyBytes counts the bytes of the whole body as it was sent, without framing.
	BodyBytes int64
	// Bytes counts all bytes on the wire that belong to this message.
	Bytes int64
	// Truncated reports that Body has less than was carried.
	Truncated bool
	// Incomplete reports that the message's end was not seen.
	Incomplete bool
}

// Seen reports whether anything of the message was seen.
func (m *Message) Seen() bool { return m.Bytes > 0 }

// Detail returns the first detail of a name, or "".
func (e *Exchange) Detail(name string) string { return value(e.Details, name) }

// Add appends a detail.
func (e *Exchange) Add(name, value string) { e.Details = append(e.Details, Field{name, value}) }

func value(fs []Field, name string) string {
	for _, f := range fs {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}
