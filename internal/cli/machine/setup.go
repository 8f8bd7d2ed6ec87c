// Package machine has commands that are about this machine and lodge's own programs: setup,
// version and daemon. Packages below it have trust and doctor.
package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"lodge/internal/cli/kit"
	"lodge/internal/cli/session"
	"lodge/internal/helperapi"
	"lodge/internal/hosts"
	"lodge/internal/rootowned"
)

// Where setup puts things, below --root.
const (
	setupBinary = "/usr/local/libexec/lodge-helper"
	// setupBefore is what earlier versions installed as the helper.
	setupBefore  = "/usr/local/libexec/lodge"
	setupSocket  = "/etc/systemd/system/lodge-helper.socket"
	setupService = "/etc/systemd/system/lodge-helper.service"
	setupHosts   = "/etc/hosts"
)

// systemd passes the listening socket (systemd.socket(5)); the helper works in
// a cgroup of its own (Delegate=, systemd.resource-control(5)), and what runs
// in homes outlives it.
const (
	socketUnit = `[Unit]
Description=lodge's helper: homes for all users

[Socket]
ListenSequentialPacket=%s
SocketMode=0666
RemoveOnStop=yes

[Install]
WantedBy=sockets.target
`
	serviceUnit = `[Unit]
Description=lodge's helper: homes for all users
Requires=lodge-helper.socket

[Service]
ExecStart=%s --systemd --hosts %s%s
Delegate=yes
KillMode=process
NoNewPrivileges=yes
CapabilityBoundingSet=CAP_BPF CAP_NET_ADMIN CAP_PERFMON CAP_SYS_ADMIN CAP_DAC_OVERRIDE CAP_CHOWN CAP_FOWNER CAP_KILL CAP_SYS_PTRACE CAP_NET_BIND_SERVICE CAP_NET_RAW
PrivateTmp=yes
ProtectHome=yes
RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_INET AF_INET6 AF_PACKET
`
)

// Setup returns the command lodge setup.
func Setup(k *kit.Kit) *cobra.Command {
	var uninstall bool
	var root, webUser string
	c := &cobra.Command{
		Use:   "setup",
		Short: "Install the helper, once, for all users (as root)",
		Long: "Install lodge's helper as a systemd socket, so that every user gets the ebpf engine, names below .test in\n" +
			setupHosts + ", and sees which process has which socket, also those of other users, without being root.\n" +
			"Ports 80 and 443 for names, of which a machine has one, are for the user who runs sudo, or --web-user.\n" +
			"It writes " + setupBinary + ", " + setupSocket + "\n" +
			"and " + setupService + "; --uninstall removes them, and all names.",
		Example: `  sudo lodge setup
  sudo lodge setup --uninstall`,
		Args: kit.Args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if os.Geteuid() != 0 {
				return &kit.Hinted{Err: errors.New("set up the helper: not root"), Hint: "sudo lodge setup"}
			}
			if uninstall {
				return unsetup(c.Context(), k, root)
			}
			return setup(c.Context(), k, root, webUser)
		},
	}
	c.Flags().BoolVar(&uninstall, "uninstall", false, "take it away again")
	c.Flags().StringVar(&webUser, "web-user", "", "the `USER` who has ports 80 and 443 of localhost; without it, the user who runs sudo")
	c.Flags().StringVar(&root, "root", "/", "install below this `DIRECTORY`, and tell systemd nothing")
	return c
}

