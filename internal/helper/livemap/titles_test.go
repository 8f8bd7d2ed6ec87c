package livemap

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestTitlesThatNeverCome(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	titles := newTitles()
	titles.read = func(path string) ([]byte, error) {
		switch {
		case strings.HasPrefix(path, "stuck"):
			<-release
		case path == "gone":
			return []byte("x"), errors.New("no such process")
		}
		return []byte(path), nil
	}
	defer titles.close()
	titles.waiting = time.Hour // what comes is waited for
	if got := titles.of("a"); string(got) != "a" {
		t.Errorf("got %q", got)
	}
	if got := titles.of("gone"); got != nil {
		t.Errorf("got %q", got)
	}
	for range stuckTitles - 1 {
		titles.waiting = time.Millisecond
		if got := titles.of("stuck"); got != nil {
			t.Errorf("got %q", got)
		}
		titles.waiting = time.Hour
		if got := titles.of("b"); string(got) != "b" {
			t.Errorf("after one that is stuck: %q", got)
		}
	}
	titles.waiting = time.Millisecond
	titles.of("stuck")
	titles.waiting = time.Hour
	if got := titles.of("c"); got != nil {
		t.Errorf("after all that may be stuck: %q", got)
	}
}
