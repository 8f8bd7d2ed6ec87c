package firewall

import (
	"bytes"
	"slices"

	"golang.org/x/sys/unix"
)

// Outcome is what a rule does to a connection.
type Outcome string

// What a rule can do.
const (
	Drop     Outcome = "drop"     // nothing comes back: the connection times out
	Reject   Outcome = "reject"   // the connection is refused at once
	Redirect Outcome = "redirect" // it goes to another address or port
	Queue    Outcome = "queue"    // a program decides
)

// Finding is a rule that stops a connection, or may.
type Finding struct {
	Outcome Outcome
	// Sure is false where something that the rule asks for is not known here.
	Sure bool
	// Reply says that it is the answer that is stopped, and not the first packet.
	Reply bool
	// Hook is where: output, input, prerouting, postrouting.
	Hook string
	// Chain names it as nft(8) does: "inet filter input".
	Chain string
	// Handle is zero for a chain's policy, and for iptables.
	Handle uint64
	// Rule is its text, much as nft and iptables write it.
	Rule    string
	Comment string
	// Delete is the command that takes the rule away.
	Delete string
	// Legacy says that it is a rule of the older iptables.
	Legacy bool
}

// steps are the hooks that a packet passes, in order.
func steps(c *Connection, reply bool) []uint32 {
	switch {
	case c.Local:
		return []uint32{hookOutput, hookPostrouting, hookPrerouting, hookInput}
	case reply:
		return []uint32{hookPrerouting, hookInput}
	}
	return []uint32{hookOutput, hookPostrouting}
}

func hookName(h uint32) string {
	switch h {
	case hookPrerouting:
		return "prerouting"
	case hookInput:
		return "input"
	case hookOutput:
		return "output"
	}
	return "postrouting"
}

// Judge returns the rules that stop the connection or its answer, in the order
// in which it meets them; the first that is sure is the last.
func (rs *Ruleset) Judge(c Connection) []Finding {
	var out []Finding
	for _, reply := range []bool{false, true} {
		for _, hook := range steps(&c, reply) {
			for _, base := range rs.bases(&c, hook, reply) {
				e := &eval{rs: rs, p: packet{&c, reply, hook}, base: base}
				e.run()
				out = append(out, e.found...)
				if len(out) > 0 && out[len(out)-1].Sure {
					return out
				}
			}
		}
	}
	return out
}

// bases are the base chains of a hook in the order in which they are passed.
func (rs *Ruleset) bases(c *Connection, hook uint32, reply bool) []*Chain {
	family := byte(familyIPv6)
	if c.Dst.Unmap().Is4() {
		family = familyIPv4
	}
	var out []*Chain
	for _, ch := range rs.Chains {
		// Only a connection's first packet passes chains of type nat.
		if ch.Base && ch.Hook == hook && !(reply && ch.Type == "nat") && (ch.Family == family || ch.Family == familyInet) {
			out = append(out, ch)
		}
	}
	slices.SortStableFunc(out, func(a, b *Chain) int { return int(max(min(int64(a.Priority)-int64(b.Priority), 1), -1)) })
	return out
}

// Bounds on what is evaluated: the kernel's own depth of jumps
// (NFT_JUMP_STACK_SIZE), and rules of a ruleset that was made to be slow.
const (
	maxJumps = 16
	maxRules = 100_000
)

// eval takes one packet through one base chain.
type eval struct {
	rs    *Ruleset
	p     packet
	base  *Chain
	found []Finding
	// unsure is set once the packet may have left the chain already.
	unsure    bool
	marked    bool // a rule may have set the packet's mark
	untracked bool
	rules     int
}

// decision is what a chain says of a packet.
type decision int

const (
	undecided decision = iota // the end of the chain, or return
	accepted
	stopped
)

func (e *eval) run() {
	if e.chain(e.base, 0) == undecided && e.base.PolicyDrop {
		e.found = append(e.found, Finding{
			Outcome: Drop, Sure: !e.unsure, Reply: e.p.reply, Hook: hookName(e.p.hook),
			Chain: e.base.title(), Rule: "policy drop",
			Delete: "nft 'add chain " + e.base.title() + " { policy accept ; }'",
		})
	}
}

func (e *eval) chain(ch *Chain, depth int) decision {
	if depth > maxJumps {
		e.unsure = true
		return undecided
	}
	for _, r := range ch.Rules {
		if e.rules++; e.rules > maxRules {
			e.unsure = true
			return undecided
		}
		m, v := e.rule(r)
		if m == no || v == nil {
			continue
		}
		switch d := e.apply(ch, r, m == yes, v, depth); {
		case d.over:
			return d.decision
		}
	}
	return undecided
}

// applied is what comes of a rule that matched.
type applied struct {
	decision decision
	over     bool // the chain ends here
}

// apply follows a verdict. Where the match is not sure, both ways are open: the
// rule is noted and the chain goes on, with everything after it unsure.
func (e *eval) apply(ch *Chain, r *Rule, sure bool, v *end, depth int) applied {
	if v.outcome != "" {
		e.found = append(e.found, e.finding(ch, r, v.outcome, sure && !e.unsure))
		if sure {
			return applied{stopped, true}
		}
		e.unsure = true
		return applied{}
	}
	switch v.code {
	case nfAccept:
		if sure {
			return applied{accepted, true}
		}
		e.unsure = true
	case unix.NFT_RETURN:
		if sure {
			return applied{undecided, true}
		}
		e.unsure = true
	case unix.NFT_JUMP, unix.NFT_GOTO:
		to := e.rs.find(ch.Family, ch.Table, v.chain)
		if to == nil {
			e.unsure = true
			return applied{}
		}
		e.unsure = e.unsure || !sure
		d := e.chain(to, depth+1)
		if sure && (d != undecided || v.code == unix.NFT_GOTO) {
			return applied{d, true}
		}
	}
	return applied{}
}

const (
	nfDrop   = 0
	nfAccept = 1
	nfQueue  = 3
)

func (e *eval) finding(ch *Chain, r *Rule, o Outcome, sure bool) Finding {
	return Finding{
		Outcome: o, Sure: sure, Reply: e.p.reply, Hook: hookName(e.p.hook),
		Chain: ch.title(), Handle: r.Handle, Rule: e.rs.describe(ch, r), Comment: r.Comment,
		Delete: "nft delete rule " + ch.title() + " handle " + utoa(r.Handle),
	}
}

func (ch *Chain) title() string {
	family := "inet"
	switch ch.Family {
	case familyIPv4:
		family = "ip"
	case familyIPv6:
		family = "ip6"
	}
	return family + " " + ch.Table + " " + ch.Name
}

// match reports whether a packet is what a rule asks for.
type match int

const (
	no match = iota
	maybe
	yes
)

func (m match) and(n match) match { return min(m, n) }

func (m match) not(invert bool) match {
	if invert {
		return yes - m
	}
	return m
}

func isIf(b bool) match {
	if b {
		return yes
	}
	return no
}

// equal compares the known bytes of v with b.
func (v value) equal(b []byte) match {
	m := yes
	for i, x := range b {
		switch {
		case i >= len(v.b) || !v.known[i]:
			m = m.and(maybe)
		case v.b[i] != x:
			return no
		}
	}
	return m
}

// order compares v with b as the kernel does, by memcmp; ok is false where v
// is not known.
func (v value) order(b []byte) (n int, ok bool) {
	for i, x := range b {
		if i >= len(v.b) || !v.known[i] {
			return 0, false
		}
		if c := bytes.Compare(v.b[i:i+1], []byte{x}); c != 0 {
			return c, true
		}
	}
	return 0, true
}
