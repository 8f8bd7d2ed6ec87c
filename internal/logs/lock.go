package logs

import "syscall"

// lockDir takes the lock of a log directory (flock(2) on the directory itself,
// so that who may only read can take it): shared to open a service's files,
// exclusive to rename them. It is held for no longer than that takes.
//
// busy says that another process has it (with LOCK_NB). Where the file system
// knows no locks it is done without. unlock can always be called.
func lockDir(dir string, how int) (unlock func(), busy bool) {
	fd, err := syscall.Open(dir, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return func() {}, false
	}
	for {
		err = syscall.Flock(fd, how)
		if err != syscall.EINTR {
			break
		}
	}
	if err != nil {
		_ = syscall.Close(fd)
		return func() {}, err == syscall.EWOULDBLOCK
	}
	return func() { _ = syscall.Close(fd) }, false
}
