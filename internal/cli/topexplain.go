package cli

import (
	"bytes"
	"context"
	"fmt"

	"lodge/internal/explain"
	"lodge/internal/explain/input"
)

// explainText is what `lodge explain` prints of an address.
func (a *app) explainText(ctx context.Context, address string) (string, error) {
	in, err := input.Parse(address)
	if err != nil {
		return "", fmt.Errorf("explain %s: %w", address, err)
	}
	look := a.look(ctx)
	defer look.Close()
	answer, err := explain.Explain(ctx, in, a.explainSource(ctx, look))
	if err != nil {
		return "", fmt.Errorf("explain %s: %w", address, err)
	}
	var out bytes.Buffer
	b := *a
	b.out = &out
	b.printReport(answer.Report, false)
	return out.String(), nil
}
