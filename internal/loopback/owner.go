package loopback

import (
	"fmt"
	"strconv"
)

// Owner is the user id of the process that made a socket. The zero Owner is not known.
type Owner struct {
	uid   uint32
	known bool
}

// OwnedBy returns the Owner with a user id.
func OwnedBy(uid uint32) Owner { return Owner{uid, true} }

// Is reports whether a socket of the user uid may be that of the Owner: it is
// the same user, or the Owner is not known.
func (o Owner) Is(uid uint32) bool { return !o.known || o.uid == uid }

// MarshalJSON writes the user id, or null where it is not known.
func (o Owner) MarshalJSON() ([]byte, error) {
	if !o.known {
		return []byte("null"), nil
	}
	return strconv.AppendUint(nil, uint64(o.uid), 10), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (o *Owner) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*o = Owner{}
		return nil
	}
	n, err := strconv.ParseUint(string(b), 10, 32)
	if err != nil {
		return fmt.Errorf("read user id: %w", err)
	}
	*o = OwnedBy(uint32(n))
	return nil
}
