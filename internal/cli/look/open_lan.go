package look

import (
	"context"
	"fmt"

	"lodge/internal/cli/kit"
	"lodge/internal/cli/session"
	"lodge/internal/localapi"
	"lodge/internal/selection"
)

// shareName shares a service with the network until it is stopped.
func shareName(ctx context.Context, sel *session.Selection, names []string, ip string, asJSON bool) error {
	c, err := session.Connect(ctx, sel.Kit)
	if err != nil {
		return err
	}
	defer c.Close()
	p, err := sel.Find(ctx, c, false)
	if err != nil {
		return err
	}
	service := ""
	if len(names) > 0 {
		s, err := selection.Service(p, names[0])
		if err != nil {
			return err
		}
		service = s.Name
	}
	err = c.Share(ctx, p.ID, service, ip, func(s localapi.Share) {
		if asJSON {
			_ = sel.PrintJSON(s) // kept by out, and told at the end
			return
		}
		showShare(sel.Kit, s)
	})
	return err
}

func showShare(k *kit.Kit, s localapi.Share) {
	fmt.Fprintln(k.Out, s.URL)
	if s.NameURL != "" {
		fmt.Fprintln(k.Out, s.NameURL)
	} else {
		fmt.Fprintln(k.Err, "lodge: no name in the network: "+s.NameReason)
	}
	if kit.IsTerminal(k.Env.Stdout) {
		_ = printQR(k.Out, s.URL) // an address is always short enough
	}
	fmt.Fprintf(k.Err, "everybody in the network of %s may open it, without encryption; Ctrl-C stops sharing\n", s.Interface)
}
