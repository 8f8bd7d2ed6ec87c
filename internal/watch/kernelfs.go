package watch

import (
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// inode identifies a file while it is there.
type inode struct{ dev, ino uint64 }

func inodeOf(info fs.FileInfo) inode {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return inode{uint64(st.Dev), st.Ino}
	}
	return inode{}
}

// linkTarget is what a symbolic link leads to; zero if nothing.
type linkTarget struct {
	inode
	dir   bool
	mtime int64 // of a regular file (Unix, ns)
}

// target returns what a symbolic link leads to, without inode and time if it is in one
// of these file systems: there they change with each look.
func (k kernelFS) target(file string) linkTarget {
	info, err := os.Stat(file)
	if err != nil {
		return linkTarget{}
	}
	t := linkTarget{inode: inodeOf(info), dir: info.IsDir()}
	switch {
	case k.has(t.dev, file):
		t.ino = 0
	case info.Mode().IsRegular():
		t.mtime = info.ModTime().UnixNano()
	}
	return t
}

// kernelFS knows which file systems are the kernel's own, such as proc, by device number.
type kernelFS map[uint64]bool

// has reports whether the file system of a device number, in which a file is, is one
// of the kernel's own.
func (k kernelFS) has(dev uint64, file string) bool {
	is, known := k[dev]
	if !known {
		var st unix.Statfs_t
		if err := unix.Statfs(file, &st); err != nil {
			return false
		}
		switch int64(st.Type) {
		case unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.DEVPTS_SUPER_MAGIC, unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC,
			unix.DEBUGFS_MAGIC, unix.TRACEFS_MAGIC, unix.SECURITYFS_MAGIC, unix.SELINUX_MAGIC, unix.PSTOREFS_MAGIC,
			unix.EFIVARFS_MAGIC, unix.BPF_FS_MAGIC, unix.BINFMTFS_MAGIC, unix.NSFS_MAGIC, unix.HUGETLBFS_MAGIC,
			configfsMagic, fusectlMagic, mqueueMagic:
			is = true
		}
		k[dev] = is
	}
	return is
}

// Magic numbers that package unix lacks (statfs(2); the kernel's fs/configfs/mount.c,
// fs/fuse/control.c, ipc/mqueue.c).
const (
	configfsMagic = 0x62656570
	fusectlMagic  = 0x65735543
	mqueueMagic   = 0x19800202
)

// isKernelsPath reports whether a path is where these file systems, and devices,
// are. /dev/shm holds ordinary files.
func isKernelsPath(real string) bool {
	for _, dir := range []string{"/proc", "/sys", "/dev"} {
		if isBelow(real, dir) {
			return !isBelow(real, "/dev/shm")
		}
	}
	return false
}
