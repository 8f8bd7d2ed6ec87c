package explain

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"lodge/internal/explain/input"
	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

// Name is what a host name leads to by the word of lodge's daemon: below
// localhost through its proxy, below test straight to a project's home.
type Name struct {
	// Domain is "localhost" or "test".
	Domain  string     `json:"domain"`
	Project string     `json:"project"`
	Path    string     `json:"path"`
	Home    netip.Addr `json:"home"`
	// Up is false for a project that the daemon only remembers.
	Up bool `json:"up"`
	// Service is nil for the project's own name where it is not clear which
	// one is meant, or does not matter, and for one that there is not: that is
	// Missing.
	Service *Service `json:"service,omitempty"`
	Missing string   `json:"missing_service,omitempty"`
	// Others are the services that a project's own name could mean, or for one
	// that is missing those that there are.
	Others []string `json:"other_services,omitempty"`
	// URL and HostName are what the service's names below localhost and test
	// are; URL is "" where none is served.
	URL      string `json:"url,omitempty"`
	HostName string `json:"host_name,omitempty"`
	// ServerPID is the daemon's, which serves names below localhost on Port.
	ServerPID int    `json:"server_pid,omitempty"`
	Port      uint16 `json:"server_port,omitempty"`
	// Unresolved says why programs do not find the name below test on this
	// machine.
	Unresolved string `json:"unresolved,omitempty"`
	// WebPort is the port of the service to which its own name leads, and
	// AskedPort the one that this name means, by its number or a name of its own.
	WebPort   uint16 `json:"web_port,omitempty"`
	AskedPort uint16 `json:"asked_port,omitempty"`
	// HTTP says that the service may be reached by its name below localhost.
	HTTP bool `json:"http"`
}

// web reports whether the input is what lodge's proxy is asked for.
func (f *Facts) web() bool {
	return f.Name != nil && f.Name.Domain == "localhost" && f.Name.Port != 0 && (f.Question.Port == f.Name.Port || f.Question.Port == 80)
}

// aboutName reports whether the answer is about the name alone, and not about what
// there is on its port: nobody else has that.
func (f *Facts) aboutName() bool {
	switch {
	case f.Name == nil:
		return false
	case !f.Name.Up || f.Name.Missing != "":
		return true
	case f.Name.Domain == "test":
		s := f.Name.Service
		return !f.Question.HasPort || s != nil && (len(s.Endpoints) == 0 || slices.Contains(s.ports(), f.Question.Port))
	}
	return f.web() && f.Question.Operation != input.Bind && len(f.through()) > 0
}

// through are the listeners by which lodge gets what names lead to.
func (f *Facts) through() []*sockets.Row {
	return f.at(func(r *sockets.Row) bool {
		return listens(r) && (r.Unknown || slices.ContainsFunc(r.Processes, func(p *sockets.Process) bool { return p.PID == f.Name.ServerPID }))
	})
}

// serving adds the sockets by which the named service listens, where the port
// that was asked for is lodge's and not its.
func (f *Facts) serving(ctx context.Context, src Source) error {
	n := f.Name
	if n == nil || n.Service == nil || n.Domain != "localhost" || !n.Home.IsValid() || len(n.Service.ports()) == 0 {
		return nil
	}
	q := sockets.Query{Details: true, Quick: true, Homes: src.Homes, Live: src.Live, Protocols: []string{"tcp"}, States: []string{"listen"}}
	q.Filter.Ports = n.Service.ports()
	for _, ip := range []netip.Addr{n.Home, loopback.Home6(n.Home)} {
		q.Filter.Addresses = append(q.Filter.Addresses, netip.PrefixFrom(ip, ip.BitLen()))
	}
	t, err := sockets.List(ctx, q)
	if err != nil {
		return err
	}
	f.Serving = t.Rows
	return nil
}

// ports returns the TCP ports on which a service listens now.
func (s *Service) ports() []uint16 {
	var out []uint16
	for _, e := range s.Endpoints {
		if e.Protocol == loopback.TCP && !slices.Contains(out, e.Port) {
			out = append(out, e.Port)
		}
	}
	return out
}

// nameAnswer reports what the name leads to, and whether programs find it.
func (f *Facts) nameAnswer() string {
	s := f.nameSentence() + f.portSentence()
	if n := f.Name; n.Domain == "test" && n.Unresolved != "" && n.Up && n.Missing == "" {
		s += " Programs on this machine do not find the name: " + n.Unresolved + "."
	}
	return s
}

