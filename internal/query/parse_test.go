package query

import (
	"errors"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for line, want := range map[string]string{
		"":                                 "",
		"80":                               "(80)",
		"80 443 node":                      "(80 443 node)",
		"service=api and status>=500":      "((service=api) and (status>=500))",
		"service = api and status >= 500":  "((service=api) and (status>=500))",
		"status>= 500":                     "(status>=500)",
		"status >=500":                     "(status>=500)",
		"service=api status>=500":          "(service=api status>=500)",
		"SERVICE=Api":                      "(service=Api)",
		"svc==api":                         "(service=api)",
		"port 3000":                        "(port=3000)",
		"port 3000-3999 node":              "(port=3000-3999 node)",
		"port node":                        "(port node)",
		"port 1,2":                         "(port=1,2)",
		"service contains ap":              "(service~ap)",
		"service=~ap":                      "(service~ap)",
		"80 or 443 and node":               "((80) or ((443) and (node)))",
		"(80 or 443) and node":             "(((80) or (443)) and (node))",
		"( 80 or 443 ) node":               "((node) and ((80) or (443)))",
		"not 80 node":                      "((node) and not (80))",
		"not (80 or node)":                 "not ((80) or (node))",
		"not(80 or node)":                  "not ((80) or (node))",
		"not not 80":                       "not not (80)",
		"80 AND NOT 443":                   "((80) and not (443))",
		`service="a b" or "and"`:           `((service="a b") or ("and"))`,
		`service='it"s'`:                   `(service="it\"s")`,
		`service="a\"b\\"`:                 `(service="a\"b\\")`,
		`service="and"`:                    `(service="and")`,
		"service=api,db status=200":        "(service=api,db status=200)",
		"it's":                             `("it's")`,
		"and":                              `("and")`,
		"or":                               `("or")`,
		"(sd-pam)":                         `("(sd-pam)")`,
		"(v1 80":                           `("(v1" 80)`,
		"f(x) or 80":                       `(("f(x)") or (80))`,
		"http://x/?a=b":                    `("http://x/?a=b")`,
		"-5 --x":                           "(-5 --x)",
		"größe=1 grüße":                    "! größe",
		"service=größe or größe":           "((service=größe) or (größe))",
		"service!=api service!~x status<9": "(service!=api service!~x status<9)",
		"time>=10m ok=no":                  "(time>=10m ok=no)",
		"at=127.0.0.1:80 owned=shop/web":   "(at=127.0.0.1:80 owned=shop/web)",
	} {
		e, err := ParseText(line, testSchema())
		if rest, ok := strings.CutPrefix(want, "! "); ok && err == nil {
			// A key has ASCII letters only: what looks like one is a word.
			if !strings.Contains(String(e), rest) {
				t.Errorf("%q: got %s", line, String(e))
			}
			continue
		}
		if got := String(e); err != nil || got != want {
			t.Errorf("%q:\n got %s, %v\nwant %s", line, got, err, want)
		}
	}
}

// Arguments of a command: blanks in them are the shell's quotes.
func TestParseArguments(t *testing.T) {
	for _, c := range []struct {
		words []string
		want  string
	}{
		{[]string{"tmux: server"}, `("tmux: server")`},
		{[]string{"next-server (v1"}, `("next-server (v1")`},
		{[]string{"next-server (v1", "or", "80"}, `(("next-server (v1") or (80))`},
		{[]string{"service=api and status>=500"}, "((service=api) and (status>=500))"},
		{[]string{"service=api", "and", "status>=500"}, "((service=api) and (status>=500))"},
		{[]string{"status", ">=", "500"}, "(status>=500)"},
		{[]string{"port", "3000"}, "(port=3000)"},
		{[]string{"port 3000"}, "(port=3000)"},
		{[]string{"(", "80", "or", "443", ")", "node"}, "((node) and ((80) or (443)))"},
		{[]string{"(80", "or", "443)"}, "((80) or (443))"},
		{[]string{"(80 or 443)", "node"}, "((node) and ((80) or (443)))"},
		{[]string{"and"}, `("and")`},
		{[]string{`"and"`, "80"}, `("and" 80)`},
		{[]string{"it's", "80"}, `("it's" 80)`},
		{[]string{`"open`, "80"}, `("\"open" 80)`},
		{nil, ""},
	} {
		e, err := Parse(c.words, testSchema())
		if got := String(e); err != nil || got != c.want {
			t.Errorf("%q:\n got %s, %v\nwant %s", c.words, got, err, c.want)
		}
	}
}

