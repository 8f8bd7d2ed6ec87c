// Package stores puts the authority's root into the places where programs look
// for what they trust, reports whether it is there, and takes it out again: the
// system's store, the databases of NSS (Chromium, Firefox) and the key stores
// of Java. It makes no certificate, and it asks for no password: what
// needs root and is not run by root comes back as the command that does it.
//
// It is small code of lodge's own. github.com/smallstep/truststore does the
// same for more systems, but it looks for Firefox and Chromium only where they
// were years ago (no XDG, snap or flatpak paths), reads the environment by
// itself, and cannot work below another root, which the tests need.
package stores

import (
	"context"
	"crypto/x509"
	"slices"

	"lodge/internal/trust"
)

// Kind is a family of stores.
type Kind string

// The kinds, in the order in which they are worked on: the system's command
// fills Java's key store on many systems.
const (
	System Kind = "system"
	NSS    Kind = "nss"
	Java   Kind = "java"
)

// Kinds returns all kinds in order.
func Kinds() []Kind { return []Kind{System, NSS, Java} }

// State is what came of a store.
type State string

const (
	Done      State = "done"       // it was changed as asked
	Already   State = "already"    // Install had nothing to do
	Installed State = "installed"  // Status found the root
	Missing   State = "not there"  // Status or Uninstall found none
	Absent    State = "not here"   // there is no such store on this machine
	NeedsRoot State = "needs root" // Command does it
	Failed    State = "failed"     // Reason says why; Command, where there is one, mends it
)

// Result is what came of one store.
type Result struct {
	Kind    Kind
	Name    string // for people, such as "Chromium"
	Path    string // where it is; "" where it is not here
	State   State
	Reason  string
	Command string // for a shell
}

// Machine is where stores and programs are.
type Machine struct {
	SysRoot    string   // system paths are below this directory; "/" is the machine's own
	Home       string   // the user's home directory; "" is none
	DataHome   string   // XDG_DATA_HOME; "" is Home/.local/share
	ConfigHome string   // XDG_CONFIG_HOME; "" is Home/.config
	JavaHome   string   // JAVA_HOME; "" is not set
	Path       string   // PATH
	Environ    []string // for the programs that are run
}

// Anchor is the root to install, and how to know the ones of before.
type Anchor struct {
	Root   *x509.Certificate // nil in Uninstall where there is no authority any more
	File   string            // a file with Root as PEM
	Record *trust.Record
	Dir    string // for the note of what was made here; it must be there, except for Uninstall
}

// Install puts the root into the stores of these kinds and takes out those of
// before. Stores that have it are left alone.
func Install(ctx context.Context, m Machine, a Anchor, kinds []Kind) []Result {
	return each(ctx, newWork(m, a, install), kinds)
}

// Uninstall takes out every root that was ever the authority's, and removes
// databases and directories that Install made, if nothing else is in them.
func Uninstall(ctx context.Context, m Machine, a Anchor, kinds []Kind) []Result {
	return each(ctx, newWork(m, a, uninstall), kinds)
}

// Status reports whether the root is in the stores, and changes nothing.
func Status(ctx context.Context, m Machine, a Anchor, kinds []Kind) []Result {
	return each(ctx, newWork(m, a, status), kinds)
}

type action int

const (
	install action = iota
	uninstall
	status
)

// work is one run over the stores.
type work struct {
	Anchor
	act      action
	made     note
	sysRoot  sysRoot
	programs programs
	browsers browsers
	home     string
	javaHome string
}

func newWork(m Machine, a Anchor, act action) *work {
	return &work{
		Anchor: a, act: act, sysRoot: sysRoot(m.SysRoot), programs: programs{m.Path, m.Environ},
		browsers: browsers{m.Home, m.DataHome, m.ConfigHome}, home: m.Home, javaHome: m.JavaHome,
	}
}

func each(ctx context.Context, w *work, kinds []Kind) []Result {
	w.made.read(w.Dir)
	var all []Result
	for _, k := range Kinds() {
		if !slices.Contains(kinds, k) {
			continue
		}
		switch k {
		case System:
			all = append(all, w.system(ctx))
		case NSS:
			all = append(all, w.nss(ctx)...)
		case Java:
			all = append(all, w.java(ctx)...)
		}
	}
	return all
}