func setup(ctx context.Context, k *kit.Kit, root, webUser string) error {
	web, err := webUserFlag(webUser, k.Getenv("SUDO_UID"))
	if err != nil {
		return err
	}
	systemd := filepath.Clean(root) == "/"
	if systemd {
		if _, err := os.Stat("/run/systemd/system"); err != nil { // sd_booted(3)
			return &kit.Hinted{
				Err:  errors.New("set up the helper: this machine was not booted with systemd"),
				Hint: "run it by other means: " + k.Env.Helper + " --listen " + helperapi.SystemSocket,
			}
		}
	}
	bin, err := os.ReadFile(k.Env.Helper)
	if err != nil {
		return session.Missing(k.Env.Helper, err)
	}
	for _, f := range []struct {
		path string
		data []byte
		mode os.FileMode
	}{
		{setupBinary, bin, 0o755},
		{setupSocket, fmt.Appendf(nil, socketUnit, helperapi.SystemSocket), 0o644},
		{setupService, fmt.Appendf(nil, serviceUnit, setupBinary, setupHosts, web), 0o644},
	} {
		p := filepath.Join(root, f.path)
		if err := install(root, p, f.data, f.mode); err != nil {
			return fmt.Errorf("install %s: %w", p, err)
		}
		fmt.Fprintln(k.Out, "wrote", p)
	}
	if !systemd {
		return nil
	}
	for _, args := range [][]string{{"daemon-reload"}, {"stop", "lodge-helper.service"}, {"enable", "--now", "lodge-helper.socket"}} {
		if err := systemctl(ctx, args...); err != nil {
			return err
		}
	}
	fmt.Fprintln(k.Out, "every user has the ebpf engine now, and sees whose sockets there are; see: lodge doctor")
	return nil
}

// webUserFlag returns the helper's flag for the user of ports 80 and 443: the one that
// is named, or the one that ran sudo (sudo(8), SUDO_UID). Without either the helper
// takes the first user that asks, and the flag is "".
func webUserFlag(name, sudoUID string) (string, error) {
	if name == "" {
		if n, err := strconv.ParseUint(sudoUID, 10, 32); err != nil || n == 0 {
			return "", nil
		}
		return " --web-user " + sudoUID, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		if u, err = user.LookupId(name); err != nil {
			return "", fmt.Errorf("find user %q: there is none", name)
		}
	}
	if u.Uid == "0" {
		return "", errors.New("give ports 80 and 443 to root: its daemon opens them without a helper")
	}
	return " --web-user " + u.Uid, nil
}

// install writes a file below root that only root can change or replace, in one
// step.
func install(root, path string, data []byte, mode os.FileMode) error {
	dir := filepath.Dir(path)
	if err := onlyRootChanges(root, dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, ".lodge-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // fails after the rename, as it should
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Chmod(mode)
	}
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// onlyRootChanges makes sure that only root can put files in a directory below
// root, also where some of it is still missing.
func onlyRootChanges(root, dir string) error {
	absRoot, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	absDir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	return rootowned.DirBelow(absRoot, absDir)
}

func unsetup(ctx context.Context, k *kit.Kit, root string) error {
	var errs []error
	_, unitErr := os.Stat(filepath.Join(root, setupSocket))
	systemd := filepath.Clean(root) == "/" && unitErr == nil
	if systemd {
		errs = append(errs, systemctl(ctx, "disable", "--now", "lodge-helper.socket", "lodge-helper.service"))
		// A helper that was killed would stay in systemd's list as failed. A pattern,
		// since systemctl refuses the name of a unit that is not loaded; a line in a
		// list is all that is left where it fails.
		_ = systemctl(ctx, "reset-failed", "lodge-helper.*")
	}
	for _, f := range []string{setupSocket, setupService, setupBinary, setupBefore} {
		p := filepath.Join(root, f)
		err := os.Remove(p)
		if err == nil {
			fmt.Fprintln(k.Out, "removed", p)
		} else if !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	// setup may have made this directory, which not every distribution has.
	if err := os.Remove(filepath.Dir(filepath.Join(root, setupBinary))); err != nil &&
		!errors.Is(err, syscall.ENOTEMPTY) && !errors.Is(err, os.ErrNotExist) {
		errs = append(errs, err)
	}
	errs = append(errs, hosts.RemoveAll(filepath.Join(root, setupHosts)))
	if systemd {
		errs = append(errs, systemctl(ctx, "daemon-reload"))
	}
	return errors.Join(errs...)
}

func systemctl(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, "systemctl", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("systemctl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
