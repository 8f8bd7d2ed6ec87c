package helper

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"lodge/internal/bpf"
	"lodge/internal/helperapi"
	"lodge/internal/loopback"
	"lodge/internal/procfs"
)

// session is what one client's helper holds. It is used by one goroutine.
type session struct {
	uid, gid uint32
	options  Options
	mount    string
	// netns is the client's network namespace (netnsOf).
	netns uint64

	// What the probes said, and whether they need not be asked again.
	capabilities []helperapi.Capability
	liveMap      *helperapi.Capability
	probed       bool

	// The base and its hooks exist while the client has a home.
	base  string
	lock  *os.File
	hooks *bpf.Hooks
	homes map[netip.Addr]uint64 // to the id of the cgroup in

	// hostsOwner is the mark of the client's names, or "" where it has none.
	hostsOwner string
	// names are the keys of the names and addresses that it has there, taken
	// counts all that it has claimed.
	names map[string]bool
	taken map[string]int
	// all is what the clients of this helper share; watching says that this one
	// uses the live map.
	all      *commons
	watching bool
}

// commons is what all clients of one helper share.
type commons struct {
	live   *liveMap
	claims *claims
	// ending says that the helper ends and clears the hosts file itself.
	ending atomic.Bool
}

func newCommons() *commons { return &commons{live: new(liveMap), claims: newClaims()} }

func newSession(uid, gid uint32, o Options, all *commons) *session {
	return &session{
		uid: uid, gid: gid, options: o, homes: map[netip.Addr]uint64{},
		names: map[string]bool{}, taken: map[string]int{}, all: all,
	}
}

// claim has the user have what key means, once more.
func (s *session) claim(key string) error {
	if err := s.all.claims.take(key, s.uid); err != nil {
		return err
	}
	s.taken[key]++
	return nil
}

// unclaim takes back one claim.
func (s *session) unclaim(key string) {
	if s.taken[key] == 0 {
		return
	}
	s.all.claims.release(key, s.uid)
	if s.taken[key]--; s.taken[key] == 0 {
		delete(s.taken, key)
	}
}

// unclaimAll takes back all claims of the session.
func (s *session) unclaimAll() {
	for key := range s.taken {
		for s.taken[key] > 0 {
			s.unclaim(key)
		}
	}
}

// idle reports whether the client would lose nothing with its session.
func (s *session) idle() bool {
	return len(s.homes) == 0 && len(s.taken) == 0 && s.hostsOwner == "" && !s.watching
}

func (s *session) findMount() error {
	if s.mount != "" {
		return nil
	}
	mount, err := procfs.CgroupMount()
	if err != nil {
		return err
	}
	s.mount = mount
	return nil
}

// open makes the base and attaches the hooks to it, if that was not done.
func (s *session) open() (err error) {
	if s.hooks != nil {
		return nil
	}
	if err := s.findMount(); err != nil {
		return err
	}
	root, err := os.Open(s.mount)
	if err != nil {
		return fmt.Errorf("open cgroup2: %w", err)
	}
	defer root.Close()
	level, err := bpf.Level(root)
	if err != nil {
		return err
	}
	var random [4]byte
	rand.Read(random[:]) // never fails (crypto/rand)
	base := helperapi.BaseName(s.uid, hex.EncodeToString(random[:]))
	path := filepath.Join(s.mount, base)
	if err := makeDir(path); err != nil {
		return err
	}
	lock, held, err := lockBase(path)
	if err == nil && !held {
		err = fmt.Errorf("lock cgroup %s: somebody else has it", path)
	}
	if err != nil {
		return errors.Join(err, unix.Rmdir(path))
	}
	// The home is one below the base, the cgroup in one below the home.
	hooks, err := bpf.Attach(lock, level+3)
	if err != nil {
		return errors.Join(err, unix.Rmdir(path), lock.Close())
	}
	s.base, s.lock, s.hooks = base, lock, hooks
	return nil
}

// closeIfEmpty lets go of the hooks when there is no home left.
func (s *session) closeIfEmpty() error {
	if s.hooks == nil || len(s.homes) > 0 {
		return nil
	}
	return s.drop()
}

// drop lets go of hooks and base. Homes that are in use go on without.
func (s *session) drop() error {
	if s.hooks == nil {
		return nil
	}
	path := filepath.Join(s.mount, s.base)
	errs := []error{s.hooks.Close(), s.lock.Close()}
	s.base, s.lock, s.hooks = "", nil, nil
	return errors.Join(append(errs, dropBase(path))...)
}

// close ends the session. Homes in which nothing runs are removed, the others
// stay as they are.
func (s *session) close() error {
	var errs []error
	if !s.all.ending.Load() {
		errs = append(errs, s.dropHosts())
	}
	for ip4 := range s.homes {
		p := helperapi.Place{Mount: s.mount, Base: s.base, UID: s.uid, IP4: ip4}
		used, err := isPopulated(p.Path())
		if err == nil && !used {
			err = removePlace(context.Background(), p, false)
		}
		errs = append(errs, err)
	}
	clear(s.homes)
	s.unclaimAll()
	if s.watching {
		s.watching = false
		errs = append(errs, s.all.live.leave())
	}
	return errors.Join(append(errs, s.drop())...)
}

