package taps

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"lodge/internal/elfcode"
	"lodge/internal/helper/policy"
	"lodge/internal/helperapi"
)

// NotProbedError says why a file is not for a user to probe.
type NotProbedError struct{ Why string }

func (e *NotProbedError) Error() string { return e.Why }

// check returns nil where the user may have a probe at an offset of a file. What an
// ordinary user says of a file is not believed, unless the file is the user's own.
func check(f *os.File, uid uint32, kind helperapi.SecretKind, offset uint64) error {
	no := func(format string, args ...any) error { return &NotProbedError{fmt.Sprintf(format, args...)} }
	name := kind.Function()
	if name == "" {
		return no("a function of the kind %q is not known", kind)
	}
	if uid != 0 {
		if err := onDisk(f); err != nil {
			return err
		}
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return fmt.Errorf("look at file: %w", os.NewSyscallError("fstat", err))
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return no("it is no regular file")
	}
	trust := policy.MayProbe(uid, st.Uid, st.Mode)
	if trust == policy.None {
		if st.Uid == 0 {
			return no("others than root may write to it, so that only root may probe it")
		}
		return no("it belongs to user %d, and so only that user and root may probe it", st.Uid)
	}
	file, err := elfcode.Open(f)
	if err != nil {
		return no("%v", err)
	}
	if trust == policy.Given {
		if !file.Executable(offset) {
			return no("offset %#x is not one of code", offset)
		}
		return nil
	}
	find := file.Exported
	if kind == helperapi.SecretGo {
		find = file.GoFunction
	}
	at, err := find(name)
	switch {
	case err != nil:
		return no("%v", err)
	case at != offset:
		return no("%s is not at offset %#x", name, offset)
	}
	return nil
}

// The kinds of file systems (statfs(2)) that answer by themselves and that no ordinary
// user can mount, so that no user keeps the kernel waiting while it reads a file: it
// holds a lock of the whole machine then.
var onDiskTypes = [...]int64{
	0xef53,     // ext2, ext3, ext4
	0x58465342, // xfs
	0x9123683e, // btrfs
	0xf2f52010, // f2fs
	0x2fc12fc1, // zfs
	0xca451a4e, // bcachefs
	0x73717368, // squashfs
	0xe0f5e1e2, // erofs
	0x01021994, // tmpfs
}

const overlay = 0x794c7630

// onDisk returns nil for a file of such a file system, or of an overlay that this
// process's mounts have: those that users mount in namespaces of their own are not there.
func onDisk(f *os.File) error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &fs); err != nil {
		return fmt.Errorf("look at file system: %w", os.NewSyscallError("fstatfs", err))
	}
	kind := int64(fs.Type)
	switch {
	case slices.Contains(onDiskTypes[:], kind):
		return nil
	case kind != overlay:
		return &NotProbedError{fmt.Sprintf("it is on a file system of the kind %#x, whose files only root may probe", kind)}
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return fmt.Errorf("look at file: %w", os.NewSyscallError("fstat", err))
	}
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("look at mounts: %w", err)
	}
	defer mounts.Close()
	device := strconv.Itoa(int(unix.Major(st.Dev))) + ":" + strconv.Itoa(int(unix.Minor(st.Dev)))
	lines := bufio.NewScanner(mounts)
	for lines.Scan() {
		// 36 35 98:0 /mnt1 /mnt2 rw,noatime …
		if fields := strings.Fields(lines.Text()); len(fields) > 2 && fields[2] == device {
			return nil
		}
	}
	return errors.Join(&NotProbedError{"it is on an overlay that is not the machine's, whose files only root may probe"}, lines.Err())
}
