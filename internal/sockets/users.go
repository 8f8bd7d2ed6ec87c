package sockets

import (
	"bufio"
	"os"
	"strconv"
	"strings"
)

// users are the names in /etc/passwd (passwd(5)), by user id.
type users map[uint32]string

// passwdLimit bounds what is read of /etc/passwd, in bytes.
const passwdLimit = 4 << 20

// readUsers reads /etc/passwd; users that only a directory service knows have
// no name.
func readUsers() users {
	f, err := os.Open("/etc/passwd")
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }() // only read from
	out := make(users)
	read := 0
	for lines := bufio.NewScanner(f); lines.Scan() && read < passwdLimit; {
		line := lines.Text()
		read += len(line) + 1
		if uid, name, ok := parsePasswd(line); ok {
			if _, before := out[uid]; !before {
				out[uid] = name // of two names of one user, the first is the usual one
			}
		}
	}
	return out
}

func parsePasswd(line string) (uid uint32, name string, ok bool) {
	name, rest, ok := strings.Cut(line, ":")
	_, rest, ok2 := strings.Cut(rest, ":")
	id, _, ok3 := strings.Cut(rest, ":")
	n, err := strconv.ParseUint(id, 10, 32)
	return uint32(n), name, ok && ok2 && ok3 && err == nil && name != ""
}
