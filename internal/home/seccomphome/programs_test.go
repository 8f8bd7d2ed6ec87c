package seccomphome

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/unotify"
)

// programs are what the test's executable can be inside a home.
func programs() map[string]func([]string) error {
	return map[string]func([]string) error{
		"malformed": malformed,
		"flip":      flip,
		"serve":     serve,
		"bench":     benchProgram,
		"restarted": restarted,

		"trips":        trips,
		"trips-server": tripsServer,
	}
}

// malformed makes calls with every kind of bad argument and prints what each
// answers. What it prints inside must be what it prints outside.
func malformed([]string) error {
	addr := func(family uint16, rest string) []byte {
		b, err := hex.DecodeString(rest)
		if err != nil {
			panic(err)
		}
		return append([]byte{byte(family), byte(family >> 8)}, b...)
	}
	four := addr(unix.AF_INET, "00007f0000010000000000000000")
	any4 := addr(unix.AF_INET, "0000000000000000000000000000")
	other := addr(unix.AF_INET, "00007f0000020000000000000000")
	six := addr(unix.AF_INET6, "00000000000000000000000000000000000000000000000100000000")[:28]
	unspec := addr(unix.AF_UNSPEC, "0000000000000000000000000000")
	unspecLoop := addr(unix.AF_UNSPEC, "00007f0000010000000000000000")
	wrong := addr(unix.AF_APPLETALK, "00007f0000010000000000000000")
	list := []struct {
		name string
		b    []byte
	}{{"four", four}, {"any4", any4}, {"other", other}, {"six", six}, {"unspec", unspec}, {"unspec-loop", unspecLoop}, {"wrong", wrong}}
	sizes := []int32{-1, 0, 1, 2, 8, 15, 16, 17, 24, 27, 28, 64, 128, 129, 1 << 30}
	calls := []struct {
		name string
		nr   uintptr
	}{{"bind", unix.SYS_BIND}, {"connect", unix.SYS_CONNECT}, {"sendto", unix.SYS_SENDTO}}
	big := make([]byte, 256)
	for _, domain := range []int{unix.AF_INET, unix.AF_INET6, unix.AF_UNIX} {
		for _, typ := range []int{unix.SOCK_STREAM, unix.SOCK_DGRAM} {
			for _, call := range calls {
				for _, a := range list {
					for _, size := range sizes {
						if domain == unix.AF_UNIX && a.name != "wrong" {
							continue // would leave files
						}
						fd, err := unix.Socket(domain, typ|unix.SOCK_NONBLOCK, 0)
						if err != nil {
							return err
						}
						clear(big)
						copy(big, a.b)
						var errno unix.Errno
						if call.nr == unix.SYS_SENDTO {
							data := []byte("x")
							_, _, errno = unix.Syscall6(call.nr, uintptr(fd), uintptr(unsafe.Pointer(&data[0])), 1, unix.MSG_NOSIGNAL, uintptr(unsafe.Pointer(&big[0])), uintptr(size))
						} else {
							_, _, errno = unix.Syscall(call.nr, uintptr(fd), uintptr(unsafe.Pointer(&big[0])), uintptr(size))
						}
						fmt.Println(domain, typ, call.name, a.name, size, unix.ErrnoName(errno))
						_ = unix.Close(fd)
					}
				}
			}
		}
	}
	return malformedPointers(four)
}

func malformedPointers(four []byte) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	pipe := make([]int, 2)
	if err := unix.Pipe(pipe); err != nil {
		return err
	}
	path, err := unix.Open("/", unix.O_PATH, 0)
	if err != nil {
		return err
	}
	calls := []uintptr{unix.SYS_BIND, unix.SYS_CONNECT, unix.SYS_LISTEN, unix.SYS_GETSOCKNAME, unix.SYS_GETPEERNAME}
	for _, nr := range calls {
		for _, on := range []int{-1, 1 << 20, pipe[0], path} {
			_, _, errno := unix.Syscall(nr, uintptr(on), uintptr(unsafe.Pointer(&four[0])), 16)
			fmt.Println("descriptor", nr, on < 0, unix.ErrnoName(errno))
		}
		for _, p := range []uintptr{0, 1, ^uintptr(0) - 4095} {
			if nr == unix.SYS_LISTEN {
				continue
			}
			_, _, errno := unix.Syscall(nr, uintptr(fd), p, 16)
			fmt.Println("pointer", nr, p, unix.ErrnoName(errno))
		}
	}
	data := []byte("x")
	nine := append([]byte{}, four...)
	nine[3] = 9
	for _, p := range []uintptr{1, ^uintptr(0) - 4095} {
		u, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
		if err != nil {
			return err
		}
		_, _, errno := unix.Syscall6(unix.SYS_SENDTO, uintptr(u), uintptr(unsafe.Pointer(&data[0])), 1, 0, p, 16)
		fmt.Println("sendto address", p, unix.ErrnoName(errno))
		_, _, errno = unix.Syscall6(unix.SYS_SENDTO, uintptr(u), p, 1, 0, uintptr(unsafe.Pointer(&nine[0])), 16)
		fmt.Println("sendto data", p, unix.ErrnoName(errno))
		huge := make([]byte, 70000)
		_, _, errno = unix.Syscall6(unix.SYS_SENDTO, uintptr(u), uintptr(unsafe.Pointer(&huge[0])), uintptr(len(huge)), 0, uintptr(unsafe.Pointer(&nine[0])), 16)
		fmt.Println("sendto huge", unix.ErrnoName(errno))
	}
	if _, _, errno := unix.Syscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&four[0])), 16); errno != 0 {
		return errno
	}
	for _, size := range []int32{-5, 0, 2, 7, 16, 100} {
		b := make([]byte, 32)
		_, _, errno := unix.Syscall(unix.SYS_GETSOCKNAME, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(&size)))
		b[2], b[3] = 0, 0 // the port is of the kernel's choice
		fmt.Println("getsockname", size, hex.EncodeToString(b), unix.ErrnoName(errno))
	}
	size := int32(16)
	_, _, errno := unix.Syscall(unix.SYS_GETSOCKNAME, uintptr(fd), 8, uintptr(unsafe.Pointer(&size)))
	fmt.Println("getsockname to nowhere", unix.ErrnoName(errno))
	_, _, errno = unix.Syscall(unix.SYS_GETSOCKNAME, uintptr(fd), uintptr(unsafe.Pointer(&four[0])), 8)
	fmt.Println("getsockname with no room", unix.ErrnoName(errno))
	return nil
}

