package engines

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"lodge/internal/helperapi"
	"lodge/internal/keeperapi"
	"lodge/internal/loopback"
	"lodge/internal/stall"
)

// CreateHome has the helper make a home's cgroups and hand over what its keeper needs;
// it fills in the configuration accordingly. The caller closes the files.
func (e *Engines) CreateHome(ctx context.Context, cfg *keeperapi.Config) ([]*os.File, error) {
	var hf *helperapi.HomeFiles
	err := e.helper.Ask(ctx, func(c *helperapi.Client) (err error) {
		e.left.remove(ctx, c)
		hf, err = c.CreateHome(ctx, cfg.Home.IP4, cfg.Home.Isolation == loopback.Strict)
		return err
	})
	if err != nil {
		return nil, err
	}
	e.worked()
	cfg.Home.IP6, cfg.Cgroup, cfg.EngineFiles = hf.IP6, hf.Path, len(hf.Files())
	return hf.Files(), nil
}

// Enter puts a keeper beside its home, where it may start processes inside.
func (e *Engines) Enter(ctx context.Context, cfg keeperapi.Config, pid int) error {
	return e.helper.Ask(ctx, func(c *helperapi.Client) error { return c.Enter(ctx, cfg.Home.IP4, pid) })
}

// RemoveHome takes down what [Engines.CreateHome] made, with the processes that a
// killed keeper left. Where the helper does not run, it ends the processes, and the
// home is removed when the helper answers again.
func (e *Engines) RemoveHome(ctx context.Context, cfg keeperapi.Config) error {
	err := e.helper.Ask(ctx, func(c *helperapi.Client) error { return c.RemoveHome(ctx, cfg.Cgroup, true) })
	if !stall.Is(err) {
		return err
	}
	kerr := killCgroup(cfg.Cgroup)
	if errors.Is(kerr, os.ErrNotExist) {
		return nil // it was removed
	}
	e.left.add(cfg.Cgroup)
	if kerr != nil {
		return errors.Join(err, fmt.Errorf("end what runs in %s: %w", cfg.Cgroup, kerr))
	}
	return nil
}

// killCgroup ends what runs in a home's cgroup, which is this user's (cgroups(7),
// cgroup.kill), also what is frozen.
func killCgroup(cgroup string) error {
	f, err := os.OpenFile(filepath.Join(cgroup, "cgroup.kill"), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString("1")
	return errors.Join(err, f.Close())
}
