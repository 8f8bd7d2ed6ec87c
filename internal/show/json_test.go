package show

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
)

func TestJSON(t *testing.T) {
	v := map[string]any{"url": "http://a/?b=<c>&d", "list": []int{}}
	var out bytes.Buffer
	if err := JSON(&out, v); err != nil {
		t.Fatal(err)
	}
	if want := "{\n  \"list\": [],\n  \"url\": \"http://a/?b=<c>&d\"\n}\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
	out.Reset()
	enc := JSONLines(&out)
	for range 2 {
		if err := enc.Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	if want := strings.Repeat("{\"list\":[],\"url\":\"http://a/?b=<c>&d\"}\n", 2); out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
	if err := JSON(&out, math.NaN()); err == nil || !strings.HasPrefix(err.Error(), "print: ") {
		t.Errorf("NaN: %v", err)
	}
}

func FuzzAppendJSON(f *testing.F) {
	f.Add("\x00\x1f\x7f\b\f\n\r\t\"\\ a<b>&c \u2028\u2029 ü… \xe2\x80 \xff")
	f.Fuzz(func(t *testing.T, s string) {
		var want bytes.Buffer
		if err := JSONLines(&want).Encode(s); err != nil {
			t.Fatal(err)
		}
		got := AppendJSON(nil, s)
		if string(got)+"\n" != want.String() {
			t.Fatalf("%q: %s, want %s", s, got, want.String())
		}
		if !json.Valid(got) {
			t.Fatalf("%q: %s", s, got)
		}
	})
}

// No byte of JSON acts on a terminal, and nothing is lost by that.
func TestJSONIsSafeForTerminals(t *testing.T) {
	in := "a\x7fb\u0085c\u009b31m\u202ed\u200b\u2066e\ufeff\u2028\U000e0041 é 日本 😀\u00a0"
	want := `"a\u007fb\u0085c\u009b31m\u202ed\u200b\u2066e\ufeff\u2028\udb40\udc41 é 日本 😀` + "\u00a0\""
	var b strings.Builder
	if err := JSONLines(&b).Encode(in); err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSuffix(b.String(), "\n"); got != want {
		t.Errorf("encoder: %s", got)
	}
	if got := string(AppendJSON(nil, in)); got != want {
		t.Errorf("AppendJSON: %s", got)
	}
	var back string
	if err := json.Unmarshal([]byte(want), &back); err != nil || back != in {
		t.Errorf("%q, %v", back, err)
	}
}
