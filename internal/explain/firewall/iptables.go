package firewall

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Tables are the rules of the older iptables, as iptables-save(8) prints them.
type Tables struct {
	Family byte // familyIPv4 or familyIPv6
	tables map[string]*table
}

type table struct {
	name   string
	chains map[string]*saved
}

// saved is a chain of iptables.
type saved struct {
	name   string
	policy string // ACCEPT, DROP, or "-" for one that is jumped to
	rules  []savedRule
}

type savedRule struct {
	text string // the line
	args []string
}

// parseSave reads what iptables-save prints. Lines that are none of its are an
// error.
func parseSave(family byte, s string) (*Tables, error) {
	t := &Tables{Family: family, tables: make(map[string]*table)}
	var now *table
	for line := range strings.Lines(s) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#' || line == "COMMIT":
		case line[0] == '*':
			now = &table{name: line[1:], chains: make(map[string]*saved)}
			t.tables[now.name] = now
		case now == nil:
			return nil, fmt.Errorf("read iptables-save: %q before a table", line)
		case line[0] == ':':
			f := strings.Fields(line[1:])
			if len(f) < 2 {
				return nil, fmt.Errorf("read iptables-save: chain %q", line)
			}
			now.chains[f[0]] = &saved{name: f[0], policy: f[1]}
		case line[0] == '[' || strings.HasPrefix(line, "-A "):
			if line[0] == '[' { // with counters
				_, rest, ok := strings.Cut(line, "] ")
				if !ok {
					return nil, fmt.Errorf("read iptables-save: rule %q", line)
				}
				line = rest
			}
			args, err := split(line)
			if err != nil {
				return nil, err
			}
			if len(args) < 2 || args[0] != "-A" || now.chains[args[1]] == nil {
				return nil, fmt.Errorf("read iptables-save: rule %q", line)
			}
			ch := now.chains[args[1]]
			ch.rules = append(ch.rules, savedRule{line, args[2:]})
		default:
			return nil, fmt.Errorf("read iptables-save: line %q", line)
		}
	}
	return t, nil
}

// split cuts a line into words; words with blanks are quoted, with \ before a
// quote or a \.
func split(line string) ([]string, error) {
	var out []string
	var word strings.Builder
	in, quoted := false, false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case quoted && c == '\\' && i+1 < len(line):
			i++
			word.WriteByte(line[i])
		case c == '"':
			quoted, in = !quoted, true
		case c == ' ' && !quoted:
			if in {
				out = append(out, word.String())
				word.Reset()
				in = false
			}
		default:
			word.WriteByte(c)
			in = true
		}
	}
	if quoted {
		return nil, errors.New("read iptables-save: a quote without its end")
	}
	if in {
		out = append(out, word.String())
	}
	return out, nil
}

// builtin names iptables' own chain of a hook.
func builtin(hook uint32) string {
	return strings.ToUpper(hookName(hook))
}

// Judge is Ruleset.Judge for the older iptables.
func (t *Tables) Judge(c Connection) []Finding {
	four := c.Dst.Unmap().Is4()
	if four != (t.Family == familyIPv4) {
		return nil
	}
	var out []Finding
	for _, reply := range []bool{false, true} {
		for _, hook := range steps(&c, reply) {
			for _, name := range []string{"raw", "mangle", "nat", "filter", "security"} {
				tb := t.tables[name]
				if tb == nil || tb.chains[builtin(hook)] == nil || name == "nat" && reply {
					continue
				}
				e := &savedEval{t: t, table: tb, p: packet{&c, reply, hook}}
				e.run(tb.chains[builtin(hook)])
				out = append(out, e.found...)
				if len(out) > 0 && out[len(out)-1].Sure {
					return out
				}
			}
		}
	}
	return out
}

type savedEval struct {
	t      *Tables
	table  *table
	p      packet
	found  []Finding
	unsure bool
	rules  int
}

func (e *savedEval) program() string {
	if e.t.Family == familyIPv6 {
		return "ip6tables-legacy"
	}
	return "iptables-legacy"
}

func (e *savedEval) add(ch *saved, o Outcome, sure bool, r savedRule) {
	f := Finding{
		Outcome: o, Sure: sure && !e.unsure, Reply: e.p.reply, Hook: hookName(e.p.hook), Legacy: true,
		Chain: e.program() + " " + e.table.name + " " + ch.name, Rule: r.text,
		Delete: e.program() + " -t " + e.table.name + " -D" + strings.TrimPrefix(r.text, "-A"),
	}
	if r.text == "" {
		f.Rule = "policy " + ch.policy
		f.Delete = e.program() + " -t " + e.table.name + " -P " + ch.name + " ACCEPT"
	}
	e.found = append(e.found, f)
}

func (e *savedEval) run(ch *saved) {
	if e.chain(ch, 0) == undecided && ch.policy == "DROP" {
		e.add(ch, Drop, true, savedRule{})
	}
}

