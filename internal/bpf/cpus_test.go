package bpf

import (
	"slices"
	"testing"
)

func TestParseCPUs(t *testing.T) {
	for s, want := range map[string][]int{
		"0": {0}, "0-3": {0, 1, 2, 3}, "0-1,4,7-8": {0, 1, 4, 7, 8},
		"": nil, "a": nil, "3-1": nil, "0-": nil, "-1": nil, "0-99999999999": nil, "0-4294967295": nil, "0,": nil,
	} {
		got, err := parseCPUs(s)
		if !slices.Equal(got, want) || (err == nil) != (want != nil) {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	cpus, err := OnlineCPUs()
	if err != nil || len(cpus) == 0 {
		t.Errorf("this machine: %v, %v", cpus, err)
	}
}
