package memcached

import (
	"strconv"
	"strings"

	"lodge/internal/decode"
)

// command is a line of a client.
type command struct {
	words []string
	name  string
	sub   string // of commands about the server
	keys  []string

	stores  bool // a value follows
	size    int64
	noreply bool
	many    bool // the answer has several lines

	quiet    bool
	silence  string
	opaque   string
	askedKey string
}

// maxValue is the length of the longest value that is believed.
const maxValue = 1 << 31

func parseCommand(line []byte) *command {
	c := &command{words: strings.Fields(string(line))}
	if len(c.words) == 0 {
		// Servers call it an error.
		c.words, c.name = []string{""}, "empty line"
		return c
	}
	c.name = c.words[0]
	last := c.words[len(c.words)-1]
	args := c.words[1:]
	switch c.name {
	case "set", "add", "replace", "append", "prepend", "cas":
		c.keys = head(args, 1)
		if len(args) > 3 && isNumber(args[1]) && isNumber(args[2]) {
			c.value(args, 3)
		}
		c.noreply = last == "noreply" && c.stores
	case "get", "gets":
		c.keys, c.many = args, len(args) > 0
	case "gat", "gats":
		c.keys, c.many = args[min(len(args), 1):], len(args) > 1
	case "delete", "incr", "decr", "touch":
		c.keys = head(args, 1)
		c.noreply = last == "noreply" && len(args) > 1
	case "flush_all", "verbosity", "cache_memlimit":
		c.noreply = last == "noreply"
	case "mg", "ms", "md", "ma", "me", "mn":
		c.meta(args)
	case "stats":
		c.many = true
		c.sub = first(args)
	case "slabs", "lru", "lru_crawler", "extstore", "watch":
		c.sub = first(args)
		c.many = c.sub == "metadump" || c.sub == "mgdump"
	case "quit":
		c.noreply = true
	}
	return c
}

// value reads the length of the value that follows. Servers read no value after
// a line that they do not take.
func (c *command) value(args []string, at int) {
	if len(args) > at && len(args[0]) <= maxKey {
		c.size, c.stores = number(args[at], maxValue)
	}
}

// isNumber reports whether a word is a number, which may be negative.
func isNumber(word string) bool {
	_, err := strconv.ParseInt(word, 10, 64)
	return err == nil
}

// meta reads the flags of a meta command.
func (c *command) meta(args []string) {
	c.keys = head(args, 1)
	flags := args[len(c.keys):]
	if c.name == "ms" {
		c.value(args, 1)
		flags = args[min(len(args), 2):]
	}
	for _, f := range flags {
		switch f[0] {
		case 'q':
			c.quiet = true
		case 'O':
			c.opaque = f
		case 'k':
			c.askedKey = "k" + first(c.keys)
		}
	}
	switch c.name {
	case "mg":
		c.silence = "miss"
	case "md", "ma":
		c.silence = "success or miss"
	default:
		c.silence = "success"
	}
}

func head(words []string, n int) []string { return words[:min(n, len(words))] }

func first(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return words[0]
}

func (c *command) method() string {
	name := decode.Readable([]byte(c.name), 32)
	if c.sub != "" {
		return name + " " + decode.Readable([]byte(c.sub), 32)
	}
	return name
}

// Bounds of what is shown.
const (
	shownKey   = 250
	shownTotal = 512
)

// target returns the keys, or the arguments of commands without keys.
func (c *command) target() string {
	words := c.keys
	if words == nil {
		words = c.words[1:]
		if c.sub != "" {
			words = words[1:]
		}
	}
	return list(words, func(w string) string { return decode.Readable([]byte(w), shownKey) })
}

// group returns the method with the templates of the keys, each once.
func (c *command) group() string { return groupOf(c.method(), c.keys) }

func groupOf(method string, keys []string) string {
	seen := ""
	for _, k := range keys {
		k = " " + decode.KeyTemplate(decode.Readable([]byte(k), shownKey))
		if !strings.Contains(seen+" ", k+" ") {
			seen += k
		}
		if len(seen) > shownTotal {
			break
		}
	}
	return method + seen
}

// list returns words with spaces between them, within bounds.
func list(words []string, show func(string) string) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		if b.Len() > shownTotal {
			b.WriteString("… ")
			b.WriteString(itoa(int64(len(words) - i)))
			b.WriteString(" more")
			break
		}
		b.WriteString(show(w))
	}
	return b.String()
}

// details returns the arguments beside the keys, by their names.
func (c *command) details() (fs []decode.Field) {
	args := c.words[1:]
	add := func(name string, i int) {
		if i < len(args) && args[i] != "noreply" {
			fs = append(fs, decode.Field{Name: name, Value: decode.Readable([]byte(args[i]), 64)})
		}
	}
	switch c.name {
	case "set", "add", "replace", "append", "prepend", "cas":
		add("flags", 1)
		add("exptime", 2)
		if c.name == "cas" {
			add("cas", 4)
		}
	case "gat", "gats":
		add("exptime", 0)
	case "incr", "decr":
		add("delta", 1)
	case "touch":
		add("exptime", 1)
	case "mg", "ms", "md", "ma":
		from := 1
		if c.name == "ms" {
			from = 2
		}
		if len(args) > from {
			fs = append(fs, decode.Field{Name: "flags", Value: list(args[from:], func(w string) string { return decode.Readable([]byte(w), 64) })})
		}
	}
	if c.noreply && c.name != "quit" {
		fs = append(fs, decode.Field{Name: "noreply", Value: "true"})
	}
	return fs
}
