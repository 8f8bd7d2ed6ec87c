package firewall

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Families of linux/netfilter.h that matter to a connection.
const (
	familyInet   = 1  // NFPROTO_INET: both of the next
	familyIPv4   = 2  // NFPROTO_IPV4
	familyNetdev = 5  // NFPROTO_NETDEV
	familyIPv6   = 10 // NFPROTO_IPV6
)

// Ruleset is what nftables does in a network namespace. iptables-nft's rules
// are in it too.
type Ruleset struct {
	Chains []*Chain
	sets   map[setKey]*Set
}

type setKey struct {
	family      byte
	table, name string
}

// Chain is a chain with its rules in order.
type Chain struct {
	Family      byte
	Table, Name string
	// Base says that packets come here by themselves, at Hook (NF_INET_… for
	// families other than netdev), in the order of Priority.
	Base     bool
	Hook     uint32
	Priority int32
	Type     string // filter, nat, route
	Devices  []string
	// PolicyDrop is what becomes of a packet that no rule decides on.
	PolicyDrop bool
	Rules      []*Rule
}

// Rule is one rule. Handle names it within its table.
type Rule struct {
	Handle  uint64
	Comment string
	Exprs   []Expr
}

// Expr is one expression of a rule as the kernel gives it: a name and the
// attributes, not read yet.
type Expr struct {
	Name string
	Data []byte
}

// Set is a named or anonymous set or map.
type Set struct {
	Interval bool
	Map      bool
	KeyLen   int
	// Fields are the lengths of a concatenation's parts, in bytes.
	Fields   []int
	Elements []Element
	// Unread says why the elements are not known.
	Unread error
}

// Element is one element of a set. Of an interval set each is where an
// interval begins, or where one ends (exclusive).
type Element struct {
	Key, KeyEnd []byte
	End         bool
	CatchAll    bool
	Data        []byte   // of a map
	Verdict     *verdict // of a verdict map
}

// errNotThere says that this kernel has no nftables.
var errNotThere = errors.New("the kernel has no nftables")

// Read reads the ruleset of the current network namespace. It needs
// CAP_NET_ADMIN there: without it the error is EPERM.
func Read() (*Ruleset, error) {
	rs, err := read()
	switch {
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EAFNOSUPPORT):
		// nfnetlink knows no such subsystem, or there is no nfnetlink.
		return nil, fmt.Errorf("read nftables: %w", errNotThere)
	case err != nil:
		return nil, fmt.Errorf("read nftables: %w", err)
	}
	return rs, nil
}

func read() (*Ruleset, error) {
	c, err := open()
	if err != nil {
		return nil, err
	}
	defer c.close()
	rs := &Ruleset{sets: make(map[setKey]*Set)}
	err = c.dump(unix.NFT_MSG_GETCHAIN, unix.AF_UNSPEC, nil, func() { rs.Chains = nil }, func(family byte, b []byte) error {
		ch, err := decodeChain(family, b)
		rs.Chains = append(rs.Chains, ch)
		return err
	})
	if err != nil || len(rs.Chains) == 0 {
		return rs, err
	}
	dormant := make(map[setKey]bool)
	err = c.dump(unix.NFT_MSG_GETTABLE, unix.AF_UNSPEC, nil, func() { clear(dormant) }, func(family byte, b []byte) error {
		name, off, err := decodeTable(b)
		if off {
			dormant[setKey{family, name, ""}] = true
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	kept := rs.Chains[:0]
	for _, ch := range rs.Chains {
		if !dormant[setKey{ch.Family, ch.Table, ""}] {
			kept = append(kept, ch)
		}
	}
	rs.Chains = kept
	reset := func() {
		for _, ch := range rs.Chains {
			ch.Rules = nil
		}
	}
	err = c.dump(unix.NFT_MSG_GETRULE, unix.AF_UNSPEC, nil, reset, func(family byte, b []byte) error {
		table, chain, r, err := decodeRule(b)
		if err != nil {
			return err
		}
		if ch := rs.find(family, table, chain); ch != nil {
			ch.Rules = append(ch.Rules, r)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return rs, rs.readSets(c)
}

// readSets reads the sets that rules name.
func (rs *Ruleset) readSets(c *conn) error {
	used := make(map[setKey]bool)
	for _, ch := range rs.Chains {
		for _, r := range ch.Rules {
			for _, e := range r.Exprs {
				if e.Name == "lookup" {
					used[setKey{ch.Family, ch.Table, decodeFields(e.Data).str(unix.NFTA_LOOKUP_SET)}] = true
				}
			}
		}
	}
	if len(used) == 0 {
		return nil
	}
	err := c.dump(unix.NFT_MSG_GETSET, unix.AF_UNSPEC, nil, func() { clear(rs.sets) }, func(family byte, b []byte) error {
		table, name, s, err := decodeSet(b)
		if k := (setKey{family, table, name}); used[k] {
			rs.sets[k] = s
		}
		return err
	})
	if err != nil {
		return err
	}
	for k, s := range rs.sets {
		attrs := attribute(attribute(nil, unix.NFTA_SET_ELEM_LIST_TABLE, k.table), unix.NFTA_SET_ELEM_LIST_SET, k.name)
		s.Unread = c.dump(unix.NFT_MSG_GETSETELEM, k.family, attrs, func() { s.Elements = nil }, func(_ byte, b []byte) error {
			els, err := decodeElements(b)
			s.Elements = append(s.Elements, els...)
			return err
		})
	}
	return nil
}

func (rs *Ruleset) find(family byte, table, name string) *Chain {
	for _, ch := range rs.Chains {
		if ch.Family == family && ch.Table == table && ch.Name == name {
			return ch
		}
	}
	return nil
}
