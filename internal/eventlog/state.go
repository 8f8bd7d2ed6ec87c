package eventlog

import "lodge/internal/event"

// State is what a process that continues the stream must know of its events, also of
// those that are not kept any more.
type State struct {
	// Sources has, by project id, the place in the stream of each keeper up to
	// which its events were passed on.
	Sources map[string]event.Position `json:"sources"`
	// Up are the projects that are up, by id: the events that said so.
	Up map[string]Fact `json:"up"`
	// Names are the names that lead somewhere, by host.
	Names map[string]Fact `json:"names"`
}

// Fact is what an event said of its subject.
type Fact struct {
	Subject event.Subject  `json:"subject"`
	Project *event.Project `json:"project,omitempty"`
	Name    *event.Name    `json:"name,omitempty"`
}

func newState() *State {
	s := &State{}
	s.fill()
	return s
}

// fill makes the maps that are missing.
func (s *State) fill() {
	if s.Sources == nil {
		s.Sources = make(map[string]event.Position)
	}
	if s.Up == nil {
		s.Up = make(map[string]Fact)
	}
	if s.Names == nil {
		s.Names = make(map[string]Fact)
	}
}

// apply takes an event into the state. To apply a run of events again, in order,
// changes nothing.
func (s *State) apply(e *event.Event) {
	id := e.Source.ProjectID
	if e.Source.Name == event.SourceKeeper && e.Source.Number > 0 {
		if old := s.Sources[id]; old.Stream != e.Source.Stream || old.Number < e.Source.Number {
			s.Sources[id] = event.Position{Stream: e.Source.Stream, Number: e.Source.Number}
		}
	}
	switch {
	case e.Kind == event.KindProject && e.Project != nil:
		if e.Project.Change == event.ProjectDown {
			delete(s.Up, e.Subject.ProjectID)
			delete(s.Sources, e.Subject.ProjectID)
			return
		}
		s.Up[e.Subject.ProjectID] = Fact{Subject: e.Subject, Project: e.Project}
	case e.Kind == event.KindName && e.Name != nil:
		if e.Name.Change == event.Removed {
			delete(s.Names, e.Name.Host)
			return
		}
		s.Names[e.Name.Host] = Fact{Subject: e.Subject, Name: e.Name}
	}
}
