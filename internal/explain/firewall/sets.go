package firewall

import (
	"bytes"

	"golang.org/x/sys/unix"
)

// lookup asks a set. In a verdict map the verdict goes to reg.end.
func (e *eval) lookup(reg *registers, f fields) match {
	s := e.rs.sets[setKey{e.base.Family, e.base.Table, f.str(unix.NFTA_LOOKUP_SET)}]
	dreg, isMap := f.u32(unix.NFTA_LOOKUP_DREG)
	lost := func() match {
		if isMap && dreg == unix.NFT_REG_VERDICT {
			reg.endUnknown = true
		} else if isMap {
			reg.forget(dreg)
		}
		return maybe
	}
	if s == nil || s.Unread != nil || s.KeyLen == 0 {
		return lost()
	}
	el, m := s.find(reg.load(f.num(unix.NFTA_LOOKUP_SREG), s.KeyLen))
	if !isMap {
		return m.not(f.num(unix.NFTA_LOOKUP_FLAGS)&1 != 0) // NFT_LOOKUP_F_INV
	}
	switch m {
	case maybe:
		return lost()
	case yes:
		if dreg != unix.NFT_REG_VERDICT {
			reg.store(dreg, known(el.Data...))
		} else if el.Verdict != nil {
			reg.end = ending(el.Verdict)
		} else {
			return lost()
		}
	}
	return m
}

// find looks a key up. Elements of an interval set are the points where an
// interval begins or ends, in any order.
func (s *Set) find(key value) (Element, match) {
	var all *Element
	for i := range s.Elements {
		if s.Elements[i].CatchAll {
			all = &s.Elements[i]
		}
	}
	m := no
	var hit Element
	if s.Interval && len(s.Fields) == 0 {
		hit, m = s.interval(key)
	} else {
		for _, el := range s.Elements {
			if el.CatchAll {
				continue
			}
			switch n := s.within(el, key); {
			case n == yes:
				return el, yes
			case n == maybe:
				m = maybe
			}
		}
	}
	if m == no && all != nil {
		return *all, yes
	}
	return hit, m
}

// interval finds the last point that is not above the key.
func (s *Set) interval(key value) (Element, match) {
	if !key.all() {
		return Element{}, maybe
	}
	var last *Element
	for i := range s.Elements {
		el := &s.Elements[i]
		if el.CatchAll || len(el.Key) != len(key.b) || bytes.Compare(el.Key, key.b) > 0 {
			continue
		}
		if last != nil {
			c := bytes.Compare(el.Key, last.Key)
			// Where one interval ends and the next begins, the beginning counts.
			if c < 0 || c == 0 && el.End {
				continue
			}
		}
		last = el
	}
	if last == nil || last.End {
		return Element{}, no
	}
	return *last, yes
}

// within compares a key with one element, part by part where it is a range in
// several dimensions (nft_set_pipapo).
func (s *Set) within(el Element, key value) match {
	if len(el.KeyEnd) == 0 {
		return key.equal(el.Key)
	}
	fields := s.Fields
	if len(fields) == 0 {
		fields = []int{len(el.Key)}
	}
	m, at := yes, 0
	for _, n := range fields {
		if at+n > len(el.Key) || at+n > len(el.KeyEnd) || at+n > len(key.b) {
			return maybe
		}
		part := value{key.b[at : at+n], key.known[at : at+n]}
		a, ok := part.order(el.Key[at : at+n])
		b, ok2 := part.order(el.KeyEnd[at : at+n])
		switch {
		case !ok || !ok2:
			m = m.and(maybe)
		case a < 0 || b > 0:
			return no
		}
		at += (n + 3) &^ 3
	}
	return m
}
