package taps

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// diskKinds are the kinds of file systems that answer by themselves and that no ordinary
// user can mount, so that no user keeps the kernel waiting while it reads a file: it
// holds a lock of the whole machine then. They are named as mountinfo has them, and
// numbered as statfs(2) has.
var diskKinds = [...]struct {
	name   string
	number int64
}{
	{"ext2", 0xef53}, {"ext3", 0xef53}, {"ext4", 0xef53}, {"xfs", 0x58465342}, {"btrfs", 0x9123683e}, {"f2fs", 0xf2f52010},
	{"zfs", 0x2fc12fc1}, {"bcachefs", 0xca451a4e}, {"squashfs", 0x73717368}, {"erofs", 0xe0f5e1e2}, {"tmpfs", 0x01021994},
}

const (
	overlayName   = "overlay"
	overlayNumber = 0x794c7630
)

func notOnDisk(kind string) error {
	return &NotProbedError{"it is on a file system of the kind " + kind + ", whose files only root may probe"}
}

// onDisk returns nil for a file of such a file system, or of an overlay that the
// machine's mounts have: those that users mount in namespaces of their own are not there.
func onDisk(f *os.File) error {
	// What the machine has mounted is known without asking the file system, which may be
	// a user's. The mounts of this process are a copy of the machine's where it is a service.
	for _, mounts := range [...]string{"/proc/1/mountinfo", "/proc/self/mountinfo"} {
		kind, err := mountedAs(f, mounts)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return fmt.Errorf("look at mounts: %w", err)
		}
		for _, k := range diskKinds {
			if kind == k.name || kind == overlayName {
				return nil
			}
		}
		return notOnDisk(kind)
	}
	// It is mounted in a namespace: a container's, which has its overlay from the machine,
	// or one that a user made.
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil {
		return fmt.Errorf("look at file system: %w", os.NewSyscallError("fstatfs", err))
	}
	for _, k := range diskKinds {
		if int64(st.Type) == k.number {
			return nil
		}
	}
	if int64(st.Type) != overlayNumber {
		return notOnDisk(fmt.Sprintf("%#x", int64(st.Type)))
	}
	device, err := deviceOf(f)
	if err != nil {
		return err
	}
	found, err := findMount("/proc/self/mountinfo", 2, device)
	if err == nil && found == nil {
		return &NotProbedError{"it is on an overlay that is not the machine's, whose files only root may probe"}
	}
	return err
}

// deviceOf returns the device of a file's file system, as mountinfo has it.
func deviceOf(f *os.File) (string, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return "", fmt.Errorf("look at file: %w", os.NewSyscallError("fstat", err))
	}
	return strconv.Itoa(int(unix.Major(st.Dev))) + ":" + strconv.Itoa(int(unix.Minor(st.Dev))), nil
}

// mountedAs returns the kind of file system as which a file is mounted, by the mounts of a
// process. One that is not among them is fs.ErrNotExist.
func mountedAs(f *os.File, mountinfo string) (string, error) {
	var st unix.Statx_t
	err := unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, unix.STATX_MNT_ID, &st)
	if err != nil {
		return "", os.NewSyscallError("statx", err)
	}
	if st.Mask&unix.STATX_MNT_ID == 0 { // before Linux 5.8
		return "", fs.ErrNotExist
	}
	fields, err := findMount(mountinfo, 0, strconv.FormatUint(st.Mnt_id, 10))
	if err != nil {
		return "", err
	}
	// Behind the options, of which there may be some or none, are a dash and the kind.
	if i := slices.Index(fields, "-"); i >= 0 && i+1 < len(fields) {
		return fields[i+1], nil
	}
	return "", fs.ErrNotExist
}

// findMount returns the fields of the first mount of which one is what is looked for, or nil.
func findMount(mountinfo string, field int, want string) ([]string, error) {
	mounts, err := os.Open(mountinfo)
	if err != nil {
		return nil, fmt.Errorf("look at mounts: %w", err)
	}
	defer mounts.Close()
	lines := bufio.NewScanner(mounts)
	for lines.Scan() {
		// 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
		if fields := strings.Fields(lines.Text()); len(fields) > field && fields[field] == want {
			return fields, nil
		}
	}
	return nil, lines.Err()
}
