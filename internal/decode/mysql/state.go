package mysql

import (
	"lodge/internal/decode"
	"lodge/internal/decode/recent"
)

// state is what both directions of a connection share.
type state struct {
	conn  *decode.Conn
	in    *[2]stream
	wire  *[2]inflater
	phase phase
	// reason is why all bytes are lost, where the phase is unreadable.
	reason decode.LossReason
	facts  []decode.Field // for the decoder of TLS

	version        string
	session        *session
	user, database string
	caps           uint64
	capsKnown      bool
	deprecateEOF   knowledge // columns and rows do not end with EOF
	compressed     bool

	statements *recent.Map[uint32, *statement]
	cleared    bool       // those of before have ended
	prepared   *statement // the last one, which MariaDB's clients may execute before they know its number
	queue      []*command
	weight     int64
	infile     *exchange // the client sends a file for it
	lost       bool      // bytes are missing, and not only from before the recording
}

type knowledge uint8

const (
	notKnown knowledge = iota
	yes
	no
)

func newState(c *decode.Conn, in *[2]stream, wire *[2]inflater) *state {
	return &state{
		conn: c, in: in, wire: wire, version: "10",
		statements: recent.New[uint32, *statement](c.Limits.Statements, 16*int64(max(c.Limits.Message, minHeld))),
	}
}

// eof reports whether an EOF packet ends the definitions of columns.
func (s *state) eof() knowledge {
	switch {
	case s.deprecateEOF == yes || s.capsKnown && s.caps&capDeprecateEOF != 0:
		return no
	case s.deprecateEOF == no || s.capsKnown:
		return yes
	}
	return notKnown
}

// command is a command that the server answers.
type command struct {
	code byte
	x    *exchange
	rest []*exchange // the statements of a query after x's
	stmt *statement
	step step
	left int // packets of the step
	// of a Prepare
	parameters, columns int
	got                 []column
	binary              bool
	size                int64
}

// step is which packet of a response comes next.
type step uint8

const (
	first         step = iota
	definitions        // of columns
	definitionEnd      // an EOF, perhaps
	rows
	parameters // of a prepared statement
	parameterEnd
	columnsOf // a prepared statement
	columnsEnd
	events // of a replication
)

// clear ends all prepared statements.
func (s *state) clear() {
	s.statements.Clear()
	s.cleared = true
}

// push appends a command.
func (s *state) push(c *command) {
	s.queue = append(s.queue, c)
	s.weight += c.size
	if len(s.queue) > max(s.conn.Limits.Pending, 1) || s.weight > 16*int64(max(s.conn.Limits.Message, minHeld)) {
		// Which of the packets that come answers which command cannot be told.
		s.forgetAll("its response: too many commands are waiting for theirs")
		s.giveUp(decode.LostState)
	}
}

func (s *state) head() *command {
	if len(s.queue) == 0 {
		return nil
	}
	return s.queue[0]
}

// pop emits the first command.
func (s *state) pop() {
	c := s.queue[0]
	s.queue[0] = nil
	s.queue = s.queue[1:]
	s.weight -= c.size
	c.x.emit(s)
	for _, x := range c.rest {
		x.emit(s)
	}
}

// forgetAll emits all commands without the end of their response.
func (s *state) forgetAll(why string) {
	for len(s.queue) > 0 {
		c := s.queue[0]
		for _, x := range append([]*exchange{c.x}, c.rest...) {
			if why != "" && !x.complete {
				x.unknown(why)
			}
		}
		c.x.complete = false
		s.pop()
	}
	s.infile = nil
}

// giveUp ends the reading of the connection: what follows is counted.
func (s *state) giveUp(why decode.LossReason) {
	s.phase, s.reason = unreadable, why
}

// malformed gives the connection up in its begin.
func (s *state) malformed() {
	if s.session != nil {
		s.endSession()
	}
	s.giveUp(decode.LostMalformed)
}

const unknownPart = "part of its response was not captured"

// gap notes that bytes of a side are missing.
func (s *state) gap(side decode.Side) {
	s.lost = true
	if s.phase != commands || s.session != nil {
		if s.session != nil {
			s.session.x.Unknown = append(s.session.x.Unknown, "part of it was not captured")
			s.endSession()
		}
		s.phase = commands
		s.in[side.Other()].drop(decode.LostState)
	}
	if side == decode.Client {
		s.in[decode.Client].seek(decode.LostGap)
		if s.infile != nil {
			s.infile.unknown("part of the file was not captured")
		}
		return
	}
	in := &s.in[decode.Server]
	if c := s.head(); len(s.queue) == 1 && c.step == rows {
		c.x.unknown(unknownPart)
		in.chain(decode.LostGap)
		return
	}
	s.forgetAll(unknownPart)
	in.drop(decode.LostGap)
}

// resume reads the server's bytes again with its response to a new command,
// where they could not be read.
func (s *state) resume() {
	if s.in[decode.Server].resume() {
		s.wire[decode.Server].resume()
		s.forgetAll("the end of its response was not captured")
	}
}

// end emits what has begun.
func (s *state) end() {
	s.endSession()
	s.forgetAll("")
}
