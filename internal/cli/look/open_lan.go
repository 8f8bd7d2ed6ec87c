package look

import (
	"context"
	"fmt"
	"io"

	"rsc.io/qr"

	"lodge/internal/cli/kit"
	"lodge/internal/cli/session"
	"lodge/internal/localapi"
	"lodge/internal/selection"
	"lodge/internal/show"
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

// printQR prints a QR code (ISO/IEC 18004) with two modules in a character,
// dark on light, with the quiet zone of four modules that readers need.
func printQR(w io.Writer, text string) error {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return fmt.Errorf("make QR code: %w", err)
	}
	const quiet = 4
	dark := func(x, y int) bool { return x >= 0 && y >= 0 && x < code.Size && y < code.Size && code.Black(x, y) }
	for y := -quiet; y < code.Size+quiet; y += 2 {
		// Black on white whatever the terminal's colours are (ECMA-48, SGR).
		line := ""
		for x := -quiet; x < code.Size+quiet; x++ {
			switch {
			case dark(x, y) && dark(x, y+1):
				line += "█"
			case dark(x, y):
				line += "▀"
			case dark(x, y+1):
				line += "▄"
			default:
				line += " "
			}
		}
		if _, err := fmt.Fprintln(w, show.Paint(show.BlackOnWhite, line)); err != nil {
			return err
		}
	}
	return nil
}
