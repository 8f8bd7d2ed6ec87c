package render

import (
	"fmt"
	"net/netip"
	"strings"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/rule/name"
	"lodge/internal/explain/words"
	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

// answer says in one to three sentences what is there, or why it fails.
func answer(f *facts.Facts, r *Report) string {
	switch {
	case f.Unix != nil:
		return unixAnswer(f, r)
	case f.Question.HasPort && f.Question.Port == 0:
		return "Port 0 is no port: a program that binds it gets a free one from the kernel, and nobody can connect to it."
	case f.AboutName() && f.Question.Operation == "":
		return nameAnswer(f) + amiss(f, r, 1)
	case f.Name != nil && f.Question.Operation == "":
		return nameAnswer(f) + " " + thing(f, r)
	case f.Resolution != nil && len(f.Targets) == 0 && f.Name == nil:
		x := name.Unknown(f)
		return x.Summary
	case f.Name != nil:
		return failure(f, r)
	case !f.Question.HasPort:
		return addressAnswer(f, r)
	case f.Question.Operation != "" || f.Question.Errno == "EMFILE" && len(r.Causes) > 0:
		return failure(f, r)
	}
	return thing(f, r)
}

// failure answers a message with an error in it.
func failure(f *facts.Facts, r *Report) string {
	if len(r.Causes) == 0 && f.Name != nil {
		return fmt.Sprintf("Nothing here explains it: %s", nameAnswer(f))
	}
	if len(r.Causes) == 0 {
		s := fmt.Sprintf("Nothing here explains it: %s", thing(f, r))
		if f.Question.Errno == "ECONNRESET" {
			s = fmt.Sprintf("%s The connection was reset by the program at the other end, which is not the network's or the firewall's doing: its log should say why.", thing(f, r))
		}
		return s
	}
	out := []string{r.found[0].Summary}
	for _, c := range r.found[1:] {
		// What does not go with the error is shown below, and not said here.
		if len(out) < 3 && c.Sure && c.Weight >= r.found[0].Weight {
			out = append(out, c.Summary)
		}
	}
	return strings.Join(out, " ")
}

// addressAnswer answers an address or a name without a port.
func addressAnswer(f *facts.Facts, r *Report) string {
	a := r.Address
	subject := a.IP.String()
	var s string
	switch {
	case a.Name != "":
		s = fmt.Sprintf("%s means %s (%s).", a.Name, words.Join(words.Strs(f.Targets)), a.ResolvedBy)
		subject = "It"
	case a.Project != "":
		s = fmt.Sprintf("%s is the home of project %s: what its processes see as localhost.", a.IP, a.Project)
		subject = "It"
	case a.Scope == loopback.ScopeHome:
		s = fmt.Sprintf("%s is one of the loopback addresses that lodge takes homes from; no project that is up has it.", a.IP)
		subject = "It"
	}
	if n, ok := space(f, a.IP); ok && !a.Local {
		return strings.TrimSpace(fmt.Sprintf("%s %s is an address in %s of this machine, such as that of a container (%s).", s, subject, words.SpaceName(n), a.BlockName))
	}
	if !a.Local {
		return strings.TrimSpace(fmt.Sprintf("%s %s is not an address of this machine (%s: %s); it can be reached %s.", s, subject, a.Block, a.BlockName, a.Reach))
	}
	s = strings.TrimSpace(fmt.Sprintf("%s %s can be reached %s (%s).", s, subject, a.Reach, a.BlockName))
	switch n := len(r.Listeners); n {
	case 0:
		s += " Nobody listens on it."
	default:
		s += fmt.Sprintf(" %s on it.", words.Count(n, "socket listens", "sockets listen"))
	}
	return s
}

// thing reports what is at an address and port.
func thing(f *facts.Facts, r *Report) string {
	var out []string
	if len(r.Listeners) > 0 {
		out = append(out, listenerAnswer(f, r))
	} else if s := connectionAnswer(f, r); s != "" {
		out = append(out, s)
	} else {
		out = append(out, emptyAnswer(f, r))
	}
	text := strings.Join(out, " ")
	if more := amiss(f, r, len(out)); !strings.Contains(text, strings.TrimSpace(more)) {
		text += more
	}
	return text
}

// amiss reports what is wrong with what is there, in as many sentences as are left
// after those that were said.
func amiss(f *facts.Facts, r *Report, said int) string {
	out := ""
	for _, c := range r.found {
		if c.Show.Notable && c.Sure && said < 3 {
			out += " " + c.Summary
			said++
		}
	}
	return out
}

// emptyAnswer is for where there is no socket of that very address.
func emptyAnswer(f *facts.Facts, r *Report) string {
	for _, c := range r.found {
		switch c.Show.Empty {
		case rule.EmptyAlone:
			return c.Summary
		case rule.EmptyAfter:
			return fmt.Sprintf("Nobody listens there. %s", c.Summary)
		}
	}
	s := "Nothing is there: nobody listens on " + words.Subject(f) + " and nobody is connected, so the port is free."
	if r.Port.Ephemeral {
		s += fmt.Sprintf(" It is one of those that this machine gives to outgoing connections (%d to %d), so any program may get it at any moment.", f.Kernel.EphemeralFirst, f.Kernel.EphemeralLast)
	}
	return s
}

// space returns the other network namespace that has an address, which may be nil.
func space(f *facts.Facts, ip *netip.Addr) (sockets.Namespace, bool) {
	if ip == nil {
		return sockets.Namespace{}, false
	}
	n, ok := f.Namespaces[*ip]
	return n, ok
}
