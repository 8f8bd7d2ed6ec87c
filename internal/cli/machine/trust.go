package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"lodge/internal/cli/kit"
	"lodge/internal/show"
	"lodge/internal/trust"
	"lodge/internal/trust/proof"
	"lodge/internal/trust/stores"
)

// renewEarly is how long before its end `lodge trust` replaces an authority.
const renewEarly = 30 * 24 * time.Hour

type trustFlags struct {
	uninstall, status, check, pem, renew, json bool
	only                                       []string
	root                                       string
}

// Trust returns the command lodge trust.
func Trust(k *kit.Kit) *cobra.Command {
	var f trustFlags
	c := &cobra.Command{
		Use:   "trust",
		Short: "Make programs on this machine trust lodge's HTTPS names",
		Long: "Install the certificate of your own local authority into the system's store, the databases of Chromium and Firefox, and Java's key stores.\n" +
			"The authority can sign for localhost, test and the names below them, and for nothing else. What needs root is printed as a command.",
		Example: `  lodge trust              install it, and say what is left to do as root
  lodge trust --check      which programs believe it, by asking them
  lodge trust --uninstall`,
		Args: kit.Args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return runTrust(c.Context(), k, f) },
	}
	c.Flags().BoolVar(&f.uninstall, "uninstall", false, "take it out of all stores, and remove the authority")
	c.Flags().BoolVar(&f.status, "status", false, "say in which stores it is")
	c.Flags().BoolVar(&f.check, "check", false, "let each installed program make an HTTPS request, and say which trust it")
	c.Flags().BoolVar(&f.pem, "pem", false, "print the authority's certificate")
	c.Flags().BoolVar(&f.renew, "renew", false, "make a new authority, install it, and take the old one out")
	c.Flags().StringSliceVar(&f.only, "only", nil, "only these `STORES`: system, nss, java")
	c.Flags().StringVar(&f.root, "root", "/", "look for system paths below this `DIRECTORY`")
	c.Flags().BoolVar(&f.json, "json", false, "as JSON")
	return c
}

func runTrust(ctx context.Context, k *kit.Kit, f trustFlags) error {
	kinds, err := trustKinds(f)
	if err != nil {
		return err
	}
	dir := k.Dirs().Trust()
	if os.Geteuid() == 0 && k.Getenv("SUDO_UID") != "" && k.Getenv("SUDO_UID") != "0" && !f.status && !f.check {
		fmt.Fprintln(k.Err, "lodge: this is root's authority, not yours: run lodge trust without sudo, and it prints what needs root")
	}
	switch {
	case f.uninstall:
		return distrust(ctx, k, f, dir, kinds)
	case f.status:
		return trustStatus(ctx, k, f, dir, kinds)
	}
	authority, err := trust.Open(trust.Options{Dir: dir})
	if err != nil {
		return trustError(err)
	}
	if f.renew || time.Until(authority.Root().NotAfter) < renewEarly {
		if err := authority.Renew(); err != nil {
			return trustError(err)
		}
	}
	for _, w := range authority.Warnings() {
		fmt.Fprintln(k.Err, "lodge: "+w)
	}
	switch {
	case f.pem:
		_, err := k.Out.Write(authority.PEM())
		if err != nil {
			return fmt.Errorf("print: %w", err)
		}
		return nil
	case f.check:
		return proveTrust(ctx, k, f, authority)
	}
	results := stores.Install(ctx, machine(k, f.root), anchorOf(authority), kinds)
	if err := printStores(k, f.json, authority, results); err != nil {
		return err
	}
	if slices.ContainsFunc(results, func(r stores.Result) bool { return r.Kind == stores.NSS && r.State == stores.Done }) {
		fmt.Fprintln(k.Err, "browsers that are running see it after a restart")
	}
	return undone("install the authority", results)
}

// trustKinds checks the flags and returns the kinds of stores that are meant.
func trustKinds(f trustFlags) ([]stores.Kind, error) {
	verbs := 0
	for _, set := range []bool{f.uninstall, f.status, f.check, f.pem, f.renew} {
		if set {
			verbs++
		}
	}
	switch {
	case verbs > 1:
		return nil, &kit.UsageError{Err: errors.New("trust: --uninstall, --status, --check, --pem and --renew exclude each other"), Hint: "lodge trust --help"}
	case f.pem && f.json:
		return nil, &kit.UsageError{Err: errors.New("trust: --pem prints PEM, not JSON"), Hint: "lodge trust --status --json"}
	case len(f.only) > 0 && (f.pem || f.check):
		return nil, &kit.UsageError{Err: errors.New("trust: --only is about stores"), Hint: "lodge trust --only system"}
	case !filepath.IsAbs(f.root):
		return nil, &kit.UsageError{Err: fmt.Errorf("trust: --root %q is not an absolute path", f.root), Hint: "--root /"}
	}
	if len(f.only) == 0 {
		return stores.Kinds(), nil
	}
	var kinds []stores.Kind
	for _, o := range f.only {
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

func trustStatus(ctx context.Context, k *kit.Kit, f trustFlags, dir string, kinds []stores.Kind) error {
	authority, err := trust.Look(trust.Options{Dir: dir})
	if errors.Is(err, trust.ErrNone) {
		if f.json {
			if err := printStores(k, true, nil, nil); err != nil {
				return err
			}
		}
		return &kit.Hinted{Err: err, Hint: "lodge trust"}
	}
	if err != nil {
		return trustError(err)
	}
	results := stores.Status(ctx, machine(k, f.root), anchorOf(authority), kinds)
	if err := printStores(k, f.json, authority, results); err != nil {
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
func distrust(ctx context.Context, k *kit.Kit, f trustFlags, dir string, kinds []stores.Kind) error {
	anchor := stores.Anchor{Record: trust.ReadRecord(dir), Dir: dir}
	authority, err := trust.Look(trust.Options{Dir: dir})
	if errors.Is(err, trust.ErrForeign) {
		return trustError(err)
	}
	if err == nil { // what cannot be read is still known by the record
		anchor.Root, anchor.File = authority.Root(), authority.RootPath()
	}
	results := stores.Uninstall(ctx, machine(k, f.root), anchor, kinds)
	if err := printStores(k, f.json, nil, results); err != nil {
		return err
	}
	if err := undone("take the authority out", results); err != nil {
		return err
	}
	if len(f.only) > 0 {
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
func proveTrust(ctx context.Context, k *kit.Kit, f trustFlags, authority *trust.Authority) error {
	results, err := handshakes(ctx, k, authority)
	if err != nil {
		return err
	}
	if err := printProof(k, f.json, results); err != nil {
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
