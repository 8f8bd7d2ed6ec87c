package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

//go:embed init.sh
var initScript []byte

//go:embed trial.service
var trialUnit []byte

// modules are what the tests need of the kernel's modules, with those that
// they need. A kernel that has one built in, or not at all, goes without.
var modules = strings.Fields(`virtio_pci 9pnet_virtio 9p overlay
	tcp_diag udp_diag unix_diag raw_diag inet_diag mptcp_diag
	nf_tables nft_ct nft_socket nft_reject_inet nft_nat nft_chain_nat nft_compat nfnetlink
	ip_tables iptable_filter ip6_tables ip6table_filter xt_owner xt_tcpudp xt_multiport xt_comment xt_mark
	veth bridge dummy tun sch_ingress cls_bpf`)

// bootOptions keep an emulated kernel from work that has no use here:
// mitigations of hardware that it does not have; the clocksource watchdog, which
// takes a loaded host for an unreliable TSC and changes to a clock that costs an
// emulated device access; systemd's services that follow an update of /usr.
var bootOptions = []string{
	"console=ttyS0", "quiet", "loglevel=0", "panic=-1",
	"mitigations=off", "tsc=reliable", "audit=0",
	"systemd.condition-needs-update=0", "systemd.mask=dbus.socket",
}

// havePrograms returns an error that names the first missing program.
func havePrograms() error {
	for _, name := range []string{"qemu-system-x86_64", "/bin/busybox", "cpio", "gzip", "modprobe", "depmod", "xz", "apt-get", "dpkg", "/lib/systemd/systemd"} {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Errorf("start a machine: %w (hint: sh test/install)", err)
		}
	}
	return nil
}

// machine is one boot of a kernel.
type machine struct {
	kernel kernel
	work   string // the directory that it shares with this machine
	limit  time.Duration
	used   time.Duration // the processor time of a run, which load beside it changes little
}

// run boots the machine, which runs the suites and ends itself.
func (m *machine) run(ctx context.Context, todo []suite) error {
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(m.work, "run.sh"), []byte(script(dir, todo)), 0o755); err != nil {
		return err
	}
	initrd, err := m.initrd(ctx)
	if err != nil {
		return fmt.Errorf("make initramfs: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, m.limit, fmt.Errorf("not done after %s", m.limit))
	defer cancel()
	console := &progress{out: os.Stdout}
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64",
		"-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "4096",
		"-nographic", "-no-reboot", "-net", "none",
		"-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap",
		"-virtfs", "local,path="+m.work+",mount_tag=work,security_model=none,multidevs=remap",
		"-kernel", m.kernel.image(), "-initrd", initrd,
		"-append", strings.Join(bootOptions, " "))
	cmd.Stdout, cmd.Stderr = console, console
	err = cmd.Run()
	if ps := cmd.ProcessState; ps != nil {
		m.used = ps.UserTime() + ps.SystemTime()
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if _, statErr := os.Stat(filepath.Join(m.work, outputDir, "done")); statErr != nil {
		err = errors.Join(err, errors.New("the machine did not finish"))
	}
	if err != nil {
		return fmt.Errorf("%w; the end of its console:\n%s", err, console.tail())
	}
	return nil
}

// initrd makes the first file system: busybox, modules and init.sh.
func (m *machine) initrd(ctx context.Context) (string, error) {
	root := filepath.Join(m.work, "initrd")
	if err := os.RemoveAll(root); err != nil {
		return "", err
	}
	for _, d := range []string{"bin", "dev", "proc", "sys", "host", "mem", "new", "mods"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			return "", err
		}
	}
	if err := m.modules(ctx, filepath.Join(root, "mods")); err != nil {
		return "", err
	}
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		return "", err
	}
	for name, data := range map[string][]byte{"bin/busybox": busybox, "init": initScript, "trial.service": trialUnit} {
		if err := os.WriteFile(filepath.Join(root, name), data, 0o755); err != nil {
			return "", err
		}
	}
	file := root + ".gz"
	pack := exec.CommandContext(ctx, "sh", "-c", `find . | cpio --quiet -o -H newc | gzip -1 >"$1"`, "sh", file)
	pack.Dir = root
	if out, err := pack.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cpio: %w: %s", err, lastLine(out))
	}
	return file, nil
}

// modules unpacks the kernel's modules, and writes the order of insmod.
func (m *machine) modules(ctx context.Context, into string) error {
	var order strings.Builder
	seen := make(map[string]bool)
	for _, name := range modules {
		out, err := exec.CommandContext(ctx, "modprobe", "-d", m.kernel.dir, "-S", m.kernel.release, "--show-depends", name).Output()
		if err != nil {
			continue // this kernel has it not, or built in
		}
		for _, l := range strings.Split(string(out), "\n") {
			fields := strings.Fields(l) // insmod FILE OPTION...
			if len(fields) < 2 || fields[0] != "insmod" || seen[fields[1]] {
				continue
			}
			file := fields[1]
			seen[file] = true
			data, err := readModule(ctx, file)
			if err != nil {
				return fmt.Errorf("read module %s: %w", name, err)
			}
			base := strings.TrimSuffix(filepath.Base(file), ".xz")
			if err := os.WriteFile(filepath.Join(into, base), data, 0o644); err != nil {
				return err
			}
			fmt.Fprintln(&order, base)
		}
	}
	if order.Len() == 0 {
		return errors.New("modprobe finds no module (hint: sh test/install)")
	}
	return os.WriteFile(filepath.Join(into, "order"), []byte(order.String()), 0o644)
}

func readModule(ctx context.Context, file string) ([]byte, error) {
	if !strings.HasSuffix(file, ".xz") {
		return os.ReadFile(file)
	}
	return exec.CommandContext(ctx, "xz", "-dc", file).Output()
}

// progress prints the lines of a console that begin with mark, and keeps the
// last of all.
type progress struct {
	out  *os.File
	line bytes.Buffer
	last []string
}

const mark = "LODGE: "

func (p *progress) Write(b []byte) (int, error) {
	for _, c := range b {
		if c != '\n' {
			if c != '\r' {
				p.line.WriteByte(c)
			}
			continue
		}
		l := p.line.String()
		p.line.Reset()
		if _, said, ok := strings.Cut(l, mark); ok {
			fmt.Fprintln(p.out, "  "+said)
		}
		p.last = append(p.last, l)
		if len(p.last) > 40 {
			p.last = p.last[1:]
		}
	}
	return len(b), nil
}

func (p *progress) tail() string { return strings.Join(append(p.last, p.line.String()), "\n") }
