package tree

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// plain is a tree as encoding/json reads it.
func plain(n *Node) any {
	switch n.Kind {
	case '{':
		out := map[string]any{}
		for i, kid := range n.Kids {
			out[n.Keys[i]] = plain(kid)
		}
		return out
	case '[':
		out := []any{}
		for _, kid := range n.Kids {
			out = append(out, plain(kid))
		}
		return out
	case '"':
		return n.Text
	case '0':
		return json.Number(n.Text)
	case 't':
		return n.Text == "true"
	}
	return nil
}

func value(depth int) *rapid.Generator[any] {
	kinds := []*rapid.Generator[any]{
		rapid.Map(rapid.StringOfN(rapid.RuneFrom([]rune("ab\"\\\nü")), 0, 4, -1), func(s string) any { return s }),
		rapid.Map(rapid.Int(), func(n int) any { return json.Number(numberText(n)) }),
		rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Just[any](nil),
	}
	if depth > 0 {
		kinds = append(kinds,
			rapid.Map(rapid.SliceOfN(value(depth-1), 0, 3), func(l []any) any { return l }),
			rapid.Map(rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "c d", "\"e"}), value(depth-1), 0, 3), func(m map[string]any) any { return m }))
	}
	return rapid.OneOf(kinds...)
}

func numberText(n int) string {
	b, _ := json.Marshal(n) // a number has no error
	return string(b)
}

// A tree has what encoding/json reads; of a text that is cut anywhere, it has the first part.
func TestJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := value(3).Draw(t, "value")
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		got := JSON(" "+string(text)+"\n", false)
		if got == nil {
			t.Fatalf("%s is not read", text)
		}
		if v := plain(got); !equalJSON(v, text) {
			t.Fatalf("%s is read as %v", text, v)
		}
		cut := string(text[:rapid.IntRange(0, len(text)).Draw(t, "cut")])
		first := JSON(cut, true)
		if first == nil {
			return // nothing of it is whole
		}
		if whole := JSON(string(text), true); whole == nil || !isFirst(first, whole) {
			t.Fatalf("%s is no begin of %s", cut, text)
		}
		if cut != string(text) && (v == nil || first.Kind == '{' || first.Kind == '[') && !first.Open {
			t.Fatalf("%s is not open", cut)
		}
	})
}

func equalJSON(v any, text []byte) bool {
	again, err := json.Marshal(v)
	if err != nil {
		return false
	}
	var a, b any
	return json.Unmarshal(again, &a) == nil && json.Unmarshal(text, &b) == nil && reflect.DeepEqual(a, b)
}

func isFirst(a, b *Node) bool {
	if a.Kind != b.Kind || len(a.Kids) > len(b.Kids) || a.Text != b.Text || !a.Open && len(a.Kids) != len(b.Kids) || len(a.Keys) > len(b.Keys) {
		return false
	}
	for i := range a.Keys {
		if a.Keys[i] != b.Keys[i] {
			return false
		}
	}
	for i := range a.Kids {
		if !isFirst(a.Kids[i], b.Kids[i]) {
			return false
		}
	}
	return true
}

func TestNotJSON(t *testing.T) {
	for _, s := range []string{"", "x", "{", "[1,]", "{\"a\"}", "{\"a\":}", "{a:1}", "[1 2]", "1 2", "\"", "nul", "{\"a\":1,}", strings.Repeat("[", 300) + strings.Repeat("]", 300)} {
		if n := JSON(s, false); n != nil {
			t.Errorf("%q is read as %s", s, n.Brief())
		}
	}
	for s, want := range map[string]string{"{}": "{}", "[]": "[]", `{"a":1,"b":2}`: "{a, b}", "[1,2]": "[1, …]", `"x"`: `"x"`, "-1.5e3": "-1.5e3", "null": "null"} {
		if n := JSON(s, false); n == nil || n.Brief() != want {
			t.Errorf("%s is not %s", s, want)
		}
	}
}

// Any text is read to its end, in time that is linear in its length.
func FuzzJSON(f *testing.F) {
	f.Add(`{"a":[1,{"b":"\u00fc"}],"c":null}`, true)
	f.Add(`[[[[[{"a":`, true)
	f.Fuzz(func(t *testing.T, s string, cut bool) {
		n := JSON(s, cut)
		if n == nil {
			return
		}
		n.Brief()
		if !cut && !json.Valid([]byte(s)) && !strings.ContainsAny(s, "+-.eE0123456789") && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0xfffd }) && !strings.Contains(s, `\`) {
			t.Errorf("%q is no JSON", s)
		}
	})
}
