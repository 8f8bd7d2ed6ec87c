package cli

import (
	"context"
	"errors"
	"fmt"
	"os/exec"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"lodge/internal/service"
)

func (a *app) openCommand() *cobra.Command {
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
		Args: args(cobra.MaximumNArgs(1)),
		RunE: a.withServices(func(c *cobra.Command, names []string) error {
			if lan {
				return a.shareName(c.Context(), names, ip, asJSON)
			}
			if ip != "" {
				return &usageError{err: errors.New("open name: --ip is an address to share at"), hint: "lodge open --lan --ip " + ip}
			}
			return a.openName(c.Context(), names, only, asJSON)
		}),
	}
	c.Flags().BoolVar(&only, "print", false, "only print it")
	c.Flags().BoolVar(&lan, "lan", false, "share the service with this machine's network until Ctrl-C")
	c.Flags().StringVar(&ip, "ip", "", "with --lan: at this `ADDRESS` of the machine")
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON, and open nothing")
	a.completesServices(c, 1)
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

func (a *app) openName(ctx context.Context, names []string, only, asJSON bool) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	p, err := a.find(ctx, c, false)
	if err != nil {
		return err
	}
	name := ""
	if len(names) > 0 {
		name = names[0]
	}
	o, err := a.leads(ctx, c, p, name)
	if err != nil {
		return err
	}
	if asJSON {
		return a.printJSON(o)
	}
	fmt.Fprintln(a.out, o.URL)
	if only {
		return nil
	}
	return a.browse(o.URL)
}

// browse opens a page in the person's browser, if there seems to be one: not
// where the output goes to a program, nor over ssh.
func (a *app) browse(url string) error {
	browser := a.getenv("BROWSER")
	if browser == "" && (a.getenv("DISPLAY") != "" || a.getenv("WAYLAND_DISPLAY") != "") {
		browser = "xdg-open"
	}
	if browser == "" || !isTerminal(a.env.Stdout) {
		return nil
	}
	path, err := service.LookPath(browser, a.env.Dir, a.env.Environ)
	if err != nil {
		return &hinted{err: fmt.Errorf("open browser: %w", err), hint: "set BROWSER, or: lodge open --print"}
	}
	cmd := exec.Command(path, url)
	cmd.Env, cmd.Dir = a.env.Environ, a.env.Dir
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true} // it outlives the terminal's signals
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("open browser: %w", err)
	}
	return cmd.Process.Release()
}
