package seccomphome

import (
	"reflect"
	"testing"

	"lodge/internal/home/seccomphome/processes"
)

func TestWithEnv(t *testing.T) {
	got := withEnv([]string{"A=1", processes.EnvHome + "=x", "B=2"}, processes.EnvHome, "y", processes.EnvService, "z")
	if want := []string{"A=1", "B=2", processes.EnvHome + "=y", processes.EnvService + "=z"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
