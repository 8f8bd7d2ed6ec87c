package serving

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/logs"
	"lodge/internal/names"
	"lodge/internal/proxy"
	"lodge/internal/service"
)

// tailLines is how much of its output the page of a service that is down shows.
const tailLines = 20

// decide finds out which service a project's own name means.
func (o *opened) decide(ctx context.Context, label string) error {
	m := o.server.options.Names.Table().Find(label + "." + names.HTTPDomain)
	if m.Kind == names.NoDefault {
		if err := o.server.ports.Ask(ctx, m.Project.ID, m.Candidates); err != nil {
			return err
		}
		if o.server.ports.Only(m.Project.ID, m.Candidates) == nil {
			var could []string
			for _, c := range o.server.ports.Could(m.Project.ID, m.Candidates) {
				could = append(could, o.web.URL(m.Project.HTTPName(c.Name))+"/")
			}
			return &proxy.SeveralError{Host: m.Project.BareName(), URLs: could}
		}
	}
	o.server.Update()
	return nil
}

// find returns the project and the name of a service by its identifier, or that
// of one of its ports.
func (o *opened) find(id string) (project, service string, err error) {
	label, name, _ := parseID(id)
	for _, p := range o.server.options.Names.Table().Projects() {
		if p.Label == label && o.server.options.Projects.Has(p.ID) {
			return p.ID, name, nil
		}
	}
	return "", "", fmt.Errorf("find service %s: its project is down", id)
}

// start starts a service for a request, and returns when the table says that it
// starts.
func (o *opened) start(ctx context.Context, id string) error {
	if label, ok := strings.CutSuffix(id, "/"); ok {
		return o.decide(ctx, label)
	}
	p, name, err := o.find(id)
	if err != nil {
		return err
	}
	keeper, ok := o.server.options.Projects.Client(p)
	if !ok {
		return fmt.Errorf("start service %s: its project is down", id)
	}
	failed := make(chan error, 1)
	o.server.running.Go(func() {
		// It goes on when the client that asked has gone: the next one comes.
		failed <- keeper.Up(o.server.ctx, []string{name})
	})
	for {
		ch := o.server.options.Names.Changed()
		if st := o.state(p, name); st != service.Idle && st != service.Stopped && st != service.Failed && st != service.Exited {
			return nil
		}
		select {
		case err := <-failed:
			if err != nil {
				return err
			}
			failed = nil // it is up, and the table will say so
		case <-ch:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// state returns a service's state in the table.
func (o *opened) state(project, name string) service.State {
	for _, p := range o.server.options.Names.Table().Projects() {
		if p.ID != project {
			continue
		}
		i := slices.IndexFunc(p.Services, func(st service.Status) bool { return st.Name == name })
		if i >= 0 {
			return p.Services[i].State
		}
	}
	return service.Stopped
}

// tail returns the last lines of a service's output.
func (o *opened) tail(id string) []string {
	p, name, err := o.find(id)
	if err != nil {
		return nil
	}
	st, ok := o.server.options.Projects.State(p)
	if !ok {
		return nil
	}
	var out []string
	_ = localapi.ReadLogs(st, keeperapi.LogQuery{Services: []string{name}, Tail: tailLines}, func(l logs.Line) error {
		if !l.Note { // the page says the same
			out = append(out, l.Text)
		}
		return nil
	}) // what cannot be read is not shown
	return out
}

// settle finds out where a name leads, by asking the service, and returns when
// the table has it.
func (o *opened) settle(ctx context.Context, id string) error {
	label, name, port := parseID(id)
	for {
		changed := o.server.options.Names.Changed()
		p, st := o.status(label, name)
		if st == nil || st.State != service.Up {
			break // the table says so, or will at once
		}
		if port != 0 {
			o.server.ports.AskPort(ctx, p.ID, st, port)
		} else {
			o.server.ports.AskService(ctx, p.ID, st)
		}
		select {
		case <-changed:
			continue // it may have other ports now
		default:
		}
		break
	}
	o.server.Update()
	return ctx.Err()
}

// status finds a service in the table by its project's label and its name.
func (o *opened) status(label, name string) (*names.Project, *service.Status) {
	for _, p := range o.server.options.Names.Table().Projects() {
		if p.Label != label {
			continue
		}
		for i := range p.Services {
			if p.Services[i].Name == name {
				return &p, &p.Services[i]
			}
		}
	}
	return nil, nil
}

// refused has a keeper look where its services listen: the program of one has
// perhaps closed a socket, and runs on.
func (o *opened) refused(id string) {
	p, _, err := o.find(id)
	if err != nil {
		return
	}
	if _, busy := o.looking.LoadOrStore(p, true); busy {
		return
	}
	o.server.running.Go(func() {
		defer o.looking.Delete(p)
		o.server.options.Projects.Look(o.server.ctx, p)
	})
}
