package holders

// InodeSet is the set of socket inodes whose holders are looked for, with
// those that were found. It is read by several goroutines while they look, and
// written by one afterwards. An inode's slot is its place in the table.
type InodeSet struct {
	keys  []uint32 // 0 is free
	shift uint8
	// heads[slot] is one more than the index of the slot's last node in nodes.
	heads []uint32
	nodes []holder
	// homes marks the slots of sockets on a home's address; nil is none.
	homes []bool
	count int
}

// holder says that a process holds a socket. Those of one socket are chained.
type holder struct {
	process uint32 // index into the processes
	next    uint32 // one more than an index into nodes; 0 ends
}

// found is what a search came upon: a process that holds the socket of a slot.
type found struct{ slot, process uint32 }

// NewInodeSet makes a set for at most n inodes.
func NewInodeSet(n int) *InodeSet {
	bits := 4
	for 1<<bits < 2*n {
		bits++
	}
	return &InodeSet{keys: make([]uint32, 1<<bits), heads: make([]uint32, 1<<bits), shift: uint8(32 - bits)}
}

// Add puts an inode into the set; zero is none.
func (s *InodeSet) Add(inode uint32) {
	if inode == 0 {
		return
	}
	for i := inode * 0x9e3779b1 >> s.shift; ; i = (i + 1) & uint32(len(s.keys)-1) {
		switch s.keys[i] {
		case 0:
			s.keys[i] = inode
			s.count++
			return
		case inode:
			return
		}
	}
}

// Slot returns the place of an inode; false if it is not in the set.
func (s *InodeSet) Slot(inode uint32) (uint32, bool) {
	if inode == 0 {
		return 0, false
	}
	for i := inode * 0x9e3779b1 >> s.shift; ; i = (i + 1) & uint32(len(s.keys)-1) {
		switch s.keys[i] {
		case 0:
			return 0, false
		case inode:
			return i, true
		}
	}
}

// Named marks the slots of the inodes that holdings name.
func (s *InodeSet) Named(holdings []Holding) []bool {
	named := make([]bool, len(s.keys))
	for i := range holdings {
		if slot, ok := s.Slot(holdings[i].Inode); ok {
			named[slot] = true
		}
	}
	return named
}

// link adds what a search came upon. What one process holds must come in one run:
// a socket that it holds twice is then told once.
func (s *InodeSet) link(list []found) {
	for _, f := range list {
		s.Hold(f.slot, f.process)
	}
}

// Hold notes that a process holds the socket of a slot.
func (s *InodeSet) Hold(slot, process uint32) {
	head := s.heads[slot]
	if head != 0 && s.nodes[head-1].process == process {
		return
	}
	s.nodes = append(s.nodes, holder{process, head})
	s.heads[slot] = uint32(len(s.nodes))
}

// MarkHome notes that the socket of a slot is on a home's address.
func (s *InodeSet) MarkHome(slot uint32) {
	if s.homes == nil {
		s.homes = make([]bool, len(s.keys))
	}
	s.homes[slot] = true
}

// IsHome reports whether the socket of a slot is on a home's address, so that its
// holders may be services.
func (s *InodeSet) IsHome(slot uint32) bool { return s.homes != nil && s.homes[slot] }

// Each calls f with each process that holds the socket of an inode.
func (s *InodeSet) Each(inode uint32, f func(process uint32)) {
	slot, ok := s.Slot(inode)
	if !ok {
		return
	}
	for at := s.heads[slot]; at != 0; at = s.nodes[at-1].next {
		f(s.nodes[at-1].process)
	}
}

// complete reports whether each of the inodes has a holder.
func (s *InodeSet) complete() bool {
	for slot, key := range s.keys {
		if key != 0 && s.heads[slot] == 0 {
			return false
		}
	}
	return true
}

// missing returns some of the inodes that have no holder, at most n.
func (s *InodeSet) missing(n int) []uint32 {
	var out []uint32
	for slot, key := range s.keys {
		if key != 0 && s.heads[slot] == 0 {
			if out = append(out, key); len(out) == n {
				break
			}
		}
	}
	return out
}

// Empty reports whether there is no inode in the set.
func (s *InodeSet) Empty() bool { return s.count == 0 }

// Held reports whether the socket of an inode has a holder.
func (s *InodeSet) Held(inode uint32) bool {
	slot, ok := s.Slot(inode)
	return ok && s.heads[slot] != 0
}
