package run

import (
	"testing"

	"lodge/internal/keeperapi"
	"lodge/internal/service"
)

func TestUntilEnded(t *testing.T) {
	p := func(states ...service.State) keeperapi.Project {
		var out keeperapi.Project
		for i, st := range states {
			out.Services = append(out.Services, service.Status{Name: string(rune('a' + i)), State: st, Reason: "why"})
		}
		return out
	}
	for _, c := range []struct {
		p     keeperapi.Project
		names []string
		want  string
	}{
		{p(service.Up, service.Exited), nil, ""},
		{p(service.Failed, service.Backoff), nil, ""},
		{p(service.Exited, service.Stopped), nil, "all services ended"},
		{p(service.Exited, service.Failed), nil, "run service b: why"},
		{p(service.Up, service.Exited), []string{"b"}, "all services ended"},
	} {
		err := untilEnded(c.names)(c.p)
		if (err == nil) != (c.want == "") || err != nil && err.Error() != c.want {
			t.Errorf("%v: %v, want %q", c.p.Services, err, c.want)
		}
	}
}
