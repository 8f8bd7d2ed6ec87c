package redis

import (
	"strings"

	"lodge/internal/decode/secret"
)

// mayHaveSecrets reports whether a command has arguments that are passwords.
func (c *command) mayHaveSecrets() bool {
	switch c.name {
	case "AUTH", "HELLO", "MIGRATE", "ACL", "CONFIG", "SENTINEL", "HSET", "HMSET", "HSETNX", "MSET", "MSETNX":
		return true
	}
	return false
}

// secret reports whether the argument that comes next is a password. first are
// its first bytes, prev and prev2 the words before it, in upper case.
func (c *command) secret(i int, first []byte, prev, prev2 string) bool {
	switch c.name {
	case "AUTH":
		// AUTH password, or AUTH user password.
		return i >= 1 && (c.n < 3 || i >= 2)
	case "HELLO":
		return prev2 == "AUTH" && i >= 4
	case "MIGRATE":
		return i > 5 && (prev == "AUTH" || prev2 == "AUTH2")
	case "ACL":
		return c.sub == "SETUSER" && i > 2 && len(first) > 0 && strings.IndexByte("><#!", first[0]) >= 0
	case "CONFIG":
		return c.sub == "SET" && i > 2 && secretParameter(prev)
	case "HSET", "HMSET", "HSETNX":
		return i >= 3 && i%2 == 1 && secret.Name(prev)
	case "MSET", "MSETNX":
		return i >= 2 && i%2 == 0 && secret.Name(prev)
	case "SET", "SETNX", "GETSET":
		return i == 2 && len(c.args) > 1 && secret.May(c.args[1].kept) && secret.Name(c.text(1))
	case "SETEX", "PSETEX":
		return i == 3 && secret.Name(c.text(1))
	case "SENTINEL":
		return i > 2 && (prev == "AUTH-PASS" || prev == "SENTINEL-PASS")
	}
	return false
}

// secretParameter reports whether a parameter of the server is a password. The
// name is in any case.
func secretParameter(name string) bool {
	switch strings.ToLower(name) {
	case "requirepass", "masterauth", "primaryauth", "tls-key-file-pass", "tls-client-key-file-pass", "sentinel-pass":
		return true
	}
	return false
}

// masking is which parts of an answer are secret.
type masking uint8

const (
	maskNone   masking = iota
	maskAll            // a password that the server made
	maskNames          // nothing: it describes commands, with words such as token
	maskFields         // what follows the name of a field that is a secret
	maskConfig         // what follows the name of a secret parameter
	maskUser           // the hashes of a user's passwords
	maskRules          // words of ACL rules that are hashes
)

// answerMask returns what of the command's answer is secret.
func (c *command) answerMask() masking {
	switch {
	case c.name == "COMMAND":
		return maskNames
	case c.name == "HGETALL":
		return maskFields
	case c.name == "HGET" && secret.Name(c.text(2)), (c.name == "GET" || c.name == "GETDEL" || c.name == "GETEX" || c.name == "GETSET") && len(c.args) > 1 && secret.May(c.args[1].kept) && secret.Name(c.text(1)):
		return maskAll
	case c.name == "CONFIG" && c.sub == "GET":
		return maskConfig
	case c.name != "ACL":
		return maskNone
	}
	switch c.sub {
	case "GENPASS":
		return maskAll
	case "GETUSER":
		return maskUser
	case "LIST":
		return maskRules
	}
	return maskNone
}
