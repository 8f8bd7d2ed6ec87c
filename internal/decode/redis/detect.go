package redis

import (
	"bytes"
	"strings"

	"lodge/internal/decode"
)

// Detect recognises the protocol.
func Detect(p *decode.Prefix) decode.Verdict {
	client, server := p.Bytes[decode.Client], p.Bytes[decode.Server]
	if syncs(client) { // servers say that they are alive with empty lines
		server = bytes.TrimLeft(server, "\n")
	}
	switch v := detectServer(server, p.Midstream); {
	case len(server) > 0 && v == decode.No:
		return decode.No
	case len(client) == 0 && p.Midstream:
		return v
	case len(client) == 0:
		return detectRefusal(server)
	}
	v := likeCommand(client)
	if v == decode.Yes && fromServer(client) {
		return decode.No
	}
	if v != decode.No {
		return v
	}
	if p.Midstream {
		return detectWithin(client, server)
	}
	return detectInline(client, server)
}

// detectServer judges what a server sent.
func detectServer(b []byte, midstream bool) decode.Verdict {
	if len(b) == 0 {
		return decode.Maybe
	}
	if fromServer(b) {
		return decode.Yes
	}
	if v := likeAnswer(b); v != decode.No || !midstream {
		return min(v, decode.Maybe)
	}
	return decode.Maybe
}

// fromServer reports whether bytes begin with what only a server sends: a
// message to a subscriber.
func fromServer(b []byte) bool {
	for _, head := range []string{
		"*3\r\n$7\r\nmessage\r\n", "*4\r\n$8\r\npmessage\r\n", "*3\r\n$8\r\nsmessage\r\n",
		">3\r\n$7\r\nmessage\r\n", ">4\r\n$8\r\npmessage\r\n", ">3\r\n$8\r\nsmessage\r\n", ">2\r\n$10\r\ninvalidate\r\n",
	} {
		if bytes.HasPrefix(b, []byte(head)) {
			return true
		}
	}
	return false
}

// detectRefusal recognises the errors of a server that takes no more clients, or
// none from elsewhere.
func detectRefusal(server []byte) decode.Verdict {
	for _, head := range []string{"-ERR max number of clients", "-DENIED Redis", "-DENIED Valkey"} {
		n := min(len(head), len(server))
		if string(server[:n]) == head[:n] {
			if n == len(head) {
				return decode.Yes
			}
			return decode.Maybe
		}
	}
	return decode.No
}

// detectWithin looks for a command in the middle of what a client sent.
func detectWithin(client, server []byte) decode.Verdict {
	for b := client; ; {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			break
		}
		b = b[i+1:]
		if likeCommand(b) == decode.Yes && !fromServer(b) && !bytes.Contains(b[:min(len(b), 8)], []byte("*0")) {
			return decode.Yes
		}
	}
	if len(client) >= decode.PrefixBytes {
		return decode.No
	}
	return decode.Maybe
}

// detectInline recognises an inline command, by its name and its answer: its
// line alone may be another protocol's.
func detectInline(client, server []byte) decode.Verdict {
	line, _, whole := bytes.Cut(client, []byte{'\n'})
	line = bytes.TrimSuffix(line, []byte{'\r'})
	for _, c := range line {
		if (c < ' ' || c >= 0x7f) && c != '\t' {
			return decode.No
		}
	}
	words := strings.Fields(string(line))
	switch {
	case len(line) > 1024 || len(words) > 0 && !isLetter(words[0][0]):
		return decode.No
	case !whole:
		if len(words) > 1 && !likeName(words[0]) {
			return decode.No
		}
		return decode.Maybe
	case len(words) == 0 || !likeName(words[0]) || strings.HasPrefix(words[len(words)-1], "HTTP/"):
		return decode.No
	case len(server) == 0:
		return decode.Maybe
	}
	answer, _, whole := bytes.Cut(server, []byte{'\n'})
	if !whole {
		return decode.Maybe
	}
	answer = bytes.TrimSuffix(answer, []byte{'\r'})
	if len(answer) == 0 {
		return decode.No
	}
	if !common(words[0]) && strings.IndexByte("*$:%~", answer[0]) < 0 {
		return decode.No
	}
	switch answer[0] {
	case '+':
		// POP3 and others say "+OK" with a text after it.
		if s := string(answer); s != "+OK" && s != "+PONG" && s != "+QUEUED" && (!syncs(client) || s != "+CONTINUE" && !strings.HasPrefix(s, "+FULLRESYNC ")) {
			return decode.No
		}
	case '-':
		if !bytes.HasPrefix(answer, []byte("-ERR ")) && !bytes.HasPrefix(answer, []byte("-NOAUTH ")) && !bytes.HasPrefix(answer, []byte("-WRONG")) {
			return decode.No
		}
	}
	return decode.Yes
}

// syncs reports whether a client begins as a replica, in an inline command.
func syncs(client []byte) bool {
	word, _, _ := bytes.Cut(client[:min(len(client), 8)], []byte{' '})
	word = bytes.ToUpper(bytes.TrimRight(word, "\r\n"))
	return string(word) == "SYNC" || string(word) == "PSYNC"
}

// likeName reports whether a word may be the name of a command, typed in capital
// letters or a common one.
func likeName(word string) bool {
	return strings.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ._0123456789") == "" || common(word)
}

// common reports whether a word is the name of a command that people type.
func common(word string) bool {
	switch strings.ToUpper(word) {
	case "PING", "ECHO", "AUTH", "HELLO", "SELECT", "INFO", "GET", "SET", "DEL", "EXISTS", "KEYS", "SCAN", "TYPE", "TTL",
		"EXPIRE", "INCR", "DECR", "INCRBY", "MGET", "MSET", "HGET", "HSET", "HGETALL", "LPUSH", "RPUSH", "LPOP", "RPOP",
		"LRANGE", "LLEN", "SADD", "SMEMBERS", "ZADD", "ZRANGE", "SUBSCRIBE", "PSUBSCRIBE", "PUBLISH", "MONITOR", "WATCH", "RESET", "CONFIG",
		"CLIENT", "COMMAND", "DBSIZE", "FLUSHALL", "FLUSHDB", "MULTI", "EXEC", "TIME", "ROLE", "REPLCONF", "PSYNC", "SYNC",
		"DEBUG", "XADD", "XREAD", "XRANGE", "EVAL", "SETEX", "GETSET", "APPEND", "STRLEN":
		return true
	}
	return false
}
