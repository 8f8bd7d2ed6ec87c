package look

import (
	"context"
	"errors"
	"fmt"
	"os/exec"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"lodge/internal/cli/kit"
	"lodge/internal/cli/session"
	"lodge/internal/service"
)

// Open returns the command lodge open.
func Open(k *kit.Kit) *cobra.Command {
	sel := session.Select(k)
	var only, asJSON, lan bool
	var ip string
	c := &cobra.Command{
		Use:   "open [SERVICE]",
		Short: "Show a service's page: by its name, in the browser",
		Long: "Print the HTTPS name of a service, or of the project, and open it in the browser where there is one\n" +
			"(BROWSER, or xdg-open in a graphical session).\n" +
			"With --lan other devices in this machine's network reach the service, over plain HTTP, until Ctrl-C.",
		Example: `  lodge open               the project's page
  lodge open api --print
  lodge open web --lan     for a phone in the same network`,
		Args: kit.Args(cobra.MaximumNArgs(1)),
		RunE: sel.WithServices(func(c *cobra.Command, names []string) error {
			if lan {
				return shareName(c.Context(), sel, names, ip, asJSON)
			}
			if ip != "" {
				return &kit.UsageError{Err: errors.New("open name: --ip is an address to share at"), Hint: "lodge open --lan --ip " + ip}
			}
			return openName(c.Context(), sel, names, only, asJSON)
		}),
	}
	c.Flags().BoolVar(&only, "print", false, "only print it")
	c.Flags().BoolVar(&lan, "lan", false, "share the service with this machine's network until Ctrl-C")
	c.Flags().StringVar(&ip, "ip", "", "with --lan: at this `ADDRESS` of the machine")
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON, and open nothing")
	sel.CompleteServices(c, 1)
	return c
}

// opened is what `lodge open --json` prints.
type opened struct {
	URL      string `json:"url"`
	Project  string `json:"project"`
	Service  string `json:"service,omitempty"`
	HostName string `json:"host_name,omitempty"`
	Home     string `json:"home"`
}

func openName(ctx context.Context, sel *session.Selection, names []string, only, asJSON bool) error {
	c, err := session.Connect(ctx, sel.Kit)
	if err != nil {
		return err
	}
	defer c.Close()
	p, err := sel.Find(ctx, c, false)
	if err != nil {
		return err
	}
	name := ""
	if len(names) > 0 {
		name = names[0]
	}
	o, err := leads(ctx, c, p, name)
	if err != nil {
		return err
	}
	if asJSON {
		return sel.PrintJSON(o)
	}
	fmt.Fprintln(sel.Out, o.URL)
	if only {
		return nil
	}
	return browse(sel.Kit, o.URL)
}

// browse opens a page in the person's browser, if there seems to be one: not
// where the output goes to a program, nor over ssh.
func browse(k *kit.Kit, url string) error {
	browser := k.Getenv("BROWSER")
	if browser == "" && (k.Getenv("DISPLAY") != "" || k.Getenv("WAYLAND_DISPLAY") != "") {
		browser = "xdg-open"
	}
	if browser == "" || !kit.IsTerminal(k.Env.Stdout) {
		return nil
	}
	path, err := service.LookPath(browser, k.Env.Dir, k.Env.Environ)
	if err != nil {
		return &kit.Hinted{Err: fmt.Errorf("open browser: %w", err), Hint: "set BROWSER, or: lodge open --print"}
	}
	cmd := exec.Command(path, url)
	cmd.Env, cmd.Dir = k.Env.Environ, k.Env.Dir
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true} // it outlives the terminal's signals
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("open browser: %w", err)
	}
	return cmd.Process.Release()
}
