package helper

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"lodge/internal/helper/policy"
)

// guest is one client of the machine's helper.
type guest struct {
	uid  uint32
	conn *net.UnixConn
	// idle says that the client would lose nothing with its session.
	idle atomic.Bool
}

// guests are the clients of the machine's helper. Where there are as many as
// there may be, a user who has none still gets in: an idle client of the user
// who has most goes.
type guests struct {
	mu     sync.Mutex // guards what follows
	total  int
	limit  int
	byUser map[uint32]map[*guest]struct{}
}

func newGuests() *guests {
	return &guests{limit: policy.Clients, byUser: map[uint32]map[*guest]struct{}{}}
}

// add lets a client in, or says why not.
func (s *guests) add(uid uint32, conn *net.UnixConn) (*guest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	mine := s.byUser[uid]
	if len(mine) >= policy.UserClients {
		return nil, fmt.Errorf("serve user %d: it has %d clients already", uid, len(mine))
	}
	if s.total >= s.limit && (len(mine) > 0 || !s.evict()) {
		return nil, fmt.Errorf("serve user %d: there are %d clients already", uid, s.total)
	}
	g := &guest{uid: uid, conn: conn}
	g.idle.Store(true)
	if mine == nil {
		mine = map[*guest]struct{}{}
		s.byUser[uid] = mine
	}
	mine[g] = struct{}{}
	s.total++
	return g, nil
}

// evict ends an idle client of the user who has most of them. The caller holds
// mu.
func (s *guests) evict() bool {
	var out *guest
	most := 0
	for _, list := range s.byUser {
		if len(list) <= most {
			continue
		}
		for g := range list {
			if g.idle.Load() {
				out, most = g, len(list)
				break
			}
		}
	}
	if out == nil {
		return false
	}
	s.forget(out)
	_ = out.conn.SetDeadline(time.Unix(1, 0))
	return true
}

// remove notes that a client has gone.
func (s *guests) remove(g *guest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(g)
}

// forget removes a client that may have been removed before. The caller holds
// mu.
func (s *guests) forget(g *guest) {
	list := s.byUser[g.uid]
	if _, ok := list[g]; !ok {
		return
	}
	delete(list, g)
	s.total--
	if len(list) == 0 {
		delete(s.byUser, g.uid)
	}
}

func (s *guests) number() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}