// portSentence says to which of several ports a name leads, and how to choose.
func (f *Facts) portSentence() string {
	n := f.Name
	if n.Domain != "localhost" || !n.Up || n.Service == nil {
		return ""
	}
	var ports []string
	for _, p := range n.Service.ports() {
		ports = append(ports, fmt.Sprint(p))
	}
	switch {
	case n.AskedPort != 0 && slices.Contains(n.Service.ports(), n.AskedPort):
		return fmt.Sprintf(" The name means its port %d.", n.AskedPort)
	case n.AskedPort != 0 && len(ports) > 0:
		return fmt.Sprintf(" The name means its port %d, on which it does not listen.", n.AskedPort)
	case len(ports) < 2 || !n.HTTP:
		return ""
	}
	leads := "the lowest one that speaks HTTP"
	if n.WebPort != 0 {
		leads = fmt.Sprintf("port %d", n.WebPort)
	}
	return fmt.Sprintf(" Of its ports (%s) the name leads to %s; http = PORT in lodge.toml chooses, and PORT.%s leads to any of them.", strings.Join(ports, ", "), leads, f.Question.Name)
}

// nameSentence reports what the name leads to.
func (f *Facts) nameSentence() string {
	n := f.Name
	host := f.Question.Name
	switch {
	case !n.Up:
		return fmt.Sprintf("%s is a name of project %s, which is not up.", host, n.Project)
	case n.Missing != "":
		return fmt.Sprintf("%s leads nowhere: project %s has no service %s. %s", host, n.Project, n.Missing, f.others("It has "))
	case n.Service == nil && n.Domain == "test":
		return fmt.Sprintf("%s is the name of project %s and leads to its home, %s.", host, n.Project, n.Home)
	case n.Service == nil && len(n.Others) == 0:
		return fmt.Sprintf("%s is the name of project %s, none of whose services speaks HTTP.", host, n.Project)
	case n.Service == nil:
		return fmt.Sprintf("%s is the name of project %s, which has no default service. It leads to the only one that speaks HTTP, if that is one: %s.", host, n.Project, joinNames(n.Others))
	}
	s := n.Service
	head := fmt.Sprintf("%s is the name of service %s of project %s, which %s", host, s.Name, n.Project, s.does())
	if n.Domain == "test" {
		return head + "."
	}
	switch {
	case n.Port == 0:
		return head + "; lodge serves no names now."
	case !n.HTTP && len(s.Endpoints) > 0:
		return head + fmt.Sprintf(" and does not speak HTTP: lodge serves only HTTP below localhost. Its name for other protocols is %s.", n.HostName)
	case !f.web() || len(f.through()) == 0:
		return head + fmt.Sprintf("; lodge serves it at %s.", n.URL)
	}
	by := "lodge"
	if n.ServerPID != 0 {
		by = fmt.Sprintf("lodge (pid %d)", n.ServerPID)
	}
	by += fmt.Sprintf(" on port %d", f.Question.Port)
	switch s.State {
	case "idle":
		return head + fmt.Sprintf(": the first request starts it, through %s.", by)
	case "waiting", "starting":
		if s.Failing {
			return head + fmt.Sprintf("; requests through %s get a page that says so until it is ready.", by)
		}
		return head + fmt.Sprintf("; requests through %s wait until it is ready.", by)
	}
	if len(s.Endpoints) == 0 {
		return head + fmt.Sprintf("; requests through %s get a page that says so.", by)
	}
	return head + fmt.Sprintf("; requests go through %s.", by)
}

// others lists services, after the words that begin the sentence.
func (f *Facts) others(begin string) string {
	if len(f.Name.Others) == 0 {
		return begin + "none."
	}
	return begin + joinNames(f.Name.Others) + "."
}

// does reports what a service does now: "listens on 127.83.20.7:8000".
func (s *Service) does() string {
	var at []string
	for _, e := range s.Endpoints {
		text := netip.AddrPortFrom(e.IP, e.Port).String()
		if e.Protocol == loopback.UDP {
			text += " (UDP)"
		}
		at = add(at, text)
	}
	why := ""
	if s.Reason != "" {
		why = " (" + s.Reason + ")"
	}
	switch s.State {
	case "ready":
		if len(at) > 0 {
			return "listens on " + joinNames(at[:min(len(at), 4)])
		}
		if s.Reason != "" {
			return "runs and listens on nothing" + why
		}
		return "runs but listens on nothing"
	case "idle":
		return "is idle"
	case "waiting":
		return "waits for what it needs" + why
	case "starting":
		return "is starting" + why
	case "stopping":
		return "is just being stopped"
	case "backoff":
		return "has ended" + why + " and is about to be started again"
	case "exited":
		return "has ended with status 0"
	case "failed":
		return "is not running" + why
	}
	return "is not running"
}

