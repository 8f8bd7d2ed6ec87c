package refs

import (
	"errors"
	"testing"
)

func TestVariables(t *testing.T) {
	env := map[string]string{"A": "1", "E": "", "D": Quote("a${x.y}$"), "P_2": "two", ProjectDir: "/srv"}
	get := func(n string) (string, bool) { v, ok := env[n]; return v, ok }
	for _, c := range []struct{ in, want string }{
		{"", ""}, {"plain", "plain"}, {"${A}", "1"}, {"$A", "1"}, {"x${A}y$P_2.", "x1ytwo."},
		{"${E}", ""}, {"${E:-d}", "d"}, {"${E-d}", ""}, {"${N-d}", "d"}, {"${N:-}", ""}, {"${A:-d}", "1"},
		{"${N:-${M:-${A}}}", "1"}, {"${N:-$A b}", "1 b"}, {"${N:-a}b}", "ab}"},
		{"${A:+r}", "r"}, {"${E:+r}", ""}, {"${E+r}", "r"}, {"${N+r}", ""}, {"${A:?m}", "1"}, {"${E?m}", ""},
		{"$$A", "$A"}, {"$${A}", "${A}"}, {"$$$A", "$1"}, {"$5 and $", "$5 and $"}, {"$$", "$"},
		{"${D}", "a${x.y}$"}, {"${project.dir}/x", "/srv/x"},
		{"${db.port}", "<db.port>"}, {"$$${db.port}", "$<db.port>"}, {"${N:-${db.port}}", "<db.port>"}, {"${home}", "<.home>"},
	} {
		got, err := Variables(c.in, get)
		if err == nil {
			got, err = Expand(got, func(r Ref) (string, error) { return "<" + r.Service + "." + r.Fact + ">", nil })
		}
		if err != nil || got != c.want {
			t.Errorf("%q: got %q, %v, want %q", c.in, got, err, c.want)
		}
	}
}

func TestVariablesThatCannotBeResolved(t *testing.T) {
	get := func(n string) (string, bool) { return "", n == "E" }
	for _, c := range []struct {
		in     string
		offset int
		text   string
	}{
		{"a${N}", 1, "N is not set"},
		{"$N", 0, "N is not set"},
		{"${N", 0, "${ is not closed by }"},
		{"${}", 0, `"${}" names no variable`},
		{"${1}", 0, `"${1}" names no variable`},
		{"${a.b.c}", 0, `"${a.b.c}" is no form of a variable`},
		{"${N:x}", 0, `"${N:x}" is no form of a variable`},
		{"${N:}", 0, `"${N:}" is no form of a variable`},
		{"${N!}", 0, `"${N!}" is no form of a variable`},
		{"${N:?say why}", 0, "N is not set: say why"},
		{"${N?}", 0, "N is not set"},
		{"${E:?say why}", 0, "E is empty: say why"},
		{"x${N:-y${M}}", 7, "M is not set"},
	} {
		got, err := Variables(c.in, get)
		var p *Problem
		if !errors.As(err, &p) || p.Offset != c.offset || p.Text != c.text {
			t.Errorf("%q: got %q, %#v", c.in, got, err)
		}
	}
}

// FuzzVariables holds that a text without references to services and variables
// is itself, and that every problem has a place.
func FuzzVariables(f *testing.F) {
	for _, s := range []string{"${A:-${B:-x}}", "$${", "$A$$", "${db.port}", "${", "${A:+$}", "${project.dir}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_, err := Variables(s, func(n string) (string, bool) { return Quote("${" + n + "}"), true })
		var p *Problem
		switch {
		case errors.As(err, &p):
			if p.Offset < 0 || p.Offset >= len(s) || s[p.Offset] != '$' || p.Text == "" {
				t.Errorf("%q: %#v", s, p)
			}
		case err != nil:
			t.Error(err)
		}
		if back, err := Variables(Quote(s), func(string) (string, bool) { return "", false }); err != nil || back != Quote(s) {
			t.Errorf("%q quoted is %q, %v", s, back, err)
		}
	})
}
