package launch

import (
	"slices"
	"testing"
)

func TestKeyLogEnv(t *testing.T) {
	for _, c := range []struct {
		name, path     string
		env, own, want []string
	}{
		{
			"nothing is set", "/run/k", []string{"A=1"}, nil,
			[]string{"A=1", "SSLKEYLOGFILE=/run/k", "NODE_OPTIONS=--tls-keylog=/run/k"},
		},
		{
			"the shell's file is replaced, its options are kept", "/run/k", []string{"SSLKEYLOGFILE=mine", "NODE_OPTIONS=--no-warnings --tls-keylog=mine"}, nil,
			[]string{"SSLKEYLOGFILE=/run/k", "NODE_OPTIONS=--no-warnings --tls-keylog=mine --tls-keylog=/run/k"},
		},
		{
			"the project's own file stays", "/run/k", []string{"NODE_OPTIONS=--tls-keylog=mine", "SSLKEYLOGFILE=mine"}, []string{"SSLKEYLOGFILE=mine", "NODE_OPTIONS=--tls-keylog=mine"},
			[]string{"NODE_OPTIONS=--tls-keylog=mine", "SSLKEYLOGFILE=mine"},
		},
		{
			"the project's other options stay", "/run/k", []string{"NODE_OPTIONS=--inspect"}, []string{"NODE_OPTIONS=--inspect"},
			[]string{"NODE_OPTIONS=--inspect --tls-keylog=/run/k", "SSLKEYLOGFILE=/run/k"},
		},
		{
			"a path with blanks", `/run/a "b" \c/k`, nil, nil,
			[]string{`SSLKEYLOGFILE=/run/a "b" \c/k`, `NODE_OPTIONS="--tls-keylog=/run/a \"b\" \\c/k"`},
		},
	} {
		if got := KeyLogEnv(c.env, c.own, c.path); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