// nameCauses reports why what a name leads to does not answer.
func (f *Facts) nameCauses() []Cause {
	n := f.Name
	if n == nil || f.Question.Operation == input.Bind {
		return nil
	}
	here := "cd " + ShellWord(n.Path) + " && "
	c := Cause{Operation: input.Connect, Sure: true}
	s := n.Service
	switch {
	case !n.Up:
		c.Code, c.Hint = ServiceDown, here+"lodge up"
	case n.Missing != "", s == nil && n.Domain == "localhost":
		c.Code = NoSuchService
		if s == nil && n.Missing == "" && len(n.Others) > 0 {
			c.Hint = "name one, or add to lodge.toml: default = \"" + n.Others[0] + "\""
		}
	case s == nil:
	case s.State == "starting" && s.Failing:
		c.Code, c.Hint = ProcessDied, "read its log: "+here+"lodge logs "+s.Name
	case s.State == "waiting", s.State == "starting":
		c.Code, c.Hint = ServiceStarting, "see what it does: "+here+"lodge logs -f "+s.Name
	case s.State == "idle" && n.Domain == "localhost":
	case s.Ended && s.Exit != nil:
		c.Code, c.Hint = ProcessDied, "read its log: "+here+"lodge logs "+s.Name+"; start it: lodge restart "+s.Name
	case len(s.Endpoints) == 0 && s.State == "ready":
		c.Code, c.Hint = NotHTTP, "it runs, and there is nothing to connect to; see what it does: "+here+"lodge logs -f "+s.Name
	case len(s.Endpoints) == 0:
		c.Code, c.Hint = ServiceDown, "read its log: "+here+"lodge logs "+s.Name+"; start it: lodge restart "+s.Name
	case !n.HTTP && n.Domain == "localhost":
		c.Code = NotHTTP
		if ports := s.ports(); len(ports) > 0 {
			c.Hint = fmt.Sprintf("connect to %s:%d", n.HostName, ports[0])
			if n.Unresolved != "" {
				c.Hint = fmt.Sprintf("connect to %s", netip.AddrPortFrom(n.Home, ports[0]))
			}
		}
	case n.Domain == "localhost" && f.Question.HasPort && !f.web() && n.URL != "":
		c.Code, c.Hint = OtherPort, "use "+n.URL
		c.Summary = fmt.Sprintf("lodge serves %s on port %d, not on %d.", f.Question.Name, n.Port, f.Question.Port)
	}
	var out []Cause
	if c.Code != "" {
		if c.Summary == "" {
			c.Summary = f.nameSentence()
		}
		if s != nil {
			c.Evidence = append(c.Evidence, "lodge says: "+s.Name+" is "+s.State)
			if s.Reason != "" {
				c.Evidence = append(c.Evidence, "because "+s.Reason)
			}
		}
		out = append(out, c)
	}
	if n.Domain == "localhost" && f.Question.Errno == "ENOTFOUND" && len(f.Resolution.Lines) == 0 {
		out = append(out, Cause{
			Code: NameUnknown, Operation: input.Connect, Sure: true,
			Summary:  "Programs that ask the C library alone do not know names below localhost on this machine; browsers and curl do, by RFC 6761.",
			Evidence: []string{"the hosts file does not have " + f.Question.Name},
			Hint:     "connect to 127.0.0.1 and send the name as Host; or once: sudo lodge setup",
		})
	}
	if n.Domain == "test" && n.Unresolved != "" && n.Up && n.Missing == "" {
		at := n.Home.String()
		if f.Question.HasPort {
			at = f.endpoint(n.Home)
		}
		out = append(out, Cause{
			Code: NameUnknown, Operation: input.Connect, Sure: true,
			Summary:  fmt.Sprintf("The name %s leads nowhere for most programs on this machine: %s.", f.Question.Name, n.Unresolved),
			Evidence: []string{"the hosts file does not have it"},
			Hint:     fmt.Sprintf("use %s, or go inside, where the name is known: %slodge exec -- CMD; or once: sudo lodge setup", at, here),
		})
	}
	return out
}

// nameLines are the evidence about the name.
func (f *Facts) nameLines() []Line {
	n := f.Name
	if n == nil {
		return nil
	}
	var out []Line
	about := fmt.Sprintf("%s, at %s", n.Project, n.Path)
	if n.Home.IsValid() {
		about = fmt.Sprintf("%s (home %s, %s)", n.Project, n.Home, n.Path)
	}
	out = append(out, Line{"project", about})
	if s := n.Service; s != nil {
		text := s.Name + ", " + s.State
		if s.Reason != "" && s.State != "ready" {
			text += ": " + s.Reason
		}
		out = append(out, Line{"service", text})
		for _, l := range s.Limits {
			out = append(out, Line{"limit", l})
		}
		if len(n.URL) > 0 && n.Domain == "test" {
			out = append(out, Line{"also", n.URL})
		}
		if n.Domain == "localhost" && n.HostName != "" {
			out = append(out, Line{"also", n.HostName})
		}
	}
	return out
}

// throughLine reports where lodge listens for what names lead to.
func (f *Facts) throughLine() []Line {
	if f.Name == nil || !f.web() {
		return nil
	}
	var at []string
	for _, r := range f.through() {
		at = add(at, r.Local.AddrPort().String())
	}
	if len(at) == 0 {
		return nil
	}
	return []Line{{"through", fmt.Sprintf("lodge (pid %d) on %s", f.Name.ServerPID, strings.Join(at, ", "))}}
}
