package trust

import (
	"strings"
	"time"

	"lodge/internal/trust"
	"lodge/internal/trust/proof"
	"lodge/internal/trust/stores"
)

// trustJSON is what `lodge trust --json` and --status --json print.
type trustJSON struct {
	Authority *authorityJSON `json:"authority"`
	Stores    []storeJSON    `json:"stores"`
}

type authorityJSON struct {
	Name        string    `json:"name"`
	Fingerprint string    `json:"fingerprint_sha256"`
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
	Domains     []string  `json:"domains"`
	Path        string    `json:"path"`
}

type storeJSON struct {
	Kind    stores.Kind `json:"kind"`
	Name    string      `json:"name"`
	Path    string      `json:"path,omitempty"`
	State   string      `json:"state"`
	Reason  string      `json:"reason,omitempty"`
	Command string      `json:"command,omitempty"`
}

// proofJSON is what `lodge trust --check --json` prints.
type proofJSON struct {
	Clients []clientJSON `json:"clients"`
}

type clientJSON struct {
	Client     string `json:"client"`
	Path       string `json:"path,omitempty"`
	State      string `json:"state"`
	Inside     string `json:"inside_project"`
	Reason     string `json:"reason,omitempty"`
	Hint       string `json:"hint,omitempty"`
	DurationMS int64  `json:"duration_ms"`
}

func trustReport(authority *trust.Authority, results []stores.Result) trustJSON {
	report := trustJSON{Stores: []storeJSON{}}
	if authority != nil {
		root := authority.Root()
		report.Authority = &authorityJSON{
			Name: root.Subject.CommonName, Fingerprint: trust.Fingerprint(root), NotBefore: root.NotBefore, NotAfter: root.NotAfter,
			Domains: root.PermittedDNSDomains, Path: authority.RootPath(),
		}
	}
	for _, r := range results {
		report.Stores = append(report.Stores, storeJSON{r.Kind, r.Name, r.Path, word(string(r.State)), r.Reason, r.Command})
	}
	return report
}

func proofReport(results []proof.Result) proofJSON {
	report := proofJSON{Clients: []clientJSON{}}
	for _, r := range results {
		report.Clients = append(report.Clients, clientJSON{
			r.Client, r.Path, word(string(r.State)), word(string(r.Inside)), r.Reason, r.Hint, r.Duration.Milliseconds(),
		})
	}
	return report
}

// word writes a state as a value for programs: needs_root.
func word(s string) string { return strings.ReplaceAll(s, " ", "_") }
