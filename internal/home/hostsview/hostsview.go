// Package hostsview starts a program with a hosts file of its own in the place
// of /etc/hosts: in a private mount namespace (mount_namespaces(7)), and for an
// ordinary user in a user namespace (user_namespaces(7)) with the same user and
// group, which is what gives the right to mount. It does not know what is in
// the file.
package hostsview

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"lodge/internal/home"
)

// ShimName is argv[0] of the executable when it is to mount the file and
// become the program. The main function that sees it calls ShimMain before
// anything else.
const ShimName = "lodge-hosts"

// show is the argument with which the shim prints the hosts file that it sees,
// for Probe, and errShown says that it has.
const show = "-show"

var errShown = errors.New("shown")

// target is what is hidden by the file (hosts(5)).
const target = "/etc/hosts"

// Wrap returns the command that shows c.Hosts to the program of c, and sets what
// it needs in attr. exe is lodge itself. Without c.Hosts nothing changes.
func Wrap(c home.Command, exe string, attr *syscall.SysProcAttr) home.Command {
	if c.Hosts == "" {
		return c
	}
	attr.Cloneflags |= unix.CLONE_NEWNS
	if os.Geteuid() != 0 {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
		// An exec takes capabilities from who is not root, but ambient ones
		// (capabilities(7)). The shim gives this one up.
		attr.AmbientCaps = append(attr.AmbientCaps, unix.CAP_SYS_ADMIN)
	}
	c.Args = append([]string{ShimName, c.Hosts, c.Path}, c.Args...)
	c.Path, c.Hosts = exe, ""
	return c
}

// ShimMain mounts and becomes the program. args are ShimName, the file, the
// program's path, and its arguments from argv[0] on; env is its environment. It returns only if it
// cannot.
func ShimMain(args, env []string) error {
	if len(args) == 2 && args[1] == show {
		b, err := os.ReadFile(target)
		if err == nil {
			_, err = os.Stdout.Write(b)
		}
		if err == nil {
			err = errShown
		}
		return err
	}
	runtime.LockOSThread() // capabilities are a thread's, and exec keeps this one
	if len(args) < 4 {
		return fmt.Errorf("run %s: it is started by lodge only", ShimName)
	}
	if err := mount(args[1]); err != nil {
		return fmt.Errorf("show names inside: %w", err)
	}
	if err := dropAdmin(); err != nil {
		return fmt.Errorf("give up capability: %w", err)
	}
	// syscall.Exec and not unix.Exec's bare call: it gives back the soft limit
	// of open files, which the Go runtime has raised.
	return fmt.Errorf("run %s: %w", args[2], syscall.Exec(args[2], args[3:], env))
}

func mount(file string) error {
	// Nothing that is mounted here is seen outside; what is mounted outside
	// still is seen here.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("keep mounts private: %w", err)
	}
	if err := unix.Mount(file, target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount %s on %s: %w", file, target, err)
	}
	return nil
}

// dropAdmin returns up what Wrap asked for, so that the program has the rights
// that it would have without lodge. Root keeps its own.
func dropAdmin() error {
	if os.Geteuid() == 0 {
		return nil
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl", err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return os.NewSyscallError("capset", unix.Capset(&header, &none[0]))
}

// Probe reports why a program cannot be shown another hosts file here, or nil.
// exe is lodge itself. Some systems forbid user namespaces, or take their
// capabilities away.
func Probe(exe string) error {
	f, err := os.CreateTemp("", "lodge-hosts-")
	if err != nil {
		return fmt.Errorf("try another hosts file: %w", err)
	}
	defer os.Remove(f.Name())
	const word = "127.0.0.1 lodge-probe.test\n"
	_, err = f.WriteString(word)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("try another hosts file: %w", err)
	}
	attr := &syscall.SysProcAttr{}
	c := Wrap(home.Command{Path: exe, Args: []string{ShimName, show}, Hosts: f.Name()}, exe, attr)
	cmd := &exec.Cmd{Path: c.Path, Args: c.Args, Env: []string{}, Dir: "/", SysProcAttr: attr}
	out, err := cmd.Output()
	if string(out) == word {
		return nil
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		line, _, _ := strings.Cut(string(exit.Stderr), "\n")
		err = errors.New(strings.TrimPrefix(line, "lodge: "))
	}
	if err == nil {
		err = errors.New("the program saw the machine's")
	}
	return fmt.Errorf("try another hosts file: %w", err)
}
