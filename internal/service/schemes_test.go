package service

import (
	"testing"
)

func TestSchemes(t *testing.T) {
	for _, c := range []struct {
		command string
		port    uint16
		spec    Spec
		want    string
	}{
		{"npm run dev", 5173, Spec{}, "http"},
		{"/usr/lib/postgresql/15/bin/postgres -D data", 5433, Spec{}, "postgres"},
		{"./db.sh", 5432, Spec{}, "postgres"},
		{"redis-server --port 7000", 7000, Spec{}, "redis"},
		{"./x", 6379, Spec{HTTP: 6379}, "http"},
		{"./x", 6379, Spec{Ready: Ready{HTTP: "/"}}, "http"},
		{"node postgres-admin.js", 3000, Spec{}, "http"},
	} {
		c.spec.Command = c.command
		if got := Scheme(c.spec, c.port); got != c.want {
			t.Errorf("%s on %d: %s, want %s", c.command, c.port, got, c.want)
		}
	}
}
