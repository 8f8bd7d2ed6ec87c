package project

import (
	"fmt"
	"strconv"
	"strings"
)

// portNameAt is a name of a port, and where it is written.
type portNameAt struct {
	service, key string
	name         PortName
	offset       int
}

// portNamesOf reads { NAME = PORT, … }: names of single ports of a service.
func (r *reader) portNamesOf(s *Service, it *item, key string) error {
	v := it.value
	if v.table == nil {
		return r.wrongType(v, key, "a table", "write names = { api = 4000 }")
	}
	ports := map[uint16]string{}
	for _, name := range v.table.keys {
		sub := v.table.items[name]
		if problem := labelProblem(name); problem != "" {
			return r.fail(sub.offset, key, "not a name: "+problem, didYouMean(toLabel(name)))
		}
		if isPort(name) {
			hint := "a port has the name of its number already: leave it out"
			if n, err := strconv.ParseUint(sub.value.text, 10, 16); err == nil && strconv.FormatUint(n, 10) != name {
				hint = "begin it with a letter"
			}
			return r.fail(sub.offset, key, fmt.Sprintf("%s reads as the number of a port", ellipsis(name)), hint)
		}
		port, err := r.portNumber(sub, key+"."+name, "")
		if err != nil {
			return err
		}
		if first, taken := ports[port]; taken {
			return r.fail(sub.value.offset, key+"."+name, fmt.Sprintf("port %d has the name %s already", port, first), "remove one of the two")
		}
		ports[port] = name
		p := PortName{Name: name, Port: port}
		s.Names = append(s.Names, p)
		r.portNames = append(r.portNames, portNameAt{s.Name, key, p, sub.offset})
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
func (r *reader) checkPortNames() error {
	first := map[string]portNameAt{}
	for _, p := range r.portNames {
		name := p.name.Name
		if name == p.service {
			return r.fail(p.offset, p.key, fmt.Sprintf("%s is the service's own name", ellipsis(name)), fmt.Sprintf("write http = %d for the port that it leads to", p.name.Port))
		}
		if _, ok := r.project.Service(name); ok {
			return r.fail(p.offset, p.key, fmt.Sprintf("%s is the name of a service", ellipsis(name)), r.freeName(p))
		}
		if other, taken := first[name]; taken {
			message := fmt.Sprintf("%s is a name of port %d of service %s already, on line %d", ellipsis(name), other.name.Port, other.service, r.line(other.offset))
			return r.fail(p.offset, p.key, message, r.freeName(p))
		}
		first[name] = p
	}
	return nil
}

// freeName suggests a name for a port whose name is taken.
func (r *reader) freeName(p portNameAt) string {
	name := p.service + "-" + p.name.Name
	if _, taken := r.project.Service(name); taken || labelProblem(name) != "" {
		return "choose another"
	}
	return didYouMean(name)
}

// portNamed returns the service that has a port of that name, or "".
func (r *reader) portNamed(name string) string {
	for _, p := range r.portNames {
		if strings.EqualFold(p.name.Name, name) {
			return p.service
		}
	}
	return ""
}
