// Package trust carries out `lodge trust`, in lodged: it makes the user's authority, puts it
// into the stores of this machine, and asks programs whether they trust it. Package trustcmd
// has the command's flags and help, without what this needs.
package trust

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"lodge/internal/cli/kit"
	"lodge/internal/cli/machine/trust/trustcmd"
	"lodge/internal/show"
	"lodge/internal/trust"
	"lodge/internal/trust/proof"
	"lodge/internal/trust/stores"
)

// renewEarly is how long before its end `lodge trust` replaces an authority.
const renewEarly = 30 * 24 * time.Hour

// Run carries out the command with its flags.
func Run(ctx context.Context, k *kit.Kit, f trustcmd.Flags) error {
	kinds, err := trustKinds(f)
	if err != nil {
		return err
	}
	dir := k.Dirs().Trust()
	if os.Geteuid() == 0 && k.Getenv("SUDO_UID") != "" && k.Getenv("SUDO_UID") != "0" && !f.Status && !f.Check {
		fmt.Fprintln(k.Err, "lodge: this is root's authority, not yours: run lodge trust without sudo, and it prints what needs root")
	}
	switch {
	case f.Uninstall:
		return distrust(ctx, k, f, dir, kinds)
	case f.Status:
		return trustStatus(ctx, k, f, dir, kinds)
	}
	authority, err := trust.Open(trust.Options{Dir: dir})
	if err != nil {
		return trustError(err)
	}
	if f.Renew || time.Until(authority.Root().NotAfter) < renewEarly {
		if err := authority.Renew(); err != nil {
			return trustError(err)
		}
	}
	for _, w := range authority.Warnings() {
		fmt.Fprintln(k.Err, "lodge: "+w)
	}
	switch {
	case f.PEM:
		_, err := k.Out.Write(authority.PEM())
		if err != nil {
			return fmt.Errorf("print: %w", err)
		}
		return nil
	case f.Check:
		return proveTrust(ctx, k, f, authority)
	}
	results := stores.Install(ctx, machine(k, f.Root), anchorOf(authority), kinds)
	if err := printStores(k, f.JSON, authority, results); err != nil {
		return err
	}
	if slices.ContainsFunc(results, func(r stores.Result) bool { return r.Kind == stores.NSS && r.State == stores.Done }) {
		fmt.Fprintln(k.Err, "browsers that are running see it after a restart")
	}
	return undone("install the authority", results)
}

// trustKinds checks the flags and returns the kinds of stores that are meant.
func trustKinds(f trustcmd.Flags) ([]stores.Kind, error) {
	verbs := 0
	for _, set := range []bool{f.Uninstall, f.Status, f.Check, f.PEM, f.Renew} {
		if set {
			verbs++
		}
	}
	switch {
	case verbs > 1:
		return nil, &kit.UsageError{Err: errors.New("trust: --uninstall, --status, --check, --pem and --renew exclude each other"), Hint: "lodge trust --help"}
	case f.PEM && f.JSON:
		return nil, &kit.UsageError{Err: errors.New("trust: --pem prints PEM, not JSON"), Hint: "lodge trust --status --json"}
	case len(f.Only) > 0 && (f.PEM || f.Check):
		return nil, &kit.UsageError{Err: errors.New("trust: --only is about stores"), Hint: "lodge trust --only system"}
	case !filepath.IsAbs(f.Root):
		return nil, &kit.UsageError{Err: fmt.Errorf("trust: --root %q is not an absolute path", f.Root), Hint: "--root /"}
	}
	if len(f.Only) == 0 {
		return stores.Kinds(), nil
	}
	var kinds []stores.Kind
	for _, o := range f.Only {
		if !slices.Contains(stores.Kinds(), stores.Kind(o)) {
			return nil, &kit.UsageError{Err: fmt.Errorf("trust: store %q: not one of system, nss, java", o), Hint: "lodge trust --only system"}
		}
		kinds = append(kinds, stores.Kind(o))
	}
	return kinds, nil
}

func trustError(err error) error {
	if errors.Is(err, trust.ErrForeign) {
		return &kit.Hinted{Err: err, Hint: "set XDG_STATE_HOME to a directory of your own"}
	}
	return err
}

