package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Where Debian 12 has kernels. Only these are asked, so that the choice does
// not depend on what else the machine installs from.
const sources = `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian bookworm main
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian bookworm-backports main
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian-security bookworm-security main
`

// listsAge is how old the lists of packages may be.
const listsAge = 24 * time.Hour

// cache is the directory of kernels, and of what apt needs to find them.
type cache struct{ dir string }

// kernel is an unpacked linux-image package.
type kernel struct {
	release string // as uname -r prints it
	dir     string // has boot and lib/modules
}

func (k kernel) image() string { return filepath.Join(k.dir, "boot", "vmlinuz-"+k.release) }

func openCache() (*cache, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		base = "/var/cache" // root without HOME
	}
	c := &cache{filepath.Join(base, "lodge-kernels")}
	for _, d := range []string{"apt/lists/partial", "apt/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(c.dir, d), 0o755); err != nil {
			return nil, err
		}
	}
	return c, os.WriteFile(filepath.Join(c.dir, "apt", "sources.list"), []byte(sources), 0o644)
}

// workDir makes a directory that a machine can see; /tmp is its own there.
func (c *cache) workDir() (string, error) { return os.MkdirTemp(c.dir, "work-") }

// apt makes a command of apt that knows nothing but sources, and keeps all that
// it writes in the cache.
func (c *cache) apt(ctx context.Context, program string, args ...string) *exec.Cmd {
	dir := filepath.Join(c.dir, "apt")
	cmd := exec.CommandContext(ctx, program, append([]string{
		"-o", "Dir::Etc::SourceList=" + filepath.Join(dir, "sources.list"),
		"-o", "Dir::Etc::SourceParts=/dev/null",
		"-o", "Dir::State::Lists=" + filepath.Join(dir, "lists"),
		"-o", "Dir::Cache=" + dir,
		"-o", "APT::Sandbox::User=root", // _apt may not write here
		"-o", "Acquire::Retries=3",
		"-o", "Acquire::Languages=none",
		"-o", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
		"-o", "Dpkg::Use-Pty=0",
	}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	return cmd
}

// kernel returns the newest kernel of a series, which it downloads and unpacks
// where the cache has an older one or none.
func (c *cache) kernel(ctx context.Context, series string) (kernel, error) {
	if err := c.refresh(ctx); err != nil {
		return kernel{}, err
	}
	out, err := c.apt(ctx, "apt-cache", "search", "--names-only", `^linux-image-[0-9].*-amd64$`).Output()
	if err != nil {
		return kernel{}, fmt.Errorf("list kernel packages: %w", withStderr(err))
	}
	release := newest(string(out), series)
	if release == "" {
		return kernel{}, errors.New("list kernel packages: Debian offers none of this series")
	}
	k := kernel{release, filepath.Join(c.dir, release)}
	if _, err := os.Stat(k.image()); err == nil {
		return k, nil
	}
	if err := c.download(ctx, k); err != nil {
		return kernel{}, fmt.Errorf("fetch linux-image-%s: %w (hint: is deb.debian.org, or apt's proxy, reachable?)", release, err)
	}
	return k, nil
}

// refresh fetches the lists of packages where they are old.
func (c *cache) refresh(ctx context.Context) error {
	stamp := filepath.Join(c.dir, "apt", "updated")
	if fi, err := os.Stat(stamp); err == nil && time.Since(fi.ModTime()) < listsAge {
		return nil
	}
	fmt.Println("fetching the lists of Debian's kernels")
	// Without this, apt-get is content with lists that it could not fetch.
	out, err := c.apt(ctx, "apt-get", "-qq", "-o", "APT::Update::Error-Mode=any", "update").CombinedOutput()
	if err != nil {
		return fmt.Errorf("fetch the lists of packages: %w: %s (hint: is deb.debian.org, or apt's proxy, reachable?)", err, lastLine(out))
	}
	return os.WriteFile(stamp, nil, 0o644)
}

func (c *cache) download(ctx context.Context, k kernel) error {
	fmt.Println("fetching linux-image-" + k.release)
	tmp, err := c.workDir()
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	get := c.apt(ctx, "apt-get", "-qq", "download", "linux-image-"+k.release)
	get.Dir = tmp
	if out, err := get.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, lastLine(out))
	}
	debs, err := filepath.Glob(filepath.Join(tmp, "*.deb"))
	if err != nil || len(debs) != 1 {
		return fmt.Errorf("apt-get left %d packages, want one", len(debs))
	}
	root := filepath.Join(tmp, "root")
	for _, argv := range [][]string{{"dpkg", "-x", debs[0], root}, {"depmod", "-b", root, k.release}} {
		if out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", argv[0], err, lastLine(out))
		}
	}
	// The kernel is complete once it has its name.
	if err := os.RemoveAll(k.dir); err != nil {
		return err
	}
	return os.Rename(root, k.dir)
}

// newest returns the release of the newest kernel of a series, such as 6.12,
// in what apt-cache search prints, or "".
func newest(search, series string) string {
	best := ""
	for _, l := range strings.Split(search, "\n") {
		name, _, _ := strings.Cut(l, " ")
		release, ok := strings.CutPrefix(name, "linux-image-")
		if !ok || !strings.HasPrefix(release, series+".") || !image.MatchString(release) {
			continue
		}
		if best == "" || slices.Compare(numbers(release), numbers(best)) > 0 {
			best = release
		}
	}
	return best
}

// image matches a kernel and neither a variant (cloud, rt, unsigned) nor the
// package that depends on the newest one.
var image = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+([-+][0-9a-z.+~]*)?-amd64$`)

var digits = regexp.MustCompile(`[0-9]+`)

// numbers returns all numbers of a release, which order it among those of its
// series.
func numbers(release string) []int {
	var out []int
	for _, d := range digits.FindAllString(strings.TrimSuffix(release, "-amd64"), -1) {
		n, err := strconv.Atoi(d)
		if err != nil {
			n = 0
		}
		out = append(out, n)
	}
	return out
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

func withStderr(err error) error {
	var ex *exec.ExitError
	if errors.As(err, &ex) && len(ex.Stderr) > 0 {
		return fmt.Errorf("%w: %s", err, lastLine(ex.Stderr))
	}
	return err
}
