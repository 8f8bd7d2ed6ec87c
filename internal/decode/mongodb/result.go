package mongodb

import (
	"strconv"

	"lodge/internal/decode"
)

// Flags of OP_REPLY.
const (
	replyNoCursor = 1
	replyFailed   = 2
)

// result says in an exchange what was answered.
func result(e *decode.Exchange, m *message) {
	c := m.content
	if m.closed() {
		return
	}
	f := c.view.facts
	switch ok := f["ok"]; {
	case c.op == opReply && c.flags()&replyNoCursor != 0:
		e.Status, e.Failed = "cursor not found", true
	case c.op == opReply && c.flags()&replyFailed != 0:
		fail(e, f["code"], "", f["$err"])
	case ok == "" && c.op == opReply:
		e.Status = documents(c.view.count)
	case ok == "":
	case ok == "0" || ok == "0.0" || ok == "false":
		fail(e, f["code"], f["codeName"], f["errmsg"])
	case c.view.counts["writeErrors"] > 0:
		fail(e, f["writeErrors.0.code"], "", f["writeErrors.0.errmsg"])
		e.Add("writeErrors", strconv.FormatInt(c.view.counts["writeErrors"], 10))
	case f["writeConcernError.code"] != "":
		fail(e, f["writeConcernError.code"], f["writeConcernError.codeName"], f["writeConcernError.errmsg"])
	default:
		e.Status = success(c.view)
	}
}

// fail says in an exchange that an error was answered.
func fail(e *decode.Exchange, code, name, text string) {
	e.Failed = true
	e.Code, _ = strconv.Atoi(code)
	if name == "" {
		name = code
	}
	e.Status = decode.Readable([]byte(name+": "+text), factBytes)
	if text == "" {
		e.Status = name
	}
	if e.Status == "" {
		e.Status = "error"
	}
}

// success is the status of an answer without an error: how much was changed or
// found.
func success(v *view) string {
	s := "ok"
	for _, name := range [...]string{"n", "nModified"} {
		if n := v.facts[name]; n != "" {
			s += " " + name + "=" + n
		}
	}
	for _, name := range [...]string{"cursor.firstBatch", "cursor.nextBatch"} {
		if n, ok := v.counts[name]; ok {
			s += " " + documents(n)
		}
	}
	return s
}

func documents(n int64) string {
	if n == 1 {
		return "1 document"
	}
	return strconv.FormatInt(n, 10) + " documents"
}
