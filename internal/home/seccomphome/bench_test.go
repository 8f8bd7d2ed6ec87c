package seccomphome

import (
	"bufio"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lodge/internal/loopback"
)

// BenchmarkConnect reports the cost of connect, accept and close inside,
// against plain loopback in the same run: the median of interleaved pairs.
func BenchmarkConnect(b *testing.B) {
	const count = "500"
	h := newHome(b, loopback.Overlay)
	p := self(b, h, "bench", "bench", count, "3000")
	cmd := exec.Command("/proc/self/exe", "-program", "bench", count, "0")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	out := bufio.NewReader(pipe)
	number := func(s string) float64 {
		v, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		if err != nil {
			b.Fatalf("%q: %v", s, err)
		}
		return v
	}
	var ratios []float64
	for b.Loop() {
		p.say("")
		with := number(p.line())
		if _, err := in.Write([]byte("\n")); err != nil {
			b.Fatal(err)
		}
		line, err := out.ReadString('\n')
		if err != nil {
			b.Fatal(err)
		}
		ratios = append(ratios, with/number(line))
	}
	_ = in.Close()
	if err := cmd.Wait(); err != nil {
		b.Fatal(err)
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "×plain")
	b.ReportMetric(0, "ns/op")
}
