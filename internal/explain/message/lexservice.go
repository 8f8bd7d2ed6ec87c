package message

import (
	"strconv"
	"strings"

	"lodge/internal/target"
)

var reService = compiled(`^(?:localhost|\d{1,3}(?:\.\d{1,3}){3}|\[[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\]|\*):([a-z][a-z0-9-]*[a-z0-9])\b`)

// service takes an address whose port is written as a service's name, as lsof,
// ss and telnet do: localhost:http.
func (l *lexer) service(rest string) bool {
	if !l.before(" \t\n\"'`(=<,>/@") {
		return false
	}
	m := reService().FindStringSubmatch(rest)
	if m == nil {
		return false
	}
	port, ok := target.ServicePort(m[1])
	name := strings.Trim(m[0][:len(m[0])-len(m[1])-1], "[]")
	return ok && l.takeHost(len(m[0]), name, strconv.Itoa(int(port)), "")
}
