package helperconn

import (
	"fmt"
	"os/user"
	"strconv"
)

// UserName names a user for people.
func UserName(uid uint32) string {
	n := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(n); err == nil {
		return fmt.Sprintf("user %s (%s)", u.Username, n)
	}
	return "user " + n
}
