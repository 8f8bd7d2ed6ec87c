package helper

import (
	"io/fs"
	"syscall"
)

func owner(st fs.FileInfo) (uid, gid uint32) {
	s := st.Sys().(*syscall.Stat_t)
	return s.Uid, s.Gid
}
