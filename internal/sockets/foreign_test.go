package sockets

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"
)

// list prints a table of all sockets, as the user that the actor is.
func (r *role) list() {
	table, err := List(context.Background(), Query{Unix: true, Details: true})
	r.check(err, "list")
	b, err := json.Marshal(table)
	r.check(err, "encode")
	b, err = json.Marshal(held{What: string(b)})
	r.check(err, "encode")
	fmt.Fprintln(r.out, string(b))
	r.ready()
}

// Another user sees every socket, the holders of the own ones, and of the rest
// how many there are.
func TestOtherUsersAreUnknown(t *testing.T) {
	space, _ := newSpace(t)
	const nobody = 65534
	asNobody := as(t, nobody)
	mine := start(t, space, "many 3", asNobody)
	// The kernel lets nobody but root read the first thread's directory once that
	// thread has ended; that of a thread which runs its own user may.
	headless := start(t, space, "headless", asNobody)
	theirs := start(t, space, "many 3", nil)
	start(t, space, "headless", nil)
	lister := start(t, space, "list", asNobody)
	var table Table
	if err := json.Unmarshal([]byte(lister.holds[0].What), &table); err != nil {
		t.Fatal(err)
	}
	rows := map[uint64]*Row{}
	unknown := 0
	for i := range table.Rows {
		r := &table.Rows[i]
		if r.Unknown {
			unknown++
		}
		if r.Protocol != "unix" {
			rows[r.Cookie] = r
		}
	}
	if unknown != table.UnknownOwners {
		t.Errorf("%d rows are unknown, told %d", unknown, table.UnknownOwners)
	}
	for _, h := range append(mine.holds, headless.holds...) {
		r := rows[h.Cookie]
		if r == nil || r.Unknown || len(r.Processes) != 1 || r.Processes[0].PID != h.PID || r.UID == nil || *r.UID != nobody {
			t.Errorf("%s of this user: %+v", h.What, r)
		}
	}
	for _, h := range theirs.holds {
		r := rows[h.Cookie]
		if r == nil || !r.Unknown || len(r.Processes) != 0 || r.UID == nil || *r.UID != 0 {
			t.Errorf("%s of root: %+v", h.What, r)
		}
		if r != nil && r.Peer != nil && !r.Peer.Unknown {
			t.Errorf("%s of root: peer %+v", h.What, r.Peer)
		}
	}
	if os.Geteuid() == 0 && unknown < len(theirs.holds) {
		t.Errorf("%d unknown, %d of root", unknown, len(theirs.holds))
	}
}
