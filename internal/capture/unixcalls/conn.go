package unixcalls

import (
	"container/list"
	"time"

	"lodge/internal/decode"
)

// Type is the type of a socket (socket(2)).
type Type uint8

// The types.
const (
	Stream    Type = 1
	Datagram  Type = 2
	SeqPacket Type = 5
)

// Conn is a connection of two Unix sockets, or what one socket sends to a path in
// datagrams.
type Conn struct {
	// Path is that of the server's socket, "" where neither side has one (socketpair(2)).
	Path string
	Type Type
	// At is when it was made, or first seen.
	At time.Time
	// ClientKnown reports that the client's side is known; otherwise it is a guess.
	ClientKnown bool
	// Midstream reports that the connection is older than the tap.
	Midstream bool
	// By is the process that called connect(2), its PID 0 where that was not seen.
	By Process
	// PeerPID is the process that listens, or made the pair of sockets, by what the
	// client's socket knows of its peer; 0: not known.
	PeerPID uint32
	// ClientPID is the process that connected, or made the pair, by what the server's socket
	// knows of its peer; 0: not known.
	ClientPID uint32
	// Owner is the sink's.
	Owner any

	ids     [2]uint64 // of the sockets, by side; 0: none
	inodes  [2]uint32
	foreign [2]bool // of another network namespace
	flows   [2]flow
	over    bool    // it has ended
	calls   []*call // in the order in which they were entered
	last    time.Time
	element *list.Element // of those that are open
}

// Inodes returns those of the client's and the server's socket, 0 where one is not known.
func (c *Conn) Inodes() (client, server uint32) { return c.inodes[0], c.inodes[1] }

// Attempt is a connect(2) that failed, or a datagram that nothing took.
type Attempt struct {
	At      time.Time
	Path    string
	Type    Type
	Process Process
	// Errno is why (errno(3)): EINPROGRESS where it was not over at the end.
	Errno uint32
}

// Piece is some bytes that a side of a connection sent.
type Piece struct {
	At   time.Time // when the call was entered
	From Process
	// Missing is how many bytes before these are missing, Descriptors how many
	// descriptors were sent with them (SCM_RIGHTS).
	Missing     int64
	Descriptors int
	// Data is valid during the call. There is none where only bytes are missing.
	Data []byte
}

// Sink gets what sockets carry.
type Sink interface {
	// Open begins a connection, before all else of it.
	Open(c *Conn)
	// Data has bytes that a side sent: all of a datagram or message, of a stream a part.
	Data(c *Conn, s decode.Side, p Piece)
	// End reports that a side sends no more, after missing bytes.
	End(c *Conn, s decode.Side, at time.Time, missing int64, how decode.End)
	// Refused reports a connection that was not made.
	Refused(a Attempt)
}

// call is one that was entered.
type call struct {
	conn    *Conn
	side    decode.Side
	entered uint64
	at      time.Time
	from    Process
	data    []byte
	// early reports that it was handed over before it was over: so many bytes were given,
	// and data has what came since.
	early       bool
	given       uint64
	descriptors int
	whole       bool // it is over, or nothing more is known of it
	known       bool // how much it sent
	sent        uint64
	copied      uint64
	position    uint64
	over        uint64 // when, in nanoseconds since boot
	shutdown    bool
}

// socket is what is known of one.
type socket struct {
	path       string
	flags      uint8
	inode      uint32
	peerInode  uint32
	peerPID    uint32
	conn       *Conn
	sent       uint64           // before the connection, as that was forgotten once
	to         map[string]*Conn // of datagrams, by path
	connecting *Attempt
}

// destination is where the datagram of a call goes.
type destination struct {
	entered uint64 // the call
	path    string
}
