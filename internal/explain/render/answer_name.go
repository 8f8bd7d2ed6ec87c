package render

import (
	"fmt"
	"slices"
	"strings"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/words"
)

// nameAnswer reports what the name leads to, and whether programs find it.
func nameAnswer(f *facts.Facts) string {
	s := words.NameSentence(f) + portSentence(f)
	if n := f.Name; n.Domain == "test" && n.Unresolved != "" && n.Up && n.Missing == "" {
		s += " Programs on this machine do not find the name: " + n.Unresolved + "."
	}
	return s
}

// portSentence says to which of several ports a name leads, and how to choose.
func portSentence(f *facts.Facts) string {
	n := f.Name
	if n.Domain != "localhost" || !n.Up || n.Service == nil {
		return ""
	}
	var ports []string
	for _, p := range n.Service.TCPPorts() {
		ports = append(ports, fmt.Sprint(p))
	}
	switch {
	case n.AskedPort != 0 && slices.Contains(n.Service.TCPPorts(), n.AskedPort):
		return fmt.Sprintf(" The name means its port %d.", n.AskedPort)
	case n.AskedPort != 0 && len(ports) > 0:
		return fmt.Sprintf(" The name means its port %d, on which it does not listen.", n.AskedPort)
	case len(ports) < 2 || !n.HTTP:
		return ""
	}
	leads := "the lowest one that speaks HTTP"
	if n.WebPort != 0 {
		leads = fmt.Sprintf("port %d", n.WebPort)
	}
	return fmt.Sprintf(" Of its ports (%s) the name leads to %s; http = PORT in lodge.toml chooses, and PORT.%s leads to any of them.", strings.Join(ports, ", "), leads, f.Question.Name)
}