// machine returns where programs and stores are.
func machine(k *kit.Kit, root string) stores.Machine {
	return stores.Machine{
		SysRoot: root, Home: k.UserHome(), DataHome: k.Getenv("XDG_DATA_HOME"), ConfigHome: k.Getenv("XDG_CONFIG_HOME"),
		JavaHome: k.Getenv("JAVA_HOME"), Path: k.Getenv("PATH"), Environ: k.Env.Environ,
	}
}

func anchorOf(authority *trust.Authority) stores.Anchor {
	return stores.Anchor{Root: authority.Root(), File: authority.RootPath(), Record: trust.ReadRecord(authority.Dir()), Dir: authority.Dir()}
}

func trustStatus(ctx context.Context, k *kit.Kit, f trustcmd.Flags, dir string, kinds []stores.Kind) error {
	authority, err := trust.Look(trust.Options{Dir: dir})
	if errors.Is(err, trust.ErrNone) {
		if f.JSON {
			if err := printStores(k, true, nil, nil); err != nil {
				return err
			}
		}
		return &kit.Hinted{Err: err, Hint: "lodge trust"}
	}
	if err != nil {
		return trustError(err)
	}
	results := stores.Status(ctx, machine(k, f.Root), anchorOf(authority), kinds)
	if err := printStores(k, f.JSON, authority, results); err != nil {
		return err
	}
	missing := 0
	for _, r := range results {
		if r.State == stores.Missing || r.State == stores.Failed {
			missing++
		}
	}
	if missing > 0 {
		return &kit.Hinted{Err: fmt.Errorf("look at the stores: %s", show.Count(missing, "does not have the authority", "do not have the authority")), Hint: "lodge trust"}
	}
	return nil
}

// distrust takes the authority out of the stores, and removes it when it is in
// none any more.
func distrust(ctx context.Context, k *kit.Kit, f trustcmd.Flags, dir string, kinds []stores.Kind) error {
	anchor := stores.Anchor{Record: trust.ReadRecord(dir), Dir: dir}
	authority, err := trust.Look(trust.Options{Dir: dir})
	if errors.Is(err, trust.ErrForeign) {
		return trustError(err)
	}
	if err == nil { // what cannot be read is still known by the record
		anchor.Root, anchor.File = authority.Root(), authority.RootPath()
	}
	results := stores.Uninstall(ctx, machine(k, f.Root), anchor, kinds)
	if err := printStores(k, f.JSON, nil, results); err != nil {
		return err
	}
	if err := undone("take the authority out", results); err != nil {
		return err
	}
	if len(f.Only) > 0 {
		return nil
	}
	return trust.Forget(dir)
}

// undone is the error of stores that still need something.
func undone(verb string, results []stores.Result) error {
	var needRoot, failed int
	for _, r := range results {
		switch r.State {
		case stores.NeedsRoot:
			needRoot++
		case stores.Failed:
			failed++
		}
	}
	switch {
	case failed > 0:
		return fmt.Errorf("%s: %s", verb, show.Count(failed, "store failed", "stores failed"))
	case needRoot > 0:
		return &kit.Hinted{Err: fmt.Errorf("%s: %s", verb, show.Count(needRoot, "store needs root", "stores need root")), Hint: "run the commands above"}
	}
	return nil
}

// handshakes lets each installed program make an HTTPS request.
func handshakes(ctx context.Context, k *kit.Kit, authority *trust.Authority) ([]proof.Result, error) {
	inside, err := authority.Env(k.Env.Environ)
	if err != nil {
		return nil, err
	}
	return proof.Run(ctx, proof.Options{Authority: authority, Home: k.UserHome(), Path: k.Getenv("PATH"), Environ: k.Env.Environ, Inside: inside})
}

// proveTrust lets the installed programs ask a server with a leaf.
func proveTrust(ctx context.Context, k *kit.Kit, f trustcmd.Flags, authority *trust.Authority) error {
	results, err := handshakes(ctx, k, authority)
	if err != nil {
		return err
	}
	if err := printProof(k, f.JSON, results); err != nil {
		return err
	}
	bad := 0
	for _, r := range results {
		if r.State == proof.NotTrusted {
			bad++
		}
	}
	if bad > 0 {
		return &kit.Hinted{Err: fmt.Errorf("check trust: %s", show.Count(bad, "program does not trust the authority", "programs do not trust the authority")), Hint: "run the commands above"}
	}
	return nil
}
