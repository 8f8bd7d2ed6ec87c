package service

import "testing"

func TestTexts(t *testing.T) {
	for x, want := range map[ExitStatus]string{{Code: 3}: "status 3", {Code: 143, Signal: 15}: "signal SIGTERM"} {
		if got := x.String(); got != want {
			t.Errorf("%+v: %q", x, got)
		}
	}
	if got := (&Error{Service: "db", Cause: "x"}).Error(); got != "start service db: x" {
		t.Error(got)
	}
}
