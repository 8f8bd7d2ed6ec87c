package cli

import (
	"context"
	"fmt"
	"io"

	"rsc.io/qr"

	"lodge/internal/localapi"
	"lodge/internal/operation"
	"lodge/internal/show"
)

// shareName shares a service with the network until it is stopped.
func (a *app) shareName(ctx context.Context, names []string, ip string, asJSON bool) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	p, err := a.find(ctx, c, false)
	if err != nil {
		return err
	}
	service := ""
	if len(names) > 0 {
		s, err := operation.ServiceOf(p, names[0])
		if err != nil {
			return err
		}
		service = s.Name
	}
	err = c.Share(ctx, p.ID, service, ip, func(s localapi.Share) {
		if asJSON {
			_ = a.printJSON(s) // kept by out, and told at the end
			return
		}
		a.showShare(s)
	})
	return err
}

func (a *app) showShare(s localapi.Share) {
	fmt.Fprintln(a.out, s.URL)
	if s.NameURL != "" {
		fmt.Fprintln(a.out, s.NameURL)
	} else {
		fmt.Fprintln(a.err, "lodge: no name in the network: "+s.NameReason)
	}
	if isTerminal(a.env.Stdout) {
		_ = printQR(a.out, s.URL) // an address is always short enough
	}
	fmt.Fprintf(a.err, "everybody in the network of %s may open it, without encryption; Ctrl-C stops sharing\n", s.Interface)
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
