package keeperapi

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// What happened to a project's directory while it was up.
const (
	DirRenamed  = "renamed"  // it is elsewhere
	DirRemoved  = "removed"  // it is nowhere
	DirReplaced = "replaced" // another directory has its path
)

// DirID names a directory by its device and inode.
func DirID(fi os.FileInfo) string {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%x:%d", st.Dev, st.Ino)
}

// HostsPath is where a keeper with that record keeps its hosts file.
func HostsPath(record string) string {
	return strings.TrimSuffix(record, filepath.Ext(record)) + ".hosts"
}

// keyLogSuffix is how the names of key logs end.
const keyLogSuffix = ".keys"

// IsKeyLog reports whether a name in the directory of records is that of a key log.
func IsKeyLog(name string) bool { return strings.HasSuffix(name, keyLogSuffix) }

// KeyLogPath is where a keeper with that record has its programs write the keys of
// their TLS connections.
func KeyLogPath(record string) string {
	return strings.TrimSuffix(record, filepath.Ext(record)) + keyLogSuffix
}
