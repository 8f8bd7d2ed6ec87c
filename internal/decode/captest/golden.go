package captest

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"lodge/internal/decode"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Golden compares the exchanges of a capture with the text in FILE.golden. With
// go test -update it writes that file.
func Golden(t *testing.T, file string, protocols ...*decode.Protocol) {
	t.Helper()
	GoldenWith(t, file, file+".golden", decode.Options{Limits: decode.DefaultLimits()}, protocols...)
}

// GoldenWith is [Golden] with options, as for [FlowsWith], and with the name of
// the golden file.
func GoldenWith(t *testing.T, file, golden string, o decode.Options, protocols ...*decode.Protocol) {
	t.Helper()
	flows, begin := decodeFile(t, file, o, protocols)
	got := text(flows, begin, true)
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatalf("%v (hint: go test -update writes it)", err)
	}
	if d := difference(string(want), got); d != "" {
		t.Errorf("%s differs (- file, + now; go test -update accepts it):\n%s", golden, d)
	}
}

// Text returns flows in the form of golden files, without times.
func Text(flows []Flow) string { return text(flows, time.Time{}, false) }

func text(flows []Flow, begin time.Time, times bool) string {
	var w strings.Builder
	for _, f := range flows {
		w.WriteString(flowText(f, begin, times))
	}
	return w.String()
}

// difference returns the first lines in which two texts differ, with some before
// them, or "".
func difference(want, got string) string {
	if want == got {
		return ""
	}
	const before, after = 6, 12
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	at := 0
	for at < len(a) && at < len(b) && a[at] == b[at] {
		at++
	}
	end := 0 // lines that are equal at the end
	for end < len(a)-at && end < len(b)-at && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	var w strings.Builder
	fmt.Fprintf(&w, "line %d:\n", at+1)
	for _, l := range a[max(0, at-before):at] {
		fmt.Fprintf(&w, "  %s\n", l)
	}
	part := func(sign string, lines []string) {
		for _, l := range lines[:min(len(lines), after)] {
			fmt.Fprintf(&w, "%s %s\n", sign, l)
		}
		if n := len(lines) - after; n > 0 {
			fmt.Fprintf(&w, "%s … %d lines more\n", sign, n)
		}
	}
	part("-", a[at:len(a)-end])
	part("+", b[at:len(b)-end])
	return w.String()
}
