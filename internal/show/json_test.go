package show

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"strings"
	"testing"
	"unicode"
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

func TestGraphic(t *testing.T) {
	for r := range rune(unicode.MaxRune + 2) {
		if graphic(r) != unicode.IsGraphic(r) {
			t.Errorf("%U: %v", r, graphic(r))
		}
	}
}

// What needs an escape is found wherever it stands, also where words of 8 bytes end.
func TestJSONEscapesEverywhere(t *testing.T) {
	for _, c := range []struct{ in, want string }{{"\x7f", `\u007f`}, {"\u009b", `\u009b`}, {"\U000e0041", `\udb40\udc41`}, {"\xff", `\ufffd`}, {"•", "•"}} {
		for before := range 20 {
			for after := range 20 {
				pad, end := strings.Repeat("a", before), strings.Repeat("~", after)
				for _, times := range []int{1, 2} {
					var b strings.Builder
					if err := JSONLines(&b).Encode(pad + strings.Repeat(c.in, times) + end); err != nil {
						t.Fatal(err)
					}
					if want := `"` + pad + strings.Repeat(c.want, times) + end + "\"\n"; b.String() != want {
						t.Fatalf("%q, %d times, after %d and before %d: %s", c.in, times, before, after, b.String())
					}
				}
			}
		}
	}
}

// BenchmarkJSONLines says what the escapes cost beside those of a plain encoder: for lines
// of ASCII, with a few masks as most exchanges have, and of another script.
func BenchmarkJSONLines(b *testing.B) {
	type field struct{ Name, Value string }
	for _, c := range []struct{ name, cookie, body string }{
		{"ascii", "a=b", strings.Repeat(`{"id":1,"name":"item"},`, 40)},
		{"masks", "a=•••", strings.Repeat(`{"id":1,"name":"item"},`, 40)},
		{"script", "a=•••", strings.Repeat("記録 запись ", 40)},
	} {
		v := struct {
			Time, Method, Target string
			Header               []field
			Body                 string
		}{"2026-01-02T03:04:05Z", "GET", "/items?page=2", []field{{"Host", "localhost:4000"}, {"Cookie", c.cookie}, {"Accept", "*/*"}}, c.body}
		for _, e := range []struct {
			name string
			enc  *json.Encoder
		}{{"plain", json.NewEncoder(io.Discard)}, {"escaped", JSONLines(io.Discard)}} {
			e.enc.SetEscapeHTML(false)
			b.Run(c.name+"/"+e.name, func(b *testing.B) {
				for b.Loop() {
					if err := e.enc.Encode(&v); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
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
