package probe

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"lodge/internal/cli/kit"
	"lodge/internal/cli/look/probe/probecmd"
	"lodge/internal/probe"
	"lodge/internal/probe/answer"
	"lodge/internal/show"
	"lodge/internal/show/table"
)

// measure measures, and prints what was measured also when it is interrupted:
// the exit status is that of the signal then.
func measure(ctx context.Context, k *kit.Kit, t probe.Target, opts probe.LoadOptions, f probecmd.Flags) error {
	l, err := probe.NewLoad(ctx, t, opts)
	if err != nil {
		return withHint(t, err)
	}
	ended := showProgress(k, l)
	s := l.Do(ctx)
	ended()
	if f.JSON {
		err = k.PrintJSON(s)
	} else {
		printSummary(k.Out, s)
	}
	switch {
	case err != nil:
		return err
	case s.Stopped == "interrupted":
		return ctx.Err()
	case f.MaxErrors >= 0 && s.Failed > int64(f.MaxErrors):
		return fmt.Errorf("probe %s: %d failed, which is more than %d", t.Text, s.Failed, f.MaxErrors)
	case s.Succeeded == 0:
		return loadFailed(t, s)
	}
	return nil
}

// loadFailed is the error of a load of which nothing succeeded.
func loadFailed(t probe.Target, s *probe.Summary) error {
	if len(s.Errors) == 0 {
		return fmt.Errorf("probe %s: nothing was done in the time", t.Text)
	}
	e := s.Errors[0]
	err := fmt.Errorf("probe %s: nothing succeeded: %s", t.Text, e.First)
	switch e.Kind {
	case answer.Refused, answer.Timeout, answer.Denied, answer.Unreachable, answer.NoLocalPort:
		host := t.Host
		if s.IP.IsValid() {
			host = s.IP.String()
		}
		return &kit.Hinted{Err: err, Hint: "lodge explain " + net.JoinHostPort(host, strconv.Itoa(int(t.Port)))}
	case answer.BadAnswer, answer.ClosedEarly, answer.Reset:
		return &kit.Hinted{Err: err, Hint: "what answers there: lodge probe " + net.JoinHostPort(t.Host, strconv.Itoa(int(t.Port)))}
	}
	return err
}

