package refs

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestExpand(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"plain", "plain"},
		{"${db.port}", "<db|port>"},
		{"postgres://u@${db.host}:${db.port}/x", "postgres://u@<db|host>:<db|port>/x"},
		{"${HOME}/x", "${HOME}/x"},
		{"$${db.port}", "${db.port}"},
		{"$$${db.port}", "$<db|port>"},
		{"${home}/${HOME}", "<|home>/${HOME}"},
		{"${db.port", "${db.port"},
		{"${db.}${.port}${.}${}", "${db.}${.port}${.}${}"},
		{"${a b.port}", "${a b.port}"},
		{"${db.port.x}", "${db.port.x}"},
		{"${${db.port}}", "${<db|port>}"},
		{"$", "$"},
		{"é${web-2.url}é", "é<web-2|url>é"},
	} {
		got, err := Expand(c.in, func(r Ref) (string, error) { return "<" + r.Service + "|" + r.Fact + ">", nil })
		if err != nil || got != c.want {
			t.Errorf("%q: got %q, %v, want %q", c.in, got, err, c.want)
		}
	}
}

func TestFind(t *testing.T) {
	got := Find("a$${x.port}${db.port}-${api.url}")
	if len(got) != 2 || got[0] != (Ref{11, "db", "port"}) || got[1] != (Ref{22, "api", "url"}) {
		t.Errorf("got %+v", got)
	}
	if got := Find("${HOME}"); got != nil {
		t.Errorf("got %+v", got)
	}
}

func TestExpandSaysWhichFailed(t *testing.T) {
	no := errors.New("it listens nowhere")
	_, err := Expand("x${db.port}", func(Ref) (string, error) { return "", no })
	if !errors.Is(err, no) || err.Error() != "expand ${db.port}: it listens nowhere" {
		t.Errorf("got %v", err)
	}
}

func FuzzExpand(f *testing.F) {
	for _, s := range []string{"${db.port}", "$${a.b}", "${", "$$", "${a.b}${c.d}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		same, err := Expand(s, func(r Ref) (string, error) { return r.String(), nil })
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.ReplaceAll(s, "$$", "$"); same != want {
			t.Errorf("%q became %q, want %q", s, same, want)
		}
		back, err := Expand(Quote(s), func(r Ref) (string, error) { return "", fmt.Errorf("%v in a quoted text", r) })
		if err != nil || back != s {
			t.Errorf("%q quoted and expanded is %q, %v", s, back, err)
		}
		for _, r := range Find(s) {
			if r.Service == "" || !strings.HasPrefix(s[r.Offset:], r.String()) {
				t.Errorf("%q: %+v is not there", s, r)
			}
		}
	})
}
