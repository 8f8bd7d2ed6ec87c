package session

import (
	"slices"
	"strings"
	"testing"

	"lodge/internal/service"
)

func TestWaitsFor(t *testing.T) {
	all := []service.Status{
		{Name: "db", State: service.Starting}, {Name: "web", State: service.Waiting, Reason: "for db"}, {Name: "api", State: service.Backoff, Reason: "it ended"},
	}
	if got, want := waitsFor(all), "waiting for db (starting), web (waits for db), api (backoff: it ended)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if text := waitsFor(slices.Repeat(all[:1], 100)); !strings.HasSuffix(text, "db (starting) and 92 more") {
		t.Errorf("%q", text)
	}
}
