package trust

import (
	"fmt"
	"strings"
	"time"

	"lodge/internal/cli/kit"
	"lodge/internal/show/table"
	"lodge/internal/trust"
	"lodge/internal/trust/proof"
	"lodge/internal/trust/stores"
)

// printStores prints what came of the stores.
func printStores(k *kit.Kit, asJSON bool, authority *trust.Authority, results []stores.Result) error {
	if asJSON {
		return k.PrintJSON(trustReport(authority, results))
	}
	if authority != nil {
		root := authority.Root()
		fmt.Fprintf(k.Out, "%s, valid until %s\n", root.Subject.CommonName, root.NotAfter.Format(time.DateOnly))
	}
	w := table.NewTabs(k.Out)
	for _, r := range results {
		where := r.Name
		if r.Path != "" {
			where += ": " + tilde(k, r.Path)
		}
		state := string(r.State)
		if r.Reason != "" {
			state += ": " + r.Reason
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", r.Kind, where, state)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	for _, r := range results {
		if r.Command != "" {
			fmt.Fprintln(k.Out, "-> "+r.Command)
		}
	}
	return nil
}

// printProof prints which programs trust the authority.
func printProof(k *kit.Kit, asJSON bool, results []proof.Result) error {
	if asJSON {
		return k.PrintJSON(proofReport(results))
	}
	w := table.NewTabs(k.Out)
	for _, r := range results {
		state := string(r.State)
		switch {
		case r.State == proof.NotTrusted && r.Inside == proof.Trusted:
			state += " outside projects, trusted inside: " + r.Reason
		case r.Reason != "":
			state += ": " + r.Reason
		}
		fmt.Fprintf(w, "%s\t%s\n", r.Client, state)
		if r.Hint != "" {
			fmt.Fprintf(w, "\t-> %s\n", r.Hint)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// tilde writes a path as people do.
func tilde(k *kit.Kit, path string) string {
	if h := k.UserHome(); h != "" && h != "/" {
		if rest, ok := strings.CutPrefix(path, h+"/"); ok {
			return "~/" + rest
		}
	}
	return path
}
