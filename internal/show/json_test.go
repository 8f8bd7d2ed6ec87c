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