func (e *savedEval) chain(ch *saved, depth int) decision {
	if depth > maxJumps {
		e.unsure = true
		return undecided
	}
	for _, r := range ch.rules {
		if e.rules++; e.rules > maxRules {
			e.unsure = true
			return undecided
		}
		m, target, goes := savedMatch(e.p, r.args)
		if m == no || target == "" {
			continue
		}
		if to := e.table.chains[target]; to != nil {
			e.unsure = e.unsure || m != yes
			if d := e.chain(to, depth+1); m == yes && (d != undecided || goes) {
				return d
			}
			continue
		}
		d, o := targetOutcome(target)
		switch {
		case o != "":
			e.add(ch, o, m == yes, r)
			if m == yes {
				return stopped
			}
			e.unsure = true
		case d == nil:
		case m == yes:
			return *d
		default:
			e.unsure = true
		}
	}
	return undecided
}

// targetOutcome reports what a target does; neither for one that lets a packet go
// on to the next rule.
func targetOutcome(target string) (*decision, Outcome) {
	a, u := accepted, undecided
	switch target {
	case "ACCEPT":
		return &a, ""
	case "RETURN":
		return &u, ""
	case "DROP":
		return nil, Drop
	}
	m, v := xtTarget(target)
	switch {
	case v == nil:
		return nil, ""
	case v.outcome == "":
		return &a, ""
	case m == maybe:
		return nil, "" // an unknown target: it is seldom one that drops
	}
	return nil, v.outcome
}

// savedMatch reads a rule's arguments. An option that is not known makes the
// match unsure.
func savedMatch(p packet, args []string) (m match, target string, goes bool) {
	m = yes
	invert := false
	for i := 0; i < len(args); i++ {
		a := args[i]
		next := func() string {
			if i+1 < len(args) {
				i++
				return args[i]
			}
			return ""
		}
		n := yes
		switch a {
		case "!":
			invert = true
			continue
		case "-j", "--jump":
			target = next()
			return m, target, false // what follows belongs to the target
		case "-g", "--goto":
			return m, next(), true
		case "-m", "--match":
			next() // its conditions follow
			continue
		case "--comment":
			next()
			continue
		case "-p", "--protocol":
			n = protocolIs(p, next())
		case "-i", "--in-interface":
			n = nameIs(p.ifname(p.in()), next())
		case "-o", "--out-interface":
			n = nameIs(p.ifname(p.out()), next())
		case "-s", "--source":
			n = addressIn(p.src(), next())
		case "-d", "--destination":
			n = addressIn(p.dst(), next())
		case "--dport", "--dports":
			_, dst := p.ports()
			n = portIn(dst, next())
		case "--sport", "--sports":
			src, _ := p.ports()
			n = portIn(src, next())
		case "--ports":
			src, dst := p.ports()
			list := next()
			n = max(portIn(src, list), portIn(dst, list))
		case "--ctstate", "--state":
			n = stateIn(p, next())
		case "--uid-owner":
			n = ownerIs(p, p.c.UID, next())
		case "--gid-owner":
			n = ownerIs(p, p.c.GID, next())
		case "--syn":
			n = isIf(!p.reply && p.c.Protocol == unix.IPPROTO_TCP)
		case "--dst-type", "--src-type":
			n = isIf(next() == "LOCAL")
			if !p.c.Local {
				n = maybe
			}
		default:
			n = maybe
		}
		m = m.and(n.not(invert))
		invert = false
		if m == no {
			return no, "", false
		}
	}
	return m, target, goes
}

func protocolIs(p packet, s string) match {
	name := map[byte]string{unix.IPPROTO_TCP: "tcp", unix.IPPROTO_UDP: "udp"}[p.c.Protocol]
	return isIf(s == name || s == "all" || s == strconv.Itoa(int(p.c.Protocol)))
}

// nameIs compares an interface's name; + at the end stands for any rest.
func nameIs(v value, s string) match {
	if stem, ok := strings.CutSuffix(s, "+"); ok {
		return v.equal([]byte(stem))
	}
	return v.equal(append([]byte(s), 0))
}

func addressIn(ip netip.Addr, s string) match {
	if !ip.IsValid() {
		return maybe
	}
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return maybe
		}
		return isIf(a == ip.Unmap())
	}
	pre, err := netip.ParsePrefix(s)
	if err != nil {
		return maybe // such as a mask with holes
	}
	return isIf(pre.Contains(ip.Unmap()))
}

func portIn(port value, list string) match {
	m := no
	for one := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(one, ":")
		if !isRange {
			to = from
		}
		a, err := strconv.ParseUint(from, 10, 16)
		b, err2 := strconv.ParseUint(to, 10, 16)
		if err != nil || err2 != nil || !port.all() {
			m = max(m, maybe)
			continue
		}
		n := uint64(port.b[0])<<8 | uint64(port.b[1])
		m = max(m, isIf(n >= a && n <= b))
	}
	return m
}

func stateIn(p packet, list string) match {
	want := "NEW"
	if p.reply {
		want = "ESTABLISHED"
	}
	m := no
	for one := range strings.SplitSeq(list, ",") {
		switch one {
		case want:
			return yes
		case "NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED":
		default:
			m = maybe
		}
	}
	return m
}

func ownerIs(p packet, id uint32, s string) match {
	from, to, isRange := strings.Cut(s, "-")
	if !isRange {
		to = from
	}
	a, err := strconv.ParseUint(from, 10, 32)
	b, err2 := strconv.ParseUint(to, 10, 32)
	if err != nil || err2 != nil || p.reply || p.hook != hookOutput {
		return maybe
	}
	return isIf(uint64(id) >= a && uint64(id) <= b)
}
