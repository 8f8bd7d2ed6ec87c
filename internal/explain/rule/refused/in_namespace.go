package refused

import (
	"fmt"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/words"
	"lodge/internal/model"
)

// InNamespace finds servers that listen on the port in other network namespaces.
func InNamespace() rule.Rule {
	return rule.Rule{
		Code: "listens_in_namespace", Title: "a socket listens in another network namespace, such as a container's",
		Show: rule.Show{Empty: rule.EmptyAlone},
		Check: func(f *facts.Facts) []model.Finding {
			if len(f.Elsewhere) == 0 {
				return nil
			}
			c := model.Finding{Sure: true}
			var names []string
			container := false
			for i := range f.Elsewhere {
				r := &f.Elsewhere[i]
				name := "network namespace " + words.Namespace(r)
				for _, p := range r.Processes {
					if p.Container != "" {
						name, container = "container "+words.Short(p.Container), true
					}
				}
				names = words.Add(names, name)
				c.Evidence = append(c.Evidence, words.SocketAs(r, fmt.Sprintf("%s in %s", words.Line(f, r), name)))
			}
			c.Summary = fmt.Sprintf("Nobody listens on %s here: the server listens in another network, %s.", words.Endpoint(f, shut(f)[0]), words.Join(names))
			c.Hint = "its localhost is another one: connect to an address that leads there"
			if container {
				c.Hint = fmt.Sprintf("publish the port when the container is started: docker run -p 127.0.0.1:%d:%d", f.Question.Port, f.Question.Port)
			}
			return []model.Finding{c}
		},
	}
}
