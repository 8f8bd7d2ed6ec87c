package refused

import (
	"fmt"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/words"
	"lodge/internal/loopback"
	"lodge/internal/model"
	"lodge/internal/sockets"
)

// BoundOnly finds a socket that is bound to the address and does not listen. Linux
// shows such sockets since 6.8.
func BoundOnly() rule.Rule {
	return rule.Rule{
		Code: "bound_not_listening", Title: "a socket is bound and not in state listen",
		Never: rule.Unreachable(),
		Show:  rule.Show{Empty: rule.EmptyAlone},
		Check: func(f *facts.Facts) []model.Finding {
			if f.Protocol() != loopback.TCP {
				return nil
			}
			ip := shut(f)[0]
			var out []model.Finding
			for _, r := range f.At(func(r *sockets.Row) bool { return r.State == "bound" && r.Covers(ip) }) {
				out = append(out, model.Finding{
					Sure: true, PIDs: f.PIDs(r),
					Summary:  fmt.Sprintf("%s has bound %s but does not listen on it, so connections are refused.", words.Upper(words.Holder(f, r)), words.Own(r)),
					Evidence: append([]model.Evidence{words.SocketAs(r, "the socket is bound, and not in state listen")}, words.Holders(f, r)...),
					Hint:     "it may still be starting: look again, or read its log",
				})
			}
			return model.Distinct(out)
		},
	}
}
