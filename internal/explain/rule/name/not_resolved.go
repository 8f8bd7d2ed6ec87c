package name

import (
	"fmt"
	"strings"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/words"
	"lodge/internal/model"
)

// NotBelowLocalhost finds that programs which ask the C library alone do not know a
// name below localhost (RFC 6761, section 6.3, is followed by few).
func NotBelowLocalhost() rule.Rule {
	r := notResolved("the C library does not know names below localhost")
	r.Check = func(f *facts.Facts) []model.Finding {
		if n := f.Name; n == nil || n.Domain != "localhost" || f.Question.Operation == model.Bind || f.Question.Errno != "ENOTFOUND" || len(f.Resolution.Lines) > 0 {
			return nil
		}
		return []model.Finding{{
			Sure:     true,
			Summary:  "Programs that ask the C library alone do not know names below localhost on this machine; browsers and curl do, by RFC 6761.",
			Evidence: []model.Evidence{source(f, "the hosts file does not have "+f.Question.Name)},
			Hint:     "connect to 127.0.0.1 and send the name as Host; or once: sudo lodge setup",
		}}
	}
	return r
}

// OnlyLodgeKnows finds that a name below test is known to lodge and to no resolver.
func OnlyLodgeKnows() rule.Rule {
	r := notResolved("only lodge knows the name")
	r.Check = func(f *facts.Facts) []model.Finding {
		n := f.Name
		if n == nil || n.Domain != "test" || f.Question.Operation == model.Bind || n.Unresolved == "" || !n.Up || n.Missing != "" {
			return nil
		}
		at := n.Home.String()
		if f.Question.HasPort {
			at = words.Endpoint(f, n.Home)
		}
		return []model.Finding{{
			Sure:     true,
			Summary:  fmt.Sprintf("The name %s leads nowhere for most programs on this machine: %s.", f.Question.Name, n.Unresolved),
			Evidence: []model.Evidence{source(f, "the hosts file does not have it")},
			Hint:     fmt.Sprintf("use %s, or go inside, where the name is known: %slodge exec -- CMD; or once: sudo lodge setup", at, here(f)),
		}}
	}
	return r
}

// NotResolved finds that a name has no address on this machine.
func NotResolved() rule.Rule {
	r := notResolved("neither the hosts file nor DNS has the name")
	r.Last = rule.InGroup
	r.Check = func(f *facts.Facts) []model.Finding {
		if f.Resolution == nil || len(f.Targets) > 0 {
			return nil
		}
		return []model.Finding{Unknown(f)}
	}
	return r
}

func notResolved(title string) rule.Rule {
	return rule.Rule{
		Code: "name_not_resolved", Title: title,
		Show: rule.Show{Empty: rule.EmptyAlone},
		// A program that meets another error had found the name.
		Weight: func(f *facts.Facts) int {
			if f.Name != nil && f.Question.Errno != "" && f.Question.Errno != "ENOTFOUND" {
				return -4
			}
			return 0
		},
	}
}

// Unknown tells that a name has no address on this machine.
func Unknown(f *facts.Facts) model.Finding {
	c := model.Finding{
		Sure: true, Summary: fmt.Sprintf("The name %s leads nowhere on this machine: %s.", f.Question.Name, f.Resolution.Err),
		Evidence: []model.Evidence{source(f, "the hosts file does not have it"), source(f, "asked: "+f.Resolution.Source)},
	}
	switch {
	case strings.HasSuffix(f.Question.Name, ".test"):
		c.Hint = "a name in .test works where something answers for it, such as a line in /etc/hosts"
	case !strings.Contains(f.Question.Name, "."):
		c.Hint = "a bare name such as a container's or a service's is known only inside its own network; from this machine use localhost and the published port"
	}
	return c
}

func source(f *facts.Facts, text string) model.Evidence {
	n := &model.Name{Host: f.Question.Name}
	if f.Resolution != nil {
		n.Source = f.Resolution.Source
	}
	return model.Evidence{Kind: model.KindName, Text: text, Name: n}
}
