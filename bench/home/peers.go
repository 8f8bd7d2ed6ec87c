package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
)

// errNotHere is the row of a peer that is not on this machine.
var errNotHere = errors.New("not here (bench/install puts it here)")

// foreman is Debian's ruby-foreman.
func (b *bench) foreman() (argv, env []string, err error) {
	p, err := exec.LookPath("foreman")
	if err != nil {
		return nil, nil, errNotHere
	}
	return []string{p}, nil, nil
}

// concurrently is npm's.
func (b *bench) concurrently() (argv, env []string, err error) {
	own := filepath.Join(b.opt.peers, "npm/node_modules/concurrently/dist/bin/concurrently.js")
	if _, err := os.Stat(own); err != nil {
		p, err := exec.LookPath("concurrently")
		if err != nil {
			return nil, nil, errNotHere
		}
		return []string{p}, nil, nil
	}
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, nil, errNotHere
	}
	return []string{node, own}, nil, nil
}

// supervisor is Debian's; bench/install unpacks it without installing it,
// since installing would start it for the whole machine.
func (b *bench) supervisor() (argv, env []string, err error) {
	if p, err := exec.LookPath("supervisord"); err == nil {
		return []string{p}, nil, nil
	}
	own := filepath.Join(b.opt.peers, "supervisor/usr")
	if _, err := os.Stat(own + "/bin/supervisord"); err != nil {
		return nil, nil, errNotHere
	}
	// Debian's own interpreter: the first python3 of PATH may be another.
	return []string{"/usr/bin/python3", own + "/bin/supervisord"}, []string{"PYTHONPATH=" + own + "/lib/python3/dist-packages"}, nil
}
