package service

import (
	"path/filepath"
	"strings"
)

// schemes are the URL schemes of servers that are no HTTP servers, by the
// program's name and by the port that they are known for. It is never changed.
var schemes = []struct {
	scheme, program string
	port            uint16
}{
	{"postgres", "postgres", 5432},
	{"redis", "redis-server", 6379},
	{"redis", "valkey-server", 0},
	{"mysql", "mysqld", 3306},
	{"mysql", "mariadbd", 0},
	{"mongodb", "mongod", 27017},
	{"amqp", "rabbitmq-server", 5672},
	{"nats", "nats-server", 4222},
	{"memcached", "memcached", 11211},
	{"mqtt", "mosquitto", 1883},
}

// httpScheme is the scheme of a service of which nothing else is known, and
// anyScheme that of one which says that it is not HTTP.
const (
	httpScheme = "http"
	anyScheme  = "tcp"
)

// control are ports on which servers are controlled or debugged, beside the
// one that they are there for: they are the last that are taken for a
// service's own port, and the last that are asked anything. It is never changed.
var control = map[uint16]string{
	1099:  "Java RMI, JMX",
	4369:  "Erlang's epmd",
	5005:  "Java's debugger",
	5678:  "debugpy",
	8005:  "Tomcat's shutdown port",
	8009:  "AJP",
	9010:  "JMX",
	9229:  "Node's inspector",
	25672: "Erlang's distribution, RabbitMQ",
}

// Control reports whether the port is one by which servers are usually
// controlled or debugged.
func Control(port uint16) bool { return control[port] != "" }

// Ephemeral reports whether the port is one that Linux hands out by default
// (ip(7), ip_local_port_range).
func Ephemeral(p uint16) bool { return p >= 32768 }

// SchemeOfPort returns the scheme of the protocol, other than HTTP, that the
// port is known for, or "".
func SchemeOfPort(port uint16) string {
	for _, s := range schemes {
		if s.port == port && port != 0 {
			return s.scheme
		}
	}
	return ""
}

// schemeOfProgram returns the scheme of the server, other than of HTTP, that
// the command starts, or "".
func schemeOfProgram(command string) string {
	for w := range strings.FieldsSeq(command) {
		for _, s := range schemes {
			if filepath.Base(w) == s.program {
				return s.scheme
			}
		}
	}
	return ""
}

// Scheme guesses the scheme of a service's URL: http, unless its command or
// its port says otherwise.
func Scheme(sp Spec, port uint16) string {
	switch {
	case sp.NoHTTP:
		return schemeWithoutHTTP(sp.Command, port)
	case sp.HTTP != 0 || sp.Ready.HTTP != "":
		return httpScheme
	}
	return schemeFor(sp.Command, port)
}

// SchemeOf is [Scheme] for what a status tells; "" where nothing is known yet.
func SchemeOf(st *Status) string {
	if st.HTTP != 0 {
		return httpScheme
	}
	e, ok := ChooseEndpoint(st.Endpoints, 0)
	if st.NoHTTP {
		return schemeWithoutHTTP(st.Command, e.Port)
	}
	s := schemeFor(st.Command, e.Port)
	if !ok && s == httpScheme {
		return ""
	}
	return s
}

func schemeWithoutHTTP(command string, port uint16) string {
	if s := schemeFor(command, port); s != httpScheme {
		return s
	}
	return anyScheme
}

func schemeFor(command string, port uint16) string {
	if s := SchemeOfPort(port); s != "" {
		return s
	}
	if s := schemeOfProgram(command); s != "" {
		return s
	}
	return httpScheme
}
