package rawjson

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

type inner struct {
	Path string            `json:"path"`
	Args []string          `json:"args,omitempty"`
	Env  map[string]string `json:"env,omitempty"`
}

type outer struct {
	Name string     `json:"name"`
	In   *inner     `json:"in,omitempty"`
	List []inner    `json:"list"`
	Two  [2]string  `json:"two"`
	Any  any        `json:"any"`
	Raw  []byte     `json:"raw"`
	Time time.Time  `json:"time"`
	IP   netip.Addr `json:"ip"`
}

func example() outer {
	return outer{
		Name: "caf\xe9", In: &inner{Path: "/t/caf\ufffd", Args: []string{"\xff\xfe", "", escape, escape + "e9"}, Env: map[string]string{"\x80": "\xc3\x28"}},
		List: []inner{{Path: "/plain"}, {Path: "\xed\xb3\xa9"}}, Two: [2]string{"a", "\xf0\x9f"}, Any: "x\xe9",
		Raw: []byte{0, 0xff}, Time: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), IP: netip.MustParseAddr("127.83.1.2"),
	}
}

func TestNothingIsLost(t *testing.T) {
	want := example()
	b, err := Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(b) || bytes.Contains(b, []byte(`\ufffd`)) {
		t.Errorf("%s", b)
	}
	var got outer
	if err := Unmarshal(b, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	if !reflect.DeepEqual(want, example()) {
		t.Errorf("the value that was written has changed: %+v", want)
	}
	var line bytes.Buffer
	if err := Write(&line, want); err != nil || line.String() != string(b)+"\n" {
		t.Errorf("%q, %v", line.String(), err)
	}
}

// What is UTF-8 is written as encoding/json does.
func TestPlainTextIsAsEver(t *testing.T) {
	for _, v := range []any{"zażółć \ufffd", []string{"a"}, map[string]int{"ü": 1}, nil, inner{Path: "/x"}, &inner{Path: "/y"}} {
		got, err := Marshal(v)
		want, werr := json.Marshal(v)
		if err != nil || werr != nil || !bytes.Equal(got, want) {
			t.Errorf("%s, %v", got, err)
		}
	}
	if _, err := Marshal(func() {}); err == nil {
		t.Error("a function was written")
	}
	if err := Write(&bytes.Buffer{}, func() {}); err == nil {
		t.Error("a function was written")
	}
}

func TestWhatEscapeDidNotWriteStays(t *testing.T) {
	for _, s := range []string{escape, escape + "z", escape + "e", escape + "E9", "a" + escape + "-", escape + "-x"} {
		b, err := json.Marshal([]string{s})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		if err := Unmarshal(b, &got); err != nil || got[0] != s {
			t.Errorf("%q: %q, %v", s, got, err)
		}
	}
	if err := Unmarshal([]byte("{"), &inner{}); err == nil {
		t.Error("half a value was read")
	}
	Restore(nil)
	Restore((*inner)(nil))
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"", "a", "caf\xe9", escape, escape + "--", escape + "ff", "\xf4\x8f\xbf"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		want := inner{Path: a, Args: []string{b}, Env: map[string]string{b: a}}
		text, err := Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got inner
		if err := Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
		if strings.Contains(string(text), "\n") {
			t.Errorf("%q is more than a line", text)
		}
	})
}
