package machine

import (
	"github.com/spf13/cobra"

	"lodge/internal/cli/kit"
	"lodge/internal/cli/session"
	"lodge/internal/localapi"
)

// Daemon returns the command lodge daemon, which becomes lodged in the foreground, for a
// person who wants to see it. For every other command package session starts it in the
// background.
func Daemon(k *kit.Kit) *cobra.Command {
	var live bool
	var d localapi.Dirs // as the flags say
	hostsFile := k.Getenv("LODGE_HOSTS")
	c := &cobra.Command{
		Use:     "daemon",
		Short:   "The daemon, in the foreground (other commands start it by themselves)",
		Example: "  lodge daemon --live",
		Args:    kit.Args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			usual := k.Dirs()
			if !c.Flags().Changed("runtime-dir") {
				d.Runtime = usual.Runtime
			}
			if !c.Flags().Changed("state-dir") {
				d.State = usual.State
			}
			args := []string{"daemon", "--runtime-dir", d.Runtime, "--state-dir", d.State}
			if hostsFile != "" {
				args = append(args, "--hosts", hostsFile)
			}
			if live {
				args = append(args, "--live")
			}
			return session.BecomeLodged(k, args...)
		},
	}
	c.Flags().StringVar(&d.Runtime, "runtime-dir", "", "where its socket is")
	c.Flags().StringVar(&d.State, "state-dir", "", "where its state and logs are")
	c.Flags().StringVar(&hostsFile, "hosts", hostsFile, "as root: keep the names below .test in this hosts file")
	c.Flags().BoolVar(&live, "live", false, "note from now on who opens and closes connections, not only while somebody asks")
	// Help has the directories that are used without the flags. They depend on what is
	// on the disk, so they are looked up when help is printed.
	c.SetUsageFunc(func(c *cobra.Command) error {
		usual := k.Dirs()
		c.Flags().Lookup("runtime-dir").DefValue = usual.Runtime
		c.Flags().Lookup("state-dir").DefValue = usual.State
		return c.Parent().UsageFunc()(c)
	})
	return c
}
