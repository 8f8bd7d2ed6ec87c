package redis

import "strconv"

// keys returns the indexes of the arguments that are keys, channels or, of
// commands about the server, the names of what they are about.
func (c *command) keys() []int {
	switch c.name {
	case "PING", "ECHO", "AUTH", "HELLO", "SELECT", "SWAPDB", "QUIT", "RESET", "INFO", "DBSIZE", "FLUSHALL",
		"FLUSHDB", "KEYS", "SCAN", "RANDOMKEY", "MULTI", "EXEC", "DISCARD", "UNWATCH", "MONITOR", "PSYNC", "SYNC",
		"REPLCONF", "REPLICAOF", "SLAVEOF", "ROLE", "SAVE", "BGSAVE", "BGREWRITEAOF", "LASTSAVE", "TIME", "WAIT",
		"WAITAOF", "SHUTDOWN", "FAILOVER", "LOLWUT", "READONLY", "READWRITE", "ASKING", "ACL", "CLIENT", "CLUSTER",
		"COMMAND", "DEBUG", "FUNCTION", "LATENCY", "MODULE", "SCRIPT", "SLOWLOG":
		return nil
	case "CONFIG", "OBJECT", "MEMORY", "XGROUP", "XINFO", "SENTINEL", "PUBSUB", "BITOP":
		return span(2, c.last(c.name == "BITOP" || c.name == "CONFIG" && c.sub == "GET", 2), 1)
	case "MGET", "DEL", "UNLINK", "EXISTS", "TOUCH", "WATCH", "SINTER", "SUNION", "SDIFF", "SINTERSTORE",
		"SUNIONSTORE", "SDIFFSTORE", "PFCOUNT", "PFMERGE", "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "UNSUBSCRIBE",
		"PUNSUBSCRIBE", "SUNSUBSCRIBE":
		return span(1, c.last(true, 0), 1)
	case "MSET", "MSETNX":
		return span(1, c.last(true, 0), 2)
	case "RENAME", "RENAMENX", "COPY", "SMOVE", "RPOPLPUSH", "LMOVE", "BLMOVE", "BRPOPLPUSH", "LCS", "ZRANGESTORE",
		"GEOSEARCHSTORE":
		return span(1, 2, 1)
	case "BLPOP", "BRPOP", "BZPOPMIN", "BZPOPMAX":
		return span(1, c.last(true, 0)-1, 1)
	case "EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO", "FCALL", "FCALL_RO":
		return append([]int{1}, c.counted(2)...)
	case "SINTERCARD", "ZUNION", "ZINTER", "ZDIFF", "ZINTERCARD", "LMPOP", "ZMPOP":
		return c.counted(1)
	case "BLMPOP", "BZMPOP":
		return c.counted(2)
	case "ZUNIONSTORE", "ZINTERSTORE", "ZDIFFSTORE":
		return append([]int{1}, c.counted(2)...)
	case "MIGRATE":
		return []int{3}
	case "XREAD", "XREADGROUP":
		for i := range c.args {
			if c.word(i) == "STREAMS" {
				return span(i+1, i+int(c.n-int64(i)-1)/2, 1)
			}
		}
		return nil
	}
	return []int{1}
}

// last returns the index of the last argument that is kept where all are keys,
// or else one.
func (c *command) last(all bool, one int) int {
	if all {
		return len(c.args) - 1
	}
	return one
}

// span returns indexes from first to last.
func span(first, last, step int) (is []int) {
	for i := first; i <= last && i < keptArgs; i += step {
		is = append(is, i)
	}
	return is
}

// counted returns the indexes of the keys whose number is an argument.
func (c *command) counted(at int) []int {
	n, err := strconv.Atoi(c.text(at))
	if err != nil || n < 0 || n > keptArgs {
		return nil
	}
	return span(at+1, at+n, 1)
}
