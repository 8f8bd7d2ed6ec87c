package bind

import (
	"fmt"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/words"
	"lodge/internal/model"
)

// SelfConnected finds a connection whose both ends are one socket.
func SelfConnected() rule.Rule {
	return rule.Rule{
		Code: "self_connected", Title: "a connection whose both ends are one socket",
		Check: func(f *facts.Facts) []model.Finding {
			var out []model.Finding
			for _, r := range holdersOf(f).self {
				out = append(out, model.Finding{
					Sure: true, PIDs: f.PIDs(r),
					Summary:  fmt.Sprintf("%s is connected to itself on %s: it kept trying to connect while nobody listened, and the kernel gave it that very port to connect from.", words.Upper(words.Holder(f, r)), words.Own(r)),
					Evidence: append([]model.Evidence{words.SocketAs(r, fmt.Sprintf("both ends of the connection are %s", words.Own(r))), ephemeralRange(f)}, words.Holders(f, r)...),
					Hint:     fmt.Sprintf("end that connection (restart the client), and take the port out of the ephemeral range: sysctl -w net.ipv4.ip_local_reserved_ports=%d", f.Question.Port),
				})
			}
			return out
		},
	}
}

// ephemeralRange tells whether the port is one that the kernel gives to outgoing
// connections.
func ephemeralRange(f *facts.Facts) model.Evidence {
	in := "is in"
	if !f.Kernel.IsEphemeral(f.Question.Port) {
		in = "is not in"
	}
	return model.Evidence{
		Kind:   model.KindSysctl,
		Text:   fmt.Sprintf("port %d %s this machine's range for outgoing connections, %d to %d", f.Question.Port, in, f.Kernel.EphemeralFirst, f.Kernel.EphemeralLast),
		Sysctl: &model.Sysctl{Name: "net.ipv4.ip_local_port_range", Value: fmt.Sprintf("%d\t%d", f.Kernel.EphemeralFirst, f.Kernel.EphemeralLast)},
	}
}
