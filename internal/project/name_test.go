package project

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"lodge/internal/project/syntax"
)

func TestNearest(t *testing.T) {
	for _, c := range []struct{ word, want string }{
		{"comand", "command"}, {"commnad", "command"}, {"Command", "command"}, {"need", "needs"}, {"enviroment", ""}, {"evn", "env"},
		{"restrat", "restart"}, {"stopgrace", "stop_grace"}, {"x", ""}, {"", ""}, {"replicas", ""}, {strings.Repeat("command", 20), ""},
	} {
		if got := syntax.Nearest(c.word, serviceKeys); got != c.want {
			t.Errorf("Nearest(%q) = %q, want %q", c.word, got, c.want)
		}
	}
	if got := syntax.Nearest("db", []string{"ab", "web"}); got != "" {
		t.Errorf("two letters are too few to guess, got %q", got)
	}
}

func TestSynonymsAreKeys(t *testing.T) {
	for word, meant := range synonyms() {
		known := false
		for _, key := range serviceKeys {
			known = known || key == meant
			if key == word {
				t.Errorf("%s is a key itself", word)
			}
		}
		if !known {
			t.Errorf("%s stands for %s, which is no key", word, meant)
		}
	}
}

// Whatever a directory or a branch is called, the name is a label.
func TestLabels(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringMatching(`[A-Za-z0-9_./ -]{0,90}`)).Draw(rt, "text")
		label := toLabel(s)
		if label != "" && labelProblem(label) != "" {
			rt.Fatalf("toLabel(%q) = %q: %s", s, label, labelProblem(label))
		}
		if made := MakeName(s); !ValidName(made) || label != "" && made != label {
			rt.Fatalf("MakeName(%q) = %q", s, made)
		}
		if again := toLabel(label); again != label {
			rt.Fatalf("toLabel changes its own %q to %q", label, again)
		}
		name := toLabel(rapid.StringMatching(`[a-z0-9-]{1,80}`).Draw(rt, "name"))
		if name == "" {
			return
		}
		if joined := joinLabel(s, name); labelProblem(joined) != "" {
			rt.Fatalf("joinLabel(%q, %q) = %q: %s", s, name, joined, labelProblem(joined))
		}
	})
}

func TestPort(t *testing.T) {
	for p, want := range map[Port]uint16{"": 0, AutoPort: 0, "1": 1, "65535": 65535, "65536": 0} {
		if got := p.Number(); got != want {
			t.Errorf("Port(%q).Number() = %d, want %d", p, got, want)
		}
	}
	if Port("").IsSet() || !AutoPort.IsSet() || !AutoPort.IsAuto() || Port("80").IsAuto() {
		t.Error("IsSet or IsAuto is wrong")
	}
}

func TestLabelsStayLegible(t *testing.T) {
	for s, want := range map[string]string{
		"Über shop & co": "uber-shop-co", "Cafe\u0301": "cafe", "Straße": "strasse", "smørrebrød": "smorrebrod", "łódź": "lodz",
		"İstanbul": "istanbul", "feature/Ünïcode_x": "feature-unicode-x", "买东西": "", "買 shop": "shop", "ﬁle": "le", "①": "",
	} {
		if got := toLabel(s); got != want {
			t.Errorf("toLabel(%q) = %q, want %q", s, got, want)
		}
	}
}
