package explain

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"lodge/internal/cli/daemonview"
	"lodge/internal/cli/kit"
	"lodge/internal/explain"
	"lodge/internal/explain/input"
	"lodge/internal/explain/render"
	"lodge/internal/show"
	"lodge/internal/show/table"
)

// printReport writes the answer, the evidence, and unless a process is to be ended what to do.
func printReport(out io.Writer, r *render.Report, width int, color, kill bool) {
	fmt.Fprintln(out, table.Words(r.Answer, width, ""))
	label := 0
	for _, l := range r.Lines {
		label = max(label, len(l.Label))
	}
	if label > 0 {
		fmt.Fprintln(out)
	}
	last := ""
	for _, l := range r.Lines {
		name := l.Label
		if name == last {
			name = "" // one label for lines of one kind
		}
		last = l.Label
		indent := strings.Repeat(" ", label+4)
		head := fmt.Sprintf("  %-*s  ", label, name)
		body := table.Words(l.Text, width, indent)
		if color && name != "" {
			head = show.Paint(show.Dim, head)
		}
		fmt.Fprintln(out, head+strings.TrimPrefix(body, indent))
	}
	if len(r.Hints) == 0 || kill {
		return
	}
	fmt.Fprintln(out)
	for _, h := range r.Hints {
		fmt.Fprintln(out, table.Words("hint: "+h, width, ""))
	}
}

// firstLine shortens what was given for a message.
func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	if r := []rune(s); len(r) > 80 {
		s = string(r[:80]) + "…"
	}
	return s
}

// Text is what `lodge explain` prints of an address.
func Text(ctx context.Context, k *kit.Kit, address string) (string, error) {
	in, err := input.Parse(address)
	if err != nil {
		return "", fmt.Errorf("explain %s: %w", address, err)
	}
	look := daemonview.Open(ctx, k)
	defer look.Close()
	answer, err := explain.Explain(ctx, in, newSource(ctx, k, look))
	if err != nil {
		return "", fmt.Errorf("explain %s: %w", address, err)
	}
	var out bytes.Buffer
	printReport(&out, answer.Report, kit.TerminalWidth(k.Env.Stdout), k.WantsColor(k.Env.Stdout), false)
	return out.String(), nil
}
