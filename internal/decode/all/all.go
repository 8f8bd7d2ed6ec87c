// Package all lists the protocols that lodge decodes.
package all

import (
	"lodge/internal/decode"
)

// Protocols returns all protocols, in the order in which they are asked whether they
// recognise a connection: those that a few bytes prove come first.
func Protocols() []*decode.Protocol {
	return []*decode.Protocol{}
}

// Names returns the names of all protocols.
func Names() []string {
	var out []string
	for _, p := range Protocols() {
		out = append(out, p.Name)
	}
	return out
}
