package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// program is one that the bench started, in a process group of its own.
type program struct {
	cmd  *exec.Cmd
	said strings.Builder
	done chan struct{}
}

// start runs argv until end, or until the bench ends.
func (b *bench) start(dir string, env []string, argv ...string) (*program, error) {
	p := &program{cmd: exec.Command(argv[0], argv[1:]...), done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env = dir, append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.said, &p.said
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: unix.SIGKILL}
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", argv[0], err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // its status is of no interest
	}()
	b.ended = append(b.ended, p.end)
	return p, nil
}

// end ends the program and all of its group. It may be called again.
func (p *program) end() {
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		select {
		case <-p.done:
			_ = unix.Kill(-p.cmd.Process.Pid, unix.SIGKILL) // what it has left behind
			return
		default:
		}
		_ = unix.Kill(-p.cmd.Process.Pid, sig)
		select {
		case <-p.done:
		case <-time.After(3 * time.Second):
		}
	}
}

// ready waits until somebody listens at addr.
func (p *program) ready(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var d net.Dialer
	for {
		c, err := d.DialContext(ctx, "tcp", addr)
		if err == nil {
			return c.Close()
		}
		select {
		case <-tick.C:
		case <-p.done:
			return fmt.Errorf("run %s: it ended: %s", p.cmd.Args[0], strings.TrimSpace(p.said.String()))
		case <-ctx.Done():
			return fmt.Errorf("run %s: it does not listen at %s", p.cmd.Args[0], addr)
		}
	}
}

// freePort gives a port that was free a moment ago.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// find looks for a program where bench/names/install puts them, and in the
// usual places, also in those that an ordinary user's PATH lacks.
func (b *bench) find(name string) (string, error) {
	own := filepath.Join(b.opt.peers, "bin", name)
	if _, err := os.Stat(own); err == nil {
		return own, nil
	}
	if p, err := exec.LookPath(name); err == nil {
		return p, nil
	}
	for _, d := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		if _, err := os.Stat(filepath.Join(d, name)); err == nil {
			return filepath.Join(d, name), nil
		}
	}
	return "", errNotHere
}

// errNotHere is the row of a peer that is not on this machine.
var errNotHere = errors.New("not here (bench/names/install puts it here)")

// tree lists a process and its descendants.
func tree(pid int) []int {
	out := []int{pid}
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return out
	}
	for _, t := range tasks {
		b, err := os.ReadFile(t)
		if err != nil {
			continue // it has ended
		}
		for f := range strings.FieldsSeq(string(b)) {
			if n, err := strconv.Atoi(f); err == nil {
				out = append(out, tree(n)...)
			}
		}
	}
	return out
}

// cpuOf is the time that a process and its descendants have used, in seconds
// (proc_pid_stat(5), fields 14 and 15, in ticks of 1/100 s).
func cpuOf(pid int) float64 {
	sum := 0.0
	for _, p := range tree(pid) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p))
		if err != nil {
			continue
		}
		_, rest, ok := strings.Cut(string(b), ") ")
		f := strings.Fields(rest)
		if !ok || len(f) < 13 {
			continue
		}
		for _, v := range f[11:13] {
			n, _ := strconv.ParseFloat(v, 64)
			sum += n / 100
		}
	}
	return sum
}

// pssOf is what a process and its descendants have in memory, in bytes
// (proc_pid_smaps(5)).
func pssOf(pid int) float64 {
	sum := 0.0
	for _, p := range tree(pid) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p))
		if err != nil {
			continue
		}
		for l := range strings.Lines(string(b)) {
			if f := strings.Fields(l); len(f) == 3 && f[0] == "Pss:" {
				n, _ := strconv.ParseFloat(f[1], 64)
				sum += n * 1024
			}
		}
	}
	return sum
}

// makeCertificate makes one for host, as PEM files.
func (b *bench) makeCertificate() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return err
	}
	pk, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	priv := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pk})
	b.cert, b.key = filepath.Join(b.dir, "cert.pem"), filepath.Join(b.dir, "key.pem")
	return errors.Join(os.WriteFile(b.cert, cert, 0o600), os.WriteFile(b.key, priv, 0o600), os.WriteFile(filepath.Join(b.dir, "both.pem"), append(cert, priv...), 0o600))
}
