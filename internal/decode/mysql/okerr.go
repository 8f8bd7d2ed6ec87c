package mysql

import (
	"fmt"
	"strconv"

	"lodge/internal/decode"
)

// The flags of the server's status.
const (
	statusInTransaction = 1 << 0
	statusMoreResults   = 1 << 3
	statusCursor        = 1 << 6
	statusSessionState  = 1 << 14
)

// okPacket is an OK packet:
// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_ok_packet.html
type okPacket struct {
	affected, insertID uint64
	status, warnings   uint16
	info               string
	schema             string         // the database that is current now
	track              []decode.Field // of the session's state
}

func (s *state) readOK(b []byte) okPacket {
	var ok okPacket
	r := reader{b: b}
	r.uint8()
	ok.affected, _ = r.length()
	ok.insertID, _ = r.length()
	ok.status = r.uint16()
	ok.warnings = r.uint16()
	changed := ok.status&statusSessionState != 0
	switch {
	case s.capsKnown && s.caps&capSessionTrack == 0:
		ok.info = string(r.rest())
	case len(r.b) == 0:
	default:
		rest := r.b
		ok.info = string(r.sized())
		if !s.capsKnown && !changed && !(len(r.b) == 0 && !r.bad) {
			ok.info = string(rest) // the tracking of the session is off
			break
		}
		if changed {
			ok.readTrack(r.sized())
		}
	}
	return ok
}

// readTrack reads the changes of the session's state.
func (ok *okPacket) readTrack(b []byte) {
	r := reader{b: b}
	for len(r.b) > 0 && !r.bad {
		kind := r.uint8()
		data := reader{b: r.sized()}
		f := decode.Field{Name: "session"}
		switch kind {
		case 0: // system variables; MariaDB has several in one
			for len(data.b) > 0 && !data.bad {
				name := string(data.sized())
				ok.track = append(ok.track, decode.Field{Name: "session", Value: name + "=" + string(data.sized())})
			}
			continue
		case 1:
			ok.schema = string(data.sized())
			f.Value = "database=" + ok.schema
		case 2:
			f.Value = "state changed=" + string(data.sized())
		case 3:
			data.uint8()
			f.Value = "gtid=" + string(data.sized())
		case 4:
			f.Value = "transaction characteristics=" + string(data.sized())
		case 5:
			f.Value = "transaction state=" + string(data.sized())
		default:
			f.Value = fmt.Sprintf("%d=%x", kind, data.b)
		}
		ok.track = append(ok.track, f)
	}
}

// errorPacket is an ERR packet:
// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_err_packet.html
type errorPacket struct {
	code           int
	state, message string
}

func readError(b []byte) (e errorPacket, ok bool) {
	r := reader{b: b}
	if r.uint8() != 0xff {
		return e, false
	}
	e.code = int(r.uint16())
	if len(r.b) > 0 && r.b[0] == '#' {
		r.uint8()
		e.state = string(r.take(5))
	}
	if r.bad {
		return e, false
	}
	e.message = string(r.rest())
	return e, true
}

func (e errorPacket) status() string {
	if e.state == "" {
		return e.message
	}
	return e.state + " " + e.message
}

// isEnd reports whether a packet of a result is the one that ends its rows or
// its columns: EOF, or OK with the header of EOF.
func isEnd(p packet) bool { return len(p.body) > 0 && p.body[0] == 0xfe && p.payload < fullPart }

// isEOF reports whether it is the older of both.
func isEOF(p packet) bool { return isEnd(p) && p.payload <= 5 }

// ended reads the packet that ends a result.
func (s *state) ended(p packet) okPacket {
	if !isEOF(p) {
		return s.readOK(p.body)
	}
	r := reader{b: p.body[1:]}
	var ok okPacket
	ok.warnings, ok.status = r.uint16(), r.uint16()
	return ok
}

// finish gives an exchange its answer, and reports whether another result
// follows.
func (s *state) finish(x *exchange, ok okPacket, result bool) bool {
	x.Status, x.complete = "OK", true
	x.ok = append(x.ok, ok.track...)
	if ok.schema != "" {
		s.database = ok.schema
	}
	x.results++
	x.warnings += int(ok.warnings)
	x.inTransaction = ok.status&statusInTransaction != 0
	if !result {
		switch x.Method {
		case "INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD":
			x.affected = strconv.FormatUint(ok.affected, 10)
		default:
			if ok.affected > 0 {
				x.affected = strconv.FormatUint(ok.affected, 10)
			}
		}
		if ok.insertID > 0 {
			x.insertID = strconv.FormatUint(ok.insertID, 10)
		}
		x.info = ok.info
	}
	return ok.status&statusMoreResults != 0
}