// showProgress shows how far the load is, on a terminal only, until the
// returned function is called.
func showProgress(k *kit.Kit, l *probe.Load) func() {
	if !kit.IsTerminal(k.Env.Stderr) {
		return func() {}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				fmt.Fprint(k.Err, "\r"+progressText(l.Progress())+"\x1b[K")
			case <-done:
				fmt.Fprint(k.Err, "\r\x1b[K")
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

func progressText(p probe.Progress) string {
	of := ""
	if p.Count > 0 {
		of = " of " + strconv.Itoa(p.Count)
	}
	text := fmt.Sprintf("%d%s in %s of %s", p.Done, of, p.Elapsed.Round(100*time.Millisecond), p.Limit)
	if p.Failed > 0 {
		text += fmt.Sprintf(", %d failed", p.Failed)
	}
	return text
}

// printSummary prints what a load measured: the result first, in one line.
func printSummary(out io.Writer, s *probe.Summary) {
	host := s.Target
	if s.IP.IsValid() {
		host = net.JoinHostPort(s.IP.String(), strconv.Itoa(int(s.Port)))
	}
	what := map[probe.Mode]string{
		probe.ModeConnect: "connecting", probe.ModeEcho: fmt.Sprintf("an echo of %d bytes", s.SizeBytes), probe.ModeHTTP: s.Method + " " + s.Path,
	}[s.Mode]
	if s.Done == 1 && s.Stopped == "done" {
		result := "took " + show.Latency(s.Latency.MaxUS)
		if s.Failed > 0 {
			result = "failed: " + s.Errors[0].First
		}
		for status := range s.Statuses {
			if s.Failed == 0 {
				result = status + ", " + result
			}
		}
		fmt.Fprintf(out, "%s: %s: %s\n", host, what, result)
		w := table.NewTabs(out)
		printQueue(w, s)
		_ = w.Flush() // a.out keeps the error
		return
	}
	result := "all succeeded"
	switch {
	case s.Succeeded == 0:
		result = "none succeeded"
	case s.Failed > 0:
		result = fmt.Sprintf("%d succeeded, %d failed", s.Succeeded, s.Failed)
	}
	if s.Stopped == "interrupted" {
		result += "; interrupted"
	}
	rate := ""
	if s.RatePerSecond > 0 {
		rate = fmt.Sprintf(", of %s begun", show.PerSecond(s.RatePerSecond))
	}
	fmt.Fprintf(out, "%s: %d × %s in %s, %d at a time: %s%s, %s\n",
		host, s.Done, what, show.Elapsed(s.DurationUS), s.Concurrency, show.PerSecond(s.PerSecond), rate, result)
	if s.Succeeded > 0 {
		printLatencies(out, s)
	}
	w := table.NewTabs(out)
	if len(s.Statuses) > 0 {
		var each []string
		for _, code := range slices.Sorted(maps.Keys(s.Statuses)) {
			each = append(each, fmt.Sprintf("%s: %d", code, s.Statuses[code]))
		}
		fmt.Fprintf(w, "  statuses\t%s\n", strings.Join(each, ", "))
	}
	if s.Mode != probe.ModeConnect {
		stale := ""
		if s.StaleConnections > 0 {
			stale = fmt.Sprintf(", %d of them because the server had closed one that was kept", s.StaleConnections)
		}
		fmt.Fprintf(w, "  connections\t%d%s\n", s.Connections, stale)
		fmt.Fprintf(w, "  received\t%s, %s a second\n", show.ByteCount(float64(s.ReceivedBytes)), show.ByteCount(float64(s.ReceivedBytes)/max(float64(s.DurationUS), 1)*1e6))
	}
	for _, e := range s.Errors {
		fmt.Fprintf(w, "  %s\t%d: %s\n", strings.ReplaceAll(string(e.Kind), "_", " "), e.Count, e.First)
	}
	printQueue(w, s)
	_ = w.Flush() // a.out keeps the error
	if s.Succeeded > 1 {
		printBars(out, s.Histogram)
	}
}

func printLatencies(out io.Writer, s *probe.Summary) {
	w := table.NewTabsRight(out)
	fmt.Fprintln(w, "  ms\tmin\tp50\tp90\tp99\tp99.9\tmax\tmean\t")
	row := func(name string, l *probe.Latency) {
		if l == nil {
			return
		}
		fmt.Fprintf(w, "  %s\t", name)
		for _, us := range []float64{l.MinUS, l.P50US, l.P90US, l.P99US, l.P999US, l.MaxUS, l.MeanUS} {
			fmt.Fprintf(w, "%s\t", strings.TrimSuffix(show.Latency(us), " ms"))
		}
		fmt.Fprintln(w)
	}
	row("latency", &s.Latency)
	row("once begun", s.Service)
	row("connect", s.Connect)
	_ = w.Flush()
}

// printBars draws the distribution, at most a screenful of rows.
func printBars(out io.Writer, bars []probe.Bar) {
	const rows, width = 12, 40
	for len(bars) > rows {
		var half []probe.Bar
		for i := 0; i < len(bars); i += 2 {
			b := bars[i]
			if i+1 < len(bars) {
				b = probe.Bar{UpToUS: bars[i+1].UpToUS, Count: b.Count + bars[i+1].Count}
			}
			half = append(half, b)
		}
		bars = half
	}
	most := int64(1)
	for _, b := range bars {
		most = max(most, b.Count)
	}
	w := table.NewTabsRight(out)
	for _, b := range bars {
		n := int((b.Count*width + most - 1) / most)
		bar := strings.Repeat("#", n)
		if n > 0 {
			bar = "  " + bar
		}
		fmt.Fprintf(w, "  up to %s\t%d\t%s\n", show.Latency(b.UpToUS), b.Count, bar)
	}
	_ = w.Flush()
}
