package trust

import (
	"context"

	"lodge/internal/cli/kit"
	"lodge/internal/localapi"
	"lodge/internal/trust"
	"lodge/internal/trust/proof"
)

// Capabilities returns which of the installed programs trust lodge's names, as real
// handshakes of theirs show: for lodge doctor --trust.
func Capabilities(ctx context.Context, k *kit.Kit) ([]localapi.Capability, error) {
	authority, err := trust.Open(trust.Options{Dir: k.Dirs().Trust()})
	if err != nil {
		return nil, trustError(err)
	}
	results, err := handshakes(ctx, k, authority)
	if err != nil {
		return nil, err
	}
	var out []localapi.Capability
	for _, r := range results {
		c := localapi.Capability{Name: "https names in " + r.Client, Status: "unknown", Reason: r.Reason, Hint: r.Hint}
		switch r.State {
		case proof.Trusted:
			c.Status, c.Reason = "yes", "its request was made"
		case proof.NotTrusted:
			c.Status = "no"
			if r.Inside == proof.Trusted {
				c.Reason = "inside projects it does; outside: " + r.Reason
			}
		case proof.NotInstalled:
			continue
		}
		out = append(out, c)
	}
	return out, nil
}
