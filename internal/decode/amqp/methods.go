package amqp

import (
	"cmp"
	"slices"
)

// Types of arguments.
const (
	octet = iota + 1
	short
	long
	longlong
	shortstr
	longstr
	bit
	table
)

type arg struct {
	name string // "" where it is reserved
	typ  uint8
}

// method describes a method.
type method struct {
	class, id uint16
	name      string
	args      []arg
	// asks is set where the method is answered, unless "no_wait" is true.
	asks bool
	// answers are the identifiers, in the same class, of the methods that this one
	// answers.
	answers []uint16
	// content follows: a header frame and body frames.
	content bool
}

func find(class, id uint16) *method {
	i, ok := slices.BinarySearchFunc(methods[:], uint32(class)<<16|uint32(id), func(m method, key uint32) int {
		return cmp.Compare(uint32(m.class)<<16|uint32(m.id), key)
	})
	if !ok {
		return nil
	}
	return &methods[i]
}

// The classes that are looked at by name.
const (
	classConnection = 10
	classChannel    = 20
	classBasic      = 60
)

// methods are sorted by class and identifier.
var methods = [...]method{
	{class: 10, id: 10, name: "connection.start", asks: true, args: []arg{{"version_major", octet}, {"version_minor", octet}, {"server_properties", table}, {"mechanisms", longstr}, {"locales", longstr}}},
	{class: 10, id: 11, name: "connection.start-ok", answers: []uint16{10}, args: []arg{{"client_properties", table}, {"mechanism", shortstr}, {"response", longstr}, {"locale", shortstr}}},
	{class: 10, id: 20, name: "connection.secure", asks: true, args: []arg{{"challenge", longstr}}},
	{class: 10, id: 21, name: "connection.secure-ok", answers: []uint16{20}, args: []arg{{"response", longstr}}},
	{class: 10, id: 30, name: "connection.tune", asks: true, args: []arg{{"channel_max", short}, {"frame_max", long}, {"heartbeat", short}}},
	{class: 10, id: 31, name: "connection.tune-ok", answers: []uint16{30}, args: []arg{{"channel_max", short}, {"frame_max", long}, {"heartbeat", short}}},
	{class: 10, id: 40, name: "connection.open", asks: true, args: []arg{{"virtual_host", shortstr}, {"", shortstr}, {"", bit}}},
	{class: 10, id: 41, name: "connection.open-ok", answers: []uint16{40}, args: []arg{{"", shortstr}}},
	{class: 10, id: 50, name: "connection.close", asks: true, args: []arg{{"reply_code", short}, {"reply_text", shortstr}, {"class_id", short}, {"method_id", short}}},
	{class: 10, id: 51, name: "connection.close-ok", answers: []uint16{50}},
	{class: 10, id: 60, name: "connection.blocked", args: []arg{{"reason", shortstr}}},
	{class: 10, id: 61, name: "connection.unblocked"},
	{class: 10, id: 70, name: "connection.update-secret", asks: true, args: []arg{{"new_secret", longstr}, {"reason", shortstr}}},
	{class: 10, id: 71, name: "connection.update-secret-ok", answers: []uint16{70}},

	{class: 20, id: 10, name: "channel.open", asks: true, args: []arg{{"", shortstr}}},
	{class: 20, id: 11, name: "channel.open-ok", answers: []uint16{10}, args: []arg{{"", longstr}}},
	{class: 20, id: 20, name: "channel.flow", asks: true, args: []arg{{"active", bit}}},
	{class: 20, id: 21, name: "channel.flow-ok", answers: []uint16{20}, args: []arg{{"active", bit}}},
	{class: 20, id: 40, name: "channel.close", asks: true, args: []arg{{"reply_code", short}, {"reply_text", shortstr}, {"class_id", short}, {"method_id", short}}},
	{class: 20, id: 41, name: "channel.close-ok", answers: []uint16{40}},

	{class: 30, id: 10, name: "access.request", asks: true, args: []arg{{"realm", shortstr}, {"exclusive", bit}, {"passive", bit}, {"active", bit}, {"write", bit}, {"read", bit}}},
	{class: 30, id: 11, name: "access.request-ok", answers: []uint16{10}, args: []arg{{"", short}}},

	{class: 40, id: 10, name: "exchange.declare", asks: true, args: []arg{{"", short}, {"exchange", shortstr}, {"type", shortstr}, {"passive", bit}, {"durable", bit}, {"auto_delete", bit}, {"internal", bit}, {"no_wait", bit}, {"arguments", table}}},
	{class: 40, id: 11, name: "exchange.declare-ok", answers: []uint16{10}},
	{class: 40, id: 20, name: "exchange.delete", asks: true, args: []arg{{"", short}, {"exchange", shortstr}, {"if_unused", bit}, {"no_wait", bit}}},
	{class: 40, id: 21, name: "exchange.delete-ok", answers: []uint16{20}},
	{class: 40, id: 30, name: "exchange.bind", asks: true, args: []arg{{"", short}, {"destination", shortstr}, {"source", shortstr}, {"routing_key", shortstr}, {"no_wait", bit}, {"arguments", table}}},
	{class: 40, id: 31, name: "exchange.bind-ok", answers: []uint16{30}},
	{class: 40, id: 40, name: "exchange.unbind", asks: true, args: []arg{{"", short}, {"destination", shortstr}, {"source", shortstr}, {"routing_key", shortstr}, {"no_wait", bit}, {"arguments", table}}},
	{class: 40, id: 51, name: "exchange.unbind-ok", answers: []uint16{40}},

	{class: 50, id: 10, name: "queue.declare", asks: true, args: []arg{{"", short}, {"queue", shortstr}, {"passive", bit}, {"durable", bit}, {"exclusive", bit}, {"auto_delete", bit}, {"no_wait", bit}, {"arguments", table}}},
	{class: 50, id: 11, name: "queue.declare-ok", answers: []uint16{10}, args: []arg{{"queue", shortstr}, {"message_count", long}, {"consumer_count", long}}},
	{class: 50, id: 20, name: "queue.bind", asks: true, args: []arg{{"", short}, {"queue", shortstr}, {"exchange", shortstr}, {"routing_key", shortstr}, {"no_wait", bit}, {"arguments", table}}},
	{class: 50, id: 21, name: "queue.bind-ok", answers: []uint16{20}},
	{class: 50, id: 30, name: "queue.purge", asks: true, args: []arg{{"", short}, {"queue", shortstr}, {"no_wait", bit}}},
	{class: 50, id: 31, name: "queue.purge-ok", answers: []uint16{30}, args: []arg{{"message_count", long}}},
	{class: 50, id: 40, name: "queue.delete", asks: true, args: []arg{{"", short}, {"queue", shortstr}, {"if_unused", bit}, {"if_empty", bit}, {"no_wait", bit}}},
	{class: 50, id: 41, name: "queue.delete-ok", answers: []uint16{40}, args: []arg{{"message_count", long}}},
	{class: 50, id: 50, name: "queue.unbind", asks: true, args: []arg{{"", short}, {"queue", shortstr}, {"exchange", shortstr}, {"routing_key", shortstr}, {"arguments", table}}},
	{class: 50, id: 51, name: "queue.unbind-ok", answers: []uint16{50}},

	{class: 60, id: 10, name: "basic.qos", asks: true, args: []arg{{"prefetch_size", long}, {"prefetch_count", short}, {"global", bit}}},
	{class: 60, id: 11, name: "basic.qos-ok", answers: []uint16{10}},
	{class: 60, id: 20, name: "basic.consume", asks: true, args: []arg{{"", short}, {"queue", shortstr}, {"consumer_tag", shortstr}, {"no_local", bit}, {"no_ack", bit}, {"exclusive", bit}, {"no_wait", bit}, {"arguments", table}}},
	{class: 60, id: 21, name: "basic.consume-ok", answers: []uint16{20}, args: []arg{{"consumer_tag", shortstr}}},
	{class: 60, id: 30, name: "basic.cancel", asks: true, args: []arg{{"consumer_tag", shortstr}, {"no_wait", bit}}},
	{class: 60, id: 31, name: "basic.cancel-ok", answers: []uint16{30}, args: []arg{{"consumer_tag", shortstr}}},
	{class: 60, id: 40, name: "basic.publish", content: true, args: []arg{{"", short}, {"exchange", shortstr}, {"routing_key", shortstr}, {"mandatory", bit}, {"immediate", bit}}},
	{class: 60, id: 50, name: "basic.return", content: true, args: []arg{{"reply_code", short}, {"reply_text", shortstr}, {"exchange", shortstr}, {"routing_key", shortstr}}},
	{class: 60, id: 60, name: "basic.deliver", content: true, args: []arg{{"consumer_tag", shortstr}, {"delivery_tag", longlong}, {"redelivered", bit}, {"exchange", shortstr}, {"routing_key", shortstr}}},
	{class: 60, id: 70, name: "basic.get", asks: true, args: []arg{{"", short}, {"queue", shortstr}, {"no_ack", bit}}},
	{class: 60, id: 71, name: "basic.get-ok", answers: []uint16{70}, content: true, args: []arg{{"delivery_tag", longlong}, {"redelivered", bit}, {"exchange", shortstr}, {"routing_key", shortstr}, {"message_count", long}}},
	{class: 60, id: 72, name: "basic.get-empty", answers: []uint16{70}, args: []arg{{"", shortstr}}},
	{class: 60, id: 80, name: "basic.ack", args: []arg{{"delivery_tag", longlong}, {"multiple", bit}}},
	{class: 60, id: 90, name: "basic.reject", args: []arg{{"delivery_tag", longlong}, {"requeue", bit}}},
	{class: 60, id: 100, name: "basic.recover-async", args: []arg{{"requeue", bit}}},
	{class: 60, id: 110, name: "basic.recover", asks: true, args: []arg{{"requeue", bit}}},
	{class: 60, id: 111, name: "basic.recover-ok", answers: []uint16{110}},
	{class: 60, id: 120, name: "basic.nack", args: []arg{{"delivery_tag", longlong}, {"multiple", bit}, {"requeue", bit}}},

	{class: 85, id: 10, name: "confirm.select", asks: true, args: []arg{{"no_wait", bit}}},
	{class: 85, id: 11, name: "confirm.select-ok", answers: []uint16{10}},

	{class: 90, id: 10, name: "tx.select", asks: true},
	{class: 90, id: 11, name: "tx.select-ok", answers: []uint16{10}},
	{class: 90, id: 20, name: "tx.commit", asks: true},
	{class: 90, id: 21, name: "tx.commit-ok", answers: []uint16{20}},
	{class: 90, id: 30, name: "tx.rollback", asks: true},
	{class: 90, id: 31, name: "tx.rollback-ok", answers: []uint16{30}},
}
