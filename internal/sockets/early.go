package sockets

import (
	"context"

	"lodge/internal/sockets/diag"
	"lodge/internal/sockets/holders"
)

// Asked are questions that were asked before the sockets are read, so that both go
// on at once.
type Asked interface {
	// Answers waits for the answers.
	Answers(ctx context.Context) Answers
}

// Answers are what is known beside the kernel's tables: see the fields of the
// same names of [Query].
type Answers struct {
	Homes []holders.Home
	Live  holders.Live
	// Owners is what Live said before, or nil where it was not asked; OwnersErr is
	// why it did not answer. What Owners misses is asked for again.
	Owners    *holders.Owners
	OwnersErr error
}

// wait takes the answers that were asked for before the sockets were read.
func (q *Query) wait(ctx context.Context, s *Snapshot) {
	if q.Asked == nil {
		return
	}
	q.answers = q.Asked.Answers(ctx)
	q.Homes, q.Live = q.answers.Homes, q.answers.Live
	s.homes = q.Homes
}

// askOwners returns what q.Live says of the sockets that were read: what it said
// before, if that leaves no question, or what it says now.
func (q *Query) askOwners(ctx context.Context, s *Snapshot) (*holders.Owners, error) {
	a := &q.answers
	if a.OwnersErr != nil || a.Owners != nil && allTold(s, a.Owners) {
		return a.Owners, a.OwnersErr
	}
	return q.Live.Owners(ctx)
}

// allTold reports whether owners knows who holds each socket, or had it last. What
// was opened or closed between the question and the reading of the sockets is not
// known.
func allTold(s *Snapshot, owners *holders.Owners) bool {
	all, held := true, s.set.Named(owners.Holdings)
	eachSought(s, func(r *diag.Record) {
		if slot, ok := s.set.Slot(r.Inode); all && !(ok && held[slot]) {
			all = r.Proto != diag.ProtoUnix && owners.LastOwner(endsOf(s, r)).Process != nil
		}
	})
	return all
}
