package look

import (
	"context"
	"fmt"
	"strings"

	"lodge/internal/cli/daemonview"
	"lodge/internal/cli/kit"
	"lodge/internal/localapi"
	"lodge/internal/names"
	"lodge/internal/selection"
	"lodge/internal/service"
)

// leads finds what a name of a project that is up opens: "" its own page, or a
// service, a port that the file names, or a port by its number, such as 4000 or
// 4000.web. Services are asked what they speak, so that no address is returned
// that answers nothing.
func leads(ctx context.Context, c *localapi.Client, p localapi.Project, name string) (opened, error) {
	o := opened{URL: p.URL, Project: p.Name, Home: p.Home}
	var s service.Status
	if name != "" {
		var err error
		if s, err = serviceOr(p, name); err != nil {
			return o, err
		}
		o.URL, o.Service, o.HostName = s.URL, s.Name, s.HostName
		if s.State == service.Up && len(s.Endpoints) == 0 && s.URL == "" {
			return o, &kit.Hinted{Err: fmt.Errorf("open %s: it is no web service", name), Hint: "it listens nowhere; lodge logs " + s.Name + " shows what it says"}
		}
	}
	l, err := c.Lead(ctx, p.ID, name)
	switch {
	case err != nil && (o.URL == "" || ctx.Err() != nil):
		return o, err
	case err != nil: // an older daemon
		return o, nil
	case name == "" && l.Service == "":
		return o, noPage(p, l)
	case l.Service != "" && !l.HTTP:
		return o, notWeb(p, l, name)
	case l.Service != "" && !l.Listens && name != s.Name && s.State == service.Up && name != "":
		return o, &kit.Hinted{Err: fmt.Errorf("open %s: %s does not listen on that port", name, l.Service), Hint: "it listens on " + listPorts(l.Ports)}
	}
	if l.URL != "" {
		o.URL = l.URL
	}
	if o.URL == "" {
		return o, &kit.Hinted{Err: fmt.Errorf("open %s: no port for names could be opened", p.Name), Hint: "lodge doctor"}
	}
	return o, nil
}

// noPage is the error for a project whose own name leads to no service.
func noPage(p localapi.Project, l localapi.Lead) error {
	switch {
	case p.URL == "":
		return &kit.Hinted{Err: fmt.Errorf("open %s: no port for names could be opened", p.Name), Hint: "lodge doctor"}
	case len(l.Could) == 0:
		return &kit.Hinted{Err: fmt.Errorf("open %s: none of its services speaks HTTP", p.Name), Hint: "lodge ls shows where they listen"}
	}
	return nil // its page lists them
}

// notWeb is the error for what speaks no HTTP: it says how that is reached.
func notWeb(p localapi.Project, l localapi.Lead, name string) error {
	if l.Port == 0 {
		return &kit.Hinted{Err: fmt.Errorf("open %s: it is no web service", name), Hint: "it listens nowhere; lodge logs " + l.Service + " shows what it says"}
	}
	hint := fmt.Sprintf("connect to %s:%d", l.HostName, l.Port)
	if l.Address != "" {
		hint += ", which is " + l.Address
	}
	if l.URL != "" {
		hint += ", or over TLS to " + strings.TrimPrefix(l.URL, "https://")
	}
	if len(l.Ports) > 1 {
		hint += "; it listens on " + listPorts(l.Ports)
	}
	if name == "" {
		name = p.Name
	}
	return &kit.Hinted{Err: fmt.Errorf("open %s: it is no web service: %s does not speak HTTP on port %d", name, l.Service, l.Port), Hint: hint}
}

func listPorts(ports []uint16) string {
	if len(ports) == 0 {
		return "no TCP port"
	}
	var b strings.Builder
	for i, p := range ports {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprint(&b, p)
	}
	if len(ports) == 1 {
		return "port " + b.String()
	}
	return "ports " + b.String()
}

// serviceOr finds the service that a name means: its own, one of a port that
// the file names, or one with the number of a port.
func serviceOr(p localapi.Project, name string) (service.Status, error) {
	if i := daemonview.IndexOf(p, name); i >= 0 {
		return p.Services[i], nil
	}
	t := names.New([]names.Project{{ID: p.ID, Label: p.Label, Services: p.Services}})
	n := names.Project{Label: p.Label}
	if m := t.Find(names.Normalize(n.HTTPName(name))); m.Service != nil && m.Port != 0 {
		return *m.Service, nil
	}
	return selection.Service(p, name)
}