// createHome makes a home. The files are in the order of homeInfo and are
// the caller's to close.
func (s *session) createHome(ip4 netip.Addr, strict bool) (info *helperapi.HomeInfo, files []*os.File, err error) {
	if err := helperapi.CheckHome(ip4); err != nil {
		return nil, nil, err
	}
	if err := s.findMount(); err != nil {
		return nil, nil, err
	}
	key := addressKey(ip4)
	if err := s.claim(key); err != nil {
		return nil, nil, err
	}
	err = s.free(ip4)
	if err == nil {
		err = s.open()
	}
	if err != nil {
		s.unclaim(key)
		return nil, nil, err
	}
	p := helperapi.Place{Mount: s.mount, Base: s.base, UID: s.uid, IP4: ip4}
	info = &helperapi.HomeInfo{Path: p.Path(), IP4: ip4}
	defer func() {
		if err != nil {
			delete(s.homes, ip4)
			s.unclaim(key)
			err = errors.Join(err, helperapi.CloseFiles(files), removePlace(context.Background(), p, false), s.closeIfEmpty())
			info, files = nil, nil
		}
	}()
	if err := makeTree(p, s.uid, s.gid); err != nil {
		return info, files, err
	}
	for _, dir := range []string{"in", "."} {
		f, err := os.Open(filepath.Join(p.Path(), dir))
		if err != nil {
			return info, files, fmt.Errorf("open cgroup: %w", err)
		}
		files = append(files, f)
	}
	id, err := bpf.CgroupID(files[0])
	if err != nil {
		return info, files, err
	}
	home := bpf.Home{IP4: ip4, IP6: loopback.Home6(ip4), Strict: strict, Netns: s.netns, UID: s.uid}
	if err := addAddress6(home.IP6); err != nil {
		// A machine without IPv6 has no IPv6-only sockets either.
		home.IP6, info.IP6Reason = netip.Addr{}, err.Error()
	}
	info.IP6 = home.IP6
	events, leases, err := s.hooks.Add(id, home)
	if err != nil {
		return info, files, err
	}
	migrate, err := s.hooks.Migrate()
	if err != nil {
		return info, append(files, events, leases), errors.Join(err, s.hooks.Remove(id))
	}
	files = append(files, events, leases, migrate)
	links, err := s.hooks.Links()
	if err != nil {
		return info, files, errors.Join(err, s.hooks.Remove(id))
	}
	s.homes[ip4] = id
	info.Links = len(links)
	return info, append(files, links...), nil
}

// removeIfLeft removes a home in which no process is and after which no
// helper looks.
func removeIfLeft(p helperapi.Place) (removed bool, err error) {
	used, err := isPopulated(p.Path())
	if err != nil || used {
		return false, err
	}
	lock, held, err := lockBase(p.BasePath())
	if err != nil || !held {
		return false, err
	}
	err = errors.Join(removePlace(context.Background(), p, false), lock.Close())
	return err == nil, errors.Join(err, dropBase(p.BasePath()))
}

// removeHome removes a home of this client, also one that an earlier helper
// made. The processes in it are ended first if kill says so.
func (s *session) removeHome(ctx context.Context, path string, kill bool) error {
	if err := s.findMount(); err != nil {
		return err
	}
	p, err := helperapi.ParsePlace(s.mount, path)
	if err != nil {
		return err
	}
	if p.UID != s.uid && s.uid != 0 {
		return fmt.Errorf("home %s: belongs to user %d", path, p.UID)
	}
	if err := removePlace(ctx, p, kill); err != nil {
		return err
	}
	if p.Base != s.base {
		return dropBase(p.BasePath())
	}
	if id, ok := s.homes[p.IP4]; ok {
		err = s.hooks.Remove(id)
		delete(s.homes, p.IP4)
		s.unclaim(addressKey(p.IP4))
	}
	return errors.Join(err, s.closeIfEmpty())
}

// removePlace removes the cgroups of a home, and its address if no other home
// has the same.
func removePlace(ctx context.Context, p helperapi.Place, kill bool) error {
	if kill {
		if err := killTree(ctx, p.Path()); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if err := removeTree(p.Path()); err != nil {
		return err
	}
	all, err := helperapi.Places(p.Mount)
	if err != nil {
		return err
	}
	for _, other := range all {
		if other.IP4 == p.IP4 {
			return nil
		}
	}
	return removeAddress6(loopback.Home6(p.IP4))
}

// sweep removes what earlier helpers left: homes of this user (of every user,
// if it is root) without a process and without a helper, and addresses that
// belong to no home at all.
func (s *session) sweep() (*helperapi.Swept, error) {
	out := &helperapi.Swept{}
	if err := s.findMount(); err != nil {
		return nil, err
	}
	all, err := helperapi.Places(s.mount)
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		if p.UID != s.uid && s.uid != 0 {
			continue
		}
		removed, err := removeIfLeft(p)
		if err != nil {
			return nil, err
		}
		if removed {
			out.Homes = append(out.Homes, p.Path())
		}
	}
	if err := s.sweepBases(); err != nil {
		return nil, err
	}
	out.Addresses, err = sweepAddresses(s.mount)
	return out, err
}

func (s *session) sweepBases() error {
	entries, err := os.ReadDir(s.mount)
	if err != nil {
		return fmt.Errorf("list homes: %w", err)
	}
	for _, e := range entries {
		uid, ok := helperapi.ParseBase(e.Name())
		if !ok || (uid != s.uid && s.uid != 0) {
			continue
		}
		if err := dropBase(filepath.Join(s.mount, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func sweepAddresses(mount string) ([]netip.Addr, error) {
	// The addresses are listed first: one that is added after its home was
	// made is then never taken for a leftover.
	addresses, err := homeAddresses6()
	if err != nil || len(addresses) == 0 {
		return nil, err
	}
	all, err := helperapi.Places(mount)
	if err != nil {
		return nil, err
	}
	homes := map[netip.Addr]bool{}
	for _, p := range all {
		homes[loopback.Home6(p.IP4)] = true
	}
	var removed []netip.Addr
	for _, a := range addresses {
		if homes[a] {
			continue
		}
		if err := removeAddress6(a); err != nil {
			return removed, err
		}
		removed = append(removed, a)
	}
	return removed, nil
}
