package taps

import (
	"fmt"
	"os"

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
