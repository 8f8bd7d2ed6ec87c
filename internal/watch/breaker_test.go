package watch

import (
	"strings"
	"testing"
	"time"
)

func TestBreaker(t *testing.T) {
	type step struct {
		after time.Duration // since the step before
		files string
		ok    bool
	}
	const ms = time.Millisecond
	loop := []step{{0, "a.py", true}, {500 * ms, "gen.py", true}, {500 * ms, "gen.py", true}, {500 * ms, "gen.py", true}, {500 * ms, "gen.py", true}}
	for name, steps := range map[string][]step{
		"its own writes":                  append(loop[:5:5], step{500 * ms, "gen.py", false}),
		"quiet ends it":                   append(loop[:5:5], step{500 * ms, "gen.py", false}, step{9 * time.Second, "gen.py", false}, step{10 * time.Second, "gen.py", true}),
		"asked without files":             append(loop[:5:5], step{500 * ms, "gen.py", false}, step{5 * time.Second, "", false}, step{5 * time.Second, "", true}),
		"an edit later than 2 s":          append(loop[:5:5], step{2500 * ms, "gen.py", true}, step{100 * ms, "gen.py", true}),
		"always other files":              append(loop[:5:5], step{500 * ms, "x.py", true}, step{500 * ms, "y.py", true}),
		"one file among others":           append(loop[:5:5], step{500 * ms, "x.py gen.py gen.py", false}),
		"five times, but over 10 seconds": {{0, "a", true}, {2 * time.Second, "a", true}, {2 * time.Second, "a", true}, {2 * time.Second, "a", true}, {2 * time.Second, "a", true}, {2 * time.Second, "a", false}},
		"a person who saves often":        {{0, "a", true}, {3 * time.Second, "a", true}, {3 * time.Second, "a", true}, {3 * time.Second, "a", true}, {3 * time.Second, "a", true}, {3 * time.Second, "a", true}},
		"a clock that goes back":          append(loop[:5:5], step{-time.Hour, "gen.py", false}),
		"everything may have changed":     {{0, ".", true}, {ms, ".", true}, {ms, ".", true}, {ms, ".", true}, {ms, ".", true}, {ms, ".", false}},
	} {
		t.Run(name, func(t *testing.T) {
			var b Breaker
			now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			for i, s := range steps {
				now = now.Add(s.after)
				ok, reason := b.Allow(now, strings.Fields(s.files))
				if ok != s.ok {
					t.Fatalf("step %d: allowed %v: %s", i, ok, reason)
				}
				if !ok && strings.Contains(s.files, "gen.py") && !strings.Contains(reason, "gen.py changed") || !ok && strings.Contains(reason, "x.py") {
					t.Errorf("step %d: the reason names the wrong files: %s", i, reason)
				}
			}
		})
	}
}

// TestBreakerSlowStop: the change comes long after Allow, but soon after the
// service really started.
func TestBreakerSlowStop(t *testing.T) {
	var b Breaker
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	denied := false
	for range 10 {
		if ok, _ := b.Allow(now, []string{"a"}); !ok {
			denied = true
			break
		}
		now = now.Add(1900 * time.Millisecond)
		b.Started(now)
		now = now.Add(500 * time.Millisecond)
	}
	if !denied {
		t.Error("the loop was not found")
	}
}