func TestErrors(t *testing.T) {
	for line, want := range map[string]string{
		"servce=api":          `read "servce=api": there is no key "servce"; a name with = in it is written in quotes|did you mean service=api?`,
		"80 x=1":              `read "x=1" (word 2): there is no key "x"|the keys are service,`,
		"80 and":              `read "and" (word 2): nothing stands behind it`,
		"80 and or 3":         `read "and" (word 2): nothing stands behind it`,
		"or 80":               `read "or" (word 1): nothing stands before it`,
		"( or 80 )":           `read "or" (word 2): nothing stands before it`,
		"not and 80":          `read "not" (word 1): nothing stands behind it`,
		"80 or not":           `read "not" (word 3): nothing stands behind it`,
		"() or 80":            `read "(" (word 1): nothing stands in it`,
		"(80 or 443":          `read "(" (word 1): it is not closed|")"`,
		"80 or 443)":          `read ")" (word 3): no parenthesis is open`,
		"status=abc":          `read "status=abc": "abc" is not a number`,
		"status>=":            `read "status>=": it has no value|status>=100`,
		"status=":             `read "status=": it has no value`,
		"status=and or 3":     `read "status=and" (word 1): "and" is not a number`,
		"status>1,2":          `read "status>1,2": > takes one value`,
		"status>1-2":          `read "status>1-2": > takes no range`,
		"status=9-2":          `read "status=9-2": "9-2": the first is the larger one|status=2-9`,
		"status=1,":           `read "status=1,": a value is empty`,
		"status~5":            `read "status~5": status has no ~|status=100`,
		"service>a":           `read "service>a": service has no >|service=NAME`,
		"port=70000":          `read "port=70000": "70000" is not a port`,
		"port=nope":           `read "port=nope": "nope" is not a port`,
		"took=5":              `read "took=5": "5" is not a time span|took=5ms, or took=5s`,
		"bytes=1.5":           `read "bytes=1.5": "1.5" is not a whole number|2`,
		"bytes=5Q":            `read "bytes=5Q": "5Q" is not a number`,
		"status=5Ki":          `read "status=5Ki": "5Ki" is not a number`,
		"address=1.2.3":       `read "address=1.2.3": "1.2.3" is not an address`,
		"state=lis":           `read "state=lis": there is no state "lis"|did you mean listen?`,
		"time>soon":           `read "time>soon": "soon" is not a time`,
		"ok=maybe":            `read "ok=maybe": "maybe" is neither yes nor no`,
		"owned=a/b/c":         `read "owned=a/b/c": "a/b/c" is not OWNER/NAME`,
		"at=80":               `read "at=80": "80" is not an address and a port`,
		`service="a`:          `read "service=\"a": the quote is not closed`,
		`80 or "a`:            `read "\"a" (word 3): the quote is not closed`,
		">= 5 or 3":           `read ">=" (word 1): no key stands before it|KEY>=`,
		"service=\x01":        `read "service=\x01": the value has control characters`,
		"80 or 99999":         `read "port=99999": "99999" is not a port`,
		"service=\xff or 80":  `read "service=\xff" (word 1): the value has control characters, or is not UTF-8`,
		"service= and status": `read "service=" (word 1): it has no value`,
	} {
		_, err := ParseText(line, testSchema())
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%q: got %v", line, err)
			continue
		}
		text, hint, _ := strings.Cut(want, "|")
		if !strings.HasPrefix(e.Error(), text) || !strings.Contains(e.Hint, hint) || e.Hint == "" {
			t.Errorf("%q:\n got %s (hint: %s)\nwant %s", line, e, e.Hint, want)
		}
	}
}

// A single argument is counted by its words, several by themselves.
func TestErrorsNameThePlace(t *testing.T) {
	for _, c := range []struct {
		words []string
		want  string
	}{{[]string{"80 and x=1"}, "(word 3)"}, {[]string{"80", "and", "x=1 or 3"}, "(word 3)"}, {[]string{"node", "x=1"}, "(word 2)"}} {
		if _, err := Parse(c.words, testSchema()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v", c.words, err)
		}
	}
}

func TestHostileFilters(t *testing.T) {
	for name, text := range map[string]string{
		"long":          strings.Repeat("a", MaxLength+10),
		"words":         strings.Repeat("a ", MaxTerms+1),
		"terms":         "port=1" + strings.Repeat(",1", MaxTerms),
		"parentheses":   strings.Repeat("(", 5000) + "80 or 1" + strings.Repeat(")", 5000),
		"nots":          strings.Repeat("not ", 5000) + "80",
		"open":          strings.Repeat("(", 5000) + " or ",
		"nots glued":    strings.Repeat("not(", 3000) + "80" + strings.Repeat(")", 3000),
		"one long word": "x=" + strings.Repeat("y", MaxLength-10),
	} {
		_, err := ParseText(text, testSchema())
		var e *Error
		if !errors.As(err, &e) || len(e.Text) > 300 {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := Parse(strings.Fields(strings.Repeat("a ", MaxTerms)), testSchema()); err != nil {
		t.Error(err)
	}
}

func TestWithoutPlainWords(t *testing.T) {
	s := testSchema()
	s.Word = nil
	if _, err := ParseText("node", s); err == nil || !strings.Contains(err.Error(), "it has no key") {
		t.Error(err)
	}
}

// What an expression is written as means the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"80 node", "service=api and status>=500", "not (80 or service~x)", `service="a b",c`, "port 3000", "a = b", "((", `"`, "time>10m", "x contains y", "not(", "=", "a=~b", "\xff=", "owned=a/b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := testSchema()
		e, err := ParseText(text, s)
		if _, err2 := Parse([]string{text}, s); err != nil && err2 != nil && err.Error() == "" {
			t.Errorf("%q: an error without a text", text)
		}
		if err != nil || e == nil {
			return
		}
		row := api()
		want := Compile(e).Match(row)
		if Compile(Not{e}).Match(row) == want {
			t.Errorf("%q: it matches as its opposite does", text)
		}
		if !valid(text) || strings.ContainsAny(text, ",") {
			return // a value with a comma is not written in quotes
		}
		// With an operator before it, also a single word in parentheses is read as an expression.
		again, err := ParseText("not not "+String(e), s)
		if err != nil {
			t.Fatalf("%q: %q: %v", text, String(e), err)
		}
		if Compile(again).Match(row) != want {
			t.Errorf("%q: %q matches otherwise", text, String(e))
		}
	})
}
