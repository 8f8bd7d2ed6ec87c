package redis

import (
	"strconv"
	"strings"

	"lodge/internal/decode"
	"lodge/internal/decode/secret"
)

// Bounds of what is kept of a command for its description.
const (
	keptArgs   = 32  // arguments, the command's name among them
	keptBytes  = 256 // of each
	shownBytes = 128 // of each in the target
	shownTotal = 512 // of the target
)

// command is what is kept of a command's arguments, its name first.
type command struct {
	args   []argument
	n      int64 // arguments that were sent
	name   string
	sub    string // the second word, of commands that have subcommands
	masked []bool // the values of args that are secret
	// secrets: they are shown.
	secrets bool
}

type argument struct {
	kept []byte
	size int64
}

// word returns an argument in upper case, or "".
func (c *command) word(i int) string {
	if i >= len(c.args) {
		return ""
	}
	return strings.ToUpper(string(c.args[i].kept))
}

// text returns an argument as it was sent, as much as is kept.
func (c *command) text(i int) string {
	if i >= len(c.args) {
		return ""
	}
	return string(c.args[i].kept)
}

// add appends an argument to what is kept.
func (c *command) add(a argument, secret bool) {
	if len(c.args) < keptArgs {
		c.args = append(c.args, a)
		c.masked = append(c.masked, secret)
	}
	switch len(c.args) {
	case 1:
		c.name = name(a.kept)
	case 2:
		if c.sub == "" && c.n > 1 && container(c.name) {
			c.sub = name(a.kept)
		}
	}
}

// name returns a name of a command as it is shown.
func name(b []byte) string {
	switch string(b) {
	case "GET", "get":
		return "GET"
	case "SET", "set":
		return "SET"
	}
	return strings.ToUpper(decode.Readable(b, 32))
}

// container reports whether a command is a name for several subcommands.
func container(name string) bool {
	switch name {
	case "ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "DEBUG", "FUNCTION", "LATENCY", "MEMORY", "MODULE",
		"OBJECT", "PUBSUB", "SCRIPT", "SENTINEL", "SLOWLOG", "XGROUP", "XINFO":
		return true
	}
	return false
}

func (c *command) method() string {
	if c.sub != "" {
		return c.name + " " + c.sub
	}
	return c.name
}

// target returns the arguments as redis-cli takes them, within bounds.
func (c *command) target() string {
	out := make([]byte, 0, 64)
	first := 1
	if c.sub != "" {
		first = 2
	}
	for i := first; i < len(c.args); i++ {
		if len(out) > shownTotal {
			break
		}
		if i > first {
			out = append(out, ' ')
		}
		out = c.appendArg(out, i)
		if i == len(c.args)-1 && c.n > int64(len(c.args)) || len(out) > shownTotal && i < len(c.args)-1 {
			out = append(out, " … "...)
			out = strconv.AppendInt(out, c.n-int64(i)-1, 10)
			out = append(out, " arguments"...)
			break
		}
	}
	return string(out)
}

// appendArg appends an argument, in quotes where it is not a plain word.
func (c *command) appendArg(out []byte, i int) []byte {
	if c.masked[i] {
		return append(out, decode.Masked...)
	}
	a := c.args[i]
	if !c.secrets && secret.May(a.kept) {
		a.kept = []byte(secret.Inside(string(a.kept)))
	}
	plain := len(a.kept) > 0
	for _, b := range a.kept {
		if b <= ' ' || b == '"' || b == '\'' || b == '\\' || b == 0x7f {
			plain = false
		}
	}
	if plain {
		return decode.AppendReadable(out, a.kept, shownBytes, a.size)
	}
	shown := a.kept[:min(len(a.kept), shownBytes)]
	out = append(out, '"')
	for len(shown) > 0 {
		n := strings.IndexAny(string(shown), `"\`)
		if n < 0 {
			n = len(shown)
		}
		out = decode.AppendReadable(out, shown[:n], 6*shownBytes, int64(n))
		if n < len(shown) {
			out = append(out, '\\', shown[n])
			n++
		}
		shown = shown[n:]
	}
	out = append(out, '"')
	if left := a.size - int64(min(len(a.kept), shownBytes)); left > 0 {
		out = append(out, "… "...)
		out = strconv.AppendInt(out, left, 10)
		out = append(out, " bytes"...)
	}
	return out
}

// group returns the method with the templates of its keys, each once.
func (c *command) group() string {
	out := c.method()
	seen := ""
	for _, i := range c.keys() {
		if i >= len(c.args) || c.masked[i] {
			continue
		}
		k := " " + decode.KeyTemplate(decode.Readable(c.args[i].kept, keptBytes))
		if !strings.Contains(seen+" ", k+" ") {
			seen += k
		}
		if len(seen) > shownTotal {
			break
		}
	}
	return out + seen
}

// blocking reports whether the answer may be waited for, and not because the
// server is slow.
func (c *command) blocking() bool {
	switch c.name {
	case "BLPOP", "BRPOP", "BLMOVE", "BRPOPLPUSH", "BLMPOP", "BZMPOP", "BZPOPMIN", "BZPOPMAX", "WAIT", "WAITAOF":
		return true
	case "XREAD", "XREADGROUP":
		for i := range c.args {
			switch c.word(i) {
			case "BLOCK":
				return true
			case "STREAMS":
				return false
			}
		}
	}
	return false
}
