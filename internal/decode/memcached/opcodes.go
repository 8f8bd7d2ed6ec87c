package memcached

import "strconv"

// operation is what an opcode of the binary protocol means.
type operation struct {
	name    string
	quiet   bool   // its answer may be left out
	silence string // which means this
	extras  extrasKind
	sasl    bool
}

type extrasKind uint8

const (
	extrasNone extrasKind = iota
	extrasStore
	extrasCount
	extrasTime
)

const opQuitQ = 0x17

// operationOf returns the operation of an opcode.
func operationOf(opcode byte) operation {
	const success, miss = "success", "miss"
	switch opcode {
	case 0x00:
		return operation{name: "get"}
	case 0x01:
		return operation{name: "set", extras: extrasStore}
	case 0x02:
		return operation{name: "add", extras: extrasStore}
	case 0x03:
		return operation{name: "replace", extras: extrasStore}
	case 0x04:
		return operation{name: "delete"}
	case 0x05:
		return operation{name: "increment", extras: extrasCount}
	case 0x06:
		return operation{name: "decrement", extras: extrasCount}
	case 0x07:
		return operation{name: "quit"}
	case 0x08:
		return operation{name: "flush", extras: extrasTime}
	case 0x09:
		return operation{name: "get", quiet: true, silence: miss}
	case 0x0a:
		return operation{name: "noop"}
	case 0x0b:
		return operation{name: "version"}
	case 0x0c:
		return operation{name: "getk"}
	case 0x0d:
		return operation{name: "getk", quiet: true, silence: miss}
	case 0x0e:
		return operation{name: "append"}
	case 0x0f:
		return operation{name: "prepend"}
	case 0x10:
		return operation{name: "stat"}
	case 0x11:
		return operation{name: "set", quiet: true, silence: success, extras: extrasStore}
	case 0x12:
		return operation{name: "add", quiet: true, silence: success, extras: extrasStore}
	case 0x13:
		return operation{name: "replace", quiet: true, silence: success, extras: extrasStore}
	case 0x14:
		return operation{name: "delete", quiet: true, silence: success}
	case 0x15:
		return operation{name: "increment", quiet: true, silence: success, extras: extrasCount}
	case 0x16:
		return operation{name: "decrement", quiet: true, silence: success, extras: extrasCount}
	case opQuitQ:
		return operation{name: "quit", quiet: true, silence: success}
	case 0x18:
		return operation{name: "flush", quiet: true, silence: success, extras: extrasTime}
	case 0x19:
		return operation{name: "append", quiet: true, silence: success}
	case 0x1a:
		return operation{name: "prepend", quiet: true, silence: success}
	case 0x1b:
		return operation{name: "verbosity", extras: extrasTime}
	case 0x1c:
		return operation{name: "touch", extras: extrasTime}
	case 0x1d:
		return operation{name: "gat", extras: extrasTime}
	case 0x1e:
		return operation{name: "gat", quiet: true, silence: miss, extras: extrasTime}
	case 0x20:
		return operation{name: "sasl list mechanisms", sasl: true}
	case 0x21:
		return operation{name: "sasl auth", sasl: true}
	case 0x22:
		return operation{name: "sasl step", sasl: true}
	case 0x23:
		return operation{name: "gatk", extras: extrasTime}
	case 0x24:
		return operation{name: "gatk", quiet: true, silence: miss, extras: extrasTime}
	}
	return operation{name: "opcode 0x" + strconv.FormatUint(uint64(opcode), 16)}
}

// statusOf returns the text of a status of the binary protocol.
func statusOf(status uint16) string {
	switch status {
	case 0x00:
		return "No error"
	case 0x01:
		return "Key not found"
	case 0x02:
		return "Key exists"
	case 0x03:
		return "Value too large"
	case 0x04:
		return "Invalid arguments"
	case 0x05:
		return "Item not stored"
	case 0x06:
		return "Incr/Decr on non-numeric value"
	case 0x20:
		return "Authentication error"
	case 0x21:
		return "Authentication continue"
	case 0x81:
		return "Unknown command"
	case 0x82:
		return "Out of memory"
	case 0x83:
		return "Not supported"
	case 0x84:
		return "Internal error"
	case 0x85:
		return "Busy"
	case 0x86:
		return "Temporary failure"
	}
	return "Status 0x" + strconv.FormatUint(uint64(status), 16)
}

// failed reports whether a status is an error: not that a key is missing, or
// that it exists, which the text protocol does not call errors either.
func failed(status uint16) bool {
	switch status {
	case 0x00, 0x01, 0x02, 0x05, 0x21:
		return false
	}
	return true
}
