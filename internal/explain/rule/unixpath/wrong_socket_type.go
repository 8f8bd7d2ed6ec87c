package unixpath

import (
	"fmt"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/words"
	"lodge/internal/model"
)

// WrongType finds that the socket is of another type than the client asks for.
func WrongType() rule.Rule {
	return rule.Rule{
		Code: "wrong_socket_type", Title: "the socket at the path is of another type (stream, datagram) than the client asks for",
		Check: func(f *facts.Facts) []model.Finding {
			if connectOutcome(f) != listening || f.Question.Errno != "EPROTOTYPE" {
				return nil
			}
			r := f.UnixListeners()[0]
			return []model.Finding{{
				Sure: true, Evidence: words.Holders(f, r), PIDs: f.PIDs(r),
				Summary: fmt.Sprintf("%s has a %s socket at %s, and the client asked for another type: the two do not speak to each other.", words.Upper(words.Holder(f, r)), r.Type, words.Own(r)),
				Hint:    "give the client the type of the socket, or the path of the one that is meant",
			}}
		},
	}
}