// flip connects while another thread keeps changing the address between one
// that is let through and the one of the server outside.
func flip(args []string) error {
	in, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	out, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp4", "127.0.0.1:"+args[0])
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("inside!"))
			_ = c.Close()
		}
	}()
	var raw [2]uint64
	b := (*[16]byte)(unsafe.Pointer(&raw))
	b[0] = unix.AF_INET
	word := func(ip byte, port int) uint64 {
		w := [8]byte{unix.AF_INET, 0, byte(port >> 8), byte(port), 127, 0, 0, ip}
		return *(*uint64)(unsafe.Pointer(&w))
	}
	words := []uint64{word(1, in), word(1, out), word(2, out), word(1, out), word(3, in), word(1, out)}
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				atomic.StoreUint64(&raw[0], words[i%len(words)])
			}
		}
	}()
	tally := map[string]int{}
	end := time.Now().Add(3 * time.Second)
	for range 5000 {
		if time.Now().After(end) {
			break
		}
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		_, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(b)), 16)
		if errno == 0 {
			got := make([]byte, 7)
			n, err := unix.Read(fd, got)
			tally[fmt.Sprint(string(got[:max(n, 0)]), err)]++
		} else {
			tally[errno.Error()]++
		}
		_ = unix.Close(fd)
	}
	close(stop)
	<-done
	for k, n := range tally {
		fmt.Println(k, n)
	}
	return nil
}

// serve listens like any Go program, without a C library, and answers with
// its own name until it is told to end.
func serve(args []string) error {
	l, err := net.Listen("tcp", args[0])
	if err != nil {
		return err
	}
	fmt.Println("listening", l.Addr())
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte(args[1]))
			_ = c.Close()
		}
	}()
	for _, to := range args[2:] {
		c, err := net.Dial("tcp", to)
		if err != nil {
			return err
		}
		b, err := io.ReadAll(c)
		if err != nil {
			return err
		}
		fmt.Println(c.RemoteAddr(), string(b))
		_ = c.Close()
	}
	_, err = os.Stdin.Read(make([]byte, 1))
	return errors.Join(err, l.Close())
}

// benchProgram prints how long count rounds of connect, accept and close
// take, in nanoseconds, and then waits to be asked again.
func benchProgram(args []string) error {
	count, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	l, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	here := netip.MustParseAddrPort("127.0.0.1:" + args[1])
	if err := unix.SetsockoptInt(l, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	if errno := unotify.NewAddress(unix.AF_INET, here).Bind(l); errno != 0 {
		return errno
	}
	if err := unix.Listen(l, 128); err != nil {
		return err
	}
	to := unotify.NewAddress(unix.AF_INET, here)
	if here.Port() == 0 {
		sa, err := unix.Getsockname(l)
		if err != nil {
			return err
		}
		to.Set(netip.AddrPortFrom(here.Addr(), uint16(sa.(*unix.SockaddrInet4).Port)))
	}
	linger := unix.Linger{Onoff: 1} // no TIME_WAIT, so that ports do not run out
	b := make([]byte, 1)
	for {
		if _, err := os.Stdin.Read(b); err != nil {
			return nil
		}
		begin := time.Now()
		for range count {
			c, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
			if err != nil {
				return err
			}
			if errno := to.Connect(c); errno != 0 {
				return errno
			}
			a, _, err := unix.Accept(l)
			if err != nil {
				return err
			}
			if err := unix.SetsockoptLinger(c, unix.SOL_SOCKET, unix.SO_LINGER, &linger); err != nil {
				return err
			}
			_ = syscall.Close(c)
			_ = syscall.Close(a)
		}
		fmt.Println(time.Since(begin).Nanoseconds())
	}
}

// restarted makes a connect that waits, and gets a signal meanwhile, whose
// handler, as all of Go's, has SA_RESTART.
func restarted(args []string) error {
	to := unotify.NewAddress(unix.AF_INET, netip.MustParseAddrPort(args[0]))
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGUSR1)
	thread := make(chan int, 1)
	result := make(chan unix.Errno, 1)
	go func() {
		runtime.LockOSThread()
		thread <- unix.Gettid()
		result <- to.Call(unix.SYS_CONNECT, fd) // once only
	}()
	tid := <-thread
	for {
		// The thread is in connect once it has run out of other things to do.
		text, err := os.ReadFile("/proc/self/task/" + strconv.Itoa(tid) + "/syscall")
		if err != nil {
			return err
		}
		if strings.HasPrefix(string(text), strconv.Itoa(unix.SYS_CONNECT)+" ") {
			break
		}
		runtime.Gosched()
	}
	if err := unix.Tgkill(os.Getpid(), tid, unix.SIGUSR1); err != nil {
		return err
	}
	<-signals
	fmt.Println("signal")
	if errno := <-result; errno != 0 {
		return errno
	}
	fmt.Println("connected")
	return nil
}
