package project

import (
	"fmt"
	"strconv"
	"strings"

	"lodge/internal/project/syntax"
)

// portNameAt is a name of a port, and where it is written.
type portNameAt struct {
	service, key string
	name         PortName
	offset       int
}

// portNamesOf reads { NAME = PORT, … }: names of single ports of a service.
func (r *reader) portNamesOf(s *Service, it *syntax.Item, key string) error {
	v := it.Value
	if v.Table == nil {
		return r.WrongType(v, key, "a table", "write names = { api = 4000 }")
	}
	ports := map[uint16]string{}
	for _, name := range v.Table.Keys {
		sub := v.Table.Items[name]
		if problem := labelProblem(name); problem != "" {
			return r.Fail(sub.Offset, key, "not a name: "+problem, syntax.DidYouMean(toLabel(name)))
		}
		if isPort(name) {
			hint := "a port has the name of its number already: leave it out"
			if n, err := strconv.ParseUint(sub.Value.Text, 10, 16); err == nil && strconv.FormatUint(n, 10) != name {
				hint = "begin it with a letter"
			}
			return r.Fail(sub.Offset, key, fmt.Sprintf("%s reads as the number of a port", syntax.Ellipsis(name)), hint)
		}
		port, err := r.PortNumber(sub, key+"."+name, "")
		if err != nil {
			return err
		}
		if first, taken := ports[port]; taken {
			return r.Fail(sub.Value.Offset, key+"."+name, fmt.Sprintf("port %d has the name %s already", port, first), "remove one of the two")
		}
		ports[port] = name
		p := PortName{Name: name, Port: port}
		s.Names = append(s.Names, p)
		r.portNames = append(r.portNames, portNameAt{s.Name, key, p, sub.Offset})
	}
	return nil
}

// isPort reports whether a name is the number of a port, as host names have
// it: 4000.web.shop.localhost.
func isPort(name string) bool {
	n, err := strconv.ParseUint(name, 10, 16)
	return err == nil && n > 0 && name[0] != '0'
}

// checkPortNames checks names of ports against those of services and against
// each other: all are names right below the project's.
func (c *checks) checkPortNames() error {
	first := map[string]portNameAt{}
	for _, p := range c.portNames {
		name := p.name.Name
		if name == p.service {
			return c.Fail(p.offset, p.key, fmt.Sprintf("%s is the service's own name", syntax.Ellipsis(name)), fmt.Sprintf("write http = %d for the port that it leads to", p.name.Port))
		}
		if _, ok := c.project.Service(name); ok {
			return c.Fail(p.offset, p.key, fmt.Sprintf("%s is the name of a service", syntax.Ellipsis(name)), c.freeName(p))
		}
		if other, taken := first[name]; taken {
			message := fmt.Sprintf("%s is a name of port %d of service %s already, on line %d", syntax.Ellipsis(name), other.name.Port, other.service, c.Line(other.offset))
			return c.Fail(p.offset, p.key, message, c.freeName(p))
		}
		first[name] = p
	}
	return nil
}

// freeName suggests a name for a port whose name is taken.
func (c *checks) freeName(p portNameAt) string {
	name := p.service + "-" + p.name.Name
	if _, taken := c.project.Service(name); taken || labelProblem(name) != "" {
		return "choose another"
	}
	return syntax.DidYouMean(name)
}

// portNamed returns the service that has a port of that name, or "".
func (c *checks) portNamed(name string) string {
	for _, p := range c.portNames {
		if strings.EqualFold(p.name.Name, name) {
			return p.service
		}
	}
	return ""
}
