package events

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"lodge/internal/event"
	"lodge/internal/service"
	"lodge/internal/show"
)

// printer prints events, one a line.
type printer struct {
	out   io.Writer
	json  bool
	color bool
	today time.Time
}

// print prints an event: the line as it came, or a sentence for people.
func (p *printer) print(line []byte, e *event.Event) error {
	if !p.json {
		text := p.line(e)
		if p.color {
			text = show.Paint(eventColor(e), text)
		}
		line = []byte(text + "\n")
	}
	if _, err := p.out.Write(line); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// line is an event as people read it: the time, the service or project, what happened.
func (p *printer) line(e *event.Event) string {
	at := e.Time.Local()
	layout := "15:04:05.000"
	if y, m, d := at.Date(); y != p.today.Year() || m != p.today.Month() || d != p.today.Day() {
		layout = "2006-01-02 15:04:05.000"
	}
	return fmt.Sprintf("%s  %-20s  %s", at.Format(layout), show.CleanLine(eventSubject(e), false), show.CleanLine(eventText(e), false))
}

func eventSubject(e *event.Event) string {
	switch {
	case e.Subject.Service != "" && e.Subject.Project != "":
		return e.Subject.Project + "/" + e.Subject.Service
	case e.Subject.Project != "":
		return e.Subject.Project
	}
	return "lodge"
}

// eventColor is the colour of a line, or "" for none.
func eventColor(e *event.Event) show.SGR {
	switch {
	case e.Kind == event.KindLost:
		return show.Red
	case e.Service == nil || e.Service.Change != event.ChangeState:
		return ""
	case e.Service.To == string(service.Failed), e.Service.To == string(service.Backoff):
		return show.Red
	case e.Service.To == string(service.Up) && e.Service.From != e.Service.To:
		return show.Green
	}
	return ""
}

// eventText returns what happened, in words.
func eventText(e *event.Event) string {
	switch {
	case e.Service != nil:
		return serviceText(e.Service)
	case e.Name != nil:
		return nameText(e.Name)
	case e.Project != nil:
		return projectText(e.Project)
	case e.Lost != nil:
		return lostText(e.Lost)
	case e.Begun != nil:
		return "the stream of events begins anew: " + e.Begun.Reason
	case e.Socket != nil:
		return socketText(e.Socket)
	}
	return string(e.Kind)
}

func serviceText(s *event.Service) string {
	if s.Change == event.ChangeEndpoints {
		return listensText(s.Endpoints)
	}
	because := func(text string) string {
		if s.Reason != "" {
			return text + ": " + s.Reason
		}
		return text
	}
	process := func(text string) string {
		if s.PID != 0 {
			text += fmt.Sprintf(", process %d", s.PID)
		}
		return because(text)
	}
	switch service.State(s.To) {
	case service.Starting:
		switch {
		case s.From == string(service.Up):
			return because("not ready any more")
		case s.PID == 0 && s.From == string(service.Stopping), s.PID == 0 && s.From == string(service.Up):
			return because("restarts")
		case s.PID == 0:
			return because("starts")
		}
		return process("started")
	case service.Up:
		if s.From == s.To {
			return process("still ready")
		}
		if s.ReadyMS > 0 {
			return because(fmt.Sprintf("ready after %s", strconv.FormatFloat(s.ReadyMS/1000, 'f', 3, 64)+" s"))
		}
		return because("ready")
	case service.Backoff, service.Exited:
		return s.Reason
	case service.Failed:
		return because("failed")
	case service.Waiting:
		if s.Reason == "" {
			return "will start"
		}
		return "waits " + s.Reason
	case service.Stopping:
		return because("stops")
	case service.Stopped:
		if s.From == "" {
			return "defined, not started"
		}
		return because("stopped")
	case service.Idle:
		return because("idle, the first request for its name starts it")
	case event.Removed:
		return "not defined any more"
	}
	return because(s.To)
}

func listensText(eps []event.Endpoint) string {
	if len(eps) == 0 {
		return "listens nowhere"
	}
	var out []string
	for _, e := range eps {
		text := e.IP + ":" + strconv.Itoa(int(e.Port))
		if strings.Contains(e.IP, ":") {
			text = "[" + e.IP + "]:" + strconv.Itoa(int(e.Port))
		}
		if e.Protocol != "tcp" {
			text += "/" + e.Protocol
		}
		out = append(out, text)
	}
	return "listens on " + strings.Join(out, ", ")
}

func nameText(n *event.Name) string {
	if n.Change == event.Removed {
		return n.Host + " leads nowhere any more"
	}
	if len(n.Targets) == 0 {
		return "has the name " + n.Host
	}
	return n.Host + " leads to " + strings.Join(n.Targets, ", ")
}

func projectText(p *event.Project) string {
	if p.Change == event.ProjectDown {
		if p.Reason != "" {
			return "down: " + p.Reason
		}
		return "down"
	}
	return fmt.Sprintf("up at %s, engine %s, %s", p.Home, p.Engine, p.Path)
}

func lostText(l *event.Lost) string {
	kind := ""
	if l.Of != "" {
		kind = string(l.Of) + " "
	}
	text := kind + "events are missing"
	if l.Count == 1 {
		text = "1 " + kind + "event is missing"
	} else if l.Count > 1 {
		text = fmt.Sprintf("%d %sevents are missing", l.Count, kind)
	}
	switch l.Reason {
	case event.LostSlowReader:
		return text + ": not read in time"
	case event.LostTooOld:
		return text + ": not kept any more"
	case event.LostStreamChanged:
		return text + ": the stream began anew"
	case event.LostUnknownNumber:
		return text + ": the stream has no event with that number yet"
	case event.LostKeeperOverrun:
		return text + ": the keeper dropped what was not read in time"
	case event.LostDaemonEnded:
		return text + ": the daemon that saw them was ended"
	case event.LostReadings:
		return text + ": they came faster than they were read"
	case event.LostKeeperEnded:
		return "events may be missing: the keeper ended while no daemon ran"
	}
	return text + ": " + l.Reason
}
