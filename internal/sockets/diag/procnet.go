package diag

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// procNet reads the tables of sockets in /proc/net (proc(5)) where sock_diag is
// missing. A file that is open stays one of the network namespace in which it
// was opened, like a Conn.
type procNet struct {
	files [tableCount][2]int // descriptors plus one; the second is of IPv6
	// listenersFirst says that listening TCP sockets stand before all others,
	// as in every Linux.
	listenersFirst bool
	buf            []byte
}

// lineMost bounds a line. The longest are those of Unix sockets.
const lineMost = 1 << 10

// errStop ends a reading early. It never leaves this package's functions.
var errStop = errors.New("stop")

// open opens the file of a table. IPv6 has files of its own, which a kernel
// without it lacks, and UDP-Lite is gone from newer kernels: then the descriptor
// is -1, and the table is empty.
func (p *procNet) open(t table, six bool) (int, error) {
	at := &p.files[t][0]
	name := t.name()
	if six {
		at = &p.files[t][1]
		name += "6"
	}
	if *at > 0 {
		return *at - 1, nil
	}
	fd, err := unix.Open("/proc/thread-self/net/"+name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.ENOENT) && (six || t == tableUDPLite) && p.isThere():
		return -1, nil
	case err != nil:
		return -1, &os.PathError{Op: "open", Path: "/proc/net/" + name, Err: err}
	}
	*at = fd + 1
	return fd, nil
}

// isThere reports whether /proc is mounted with its network files.
func (p *procNet) isThere() bool {
	_, err := p.open(tableTCP, false)
	return err == nil
}

// openAll opens all files, so that they are of the calling thread's network
// namespace.
func (p *procNet) openAll() error {
	p.listenersFirst = listenersFirst()
	for _, t := range []table{tableTCP, tableUDP, tableUDPLite, tableUnix} {
		for _, six := range []bool{false, true} {
			if t == tableUnix && six {
				continue
			}
			if _, err := p.open(t, six); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *procNet) close() {
	for t := range p.files {
		for i := range p.files[t] {
			if fd := p.files[t][i] - 1; fd >= 0 {
				_ = unix.Close(fd) // only read from
				p.files[t][i] = 0
			}
		}
	}
}

// listenersFirst reports whether this is Linux itself (net/ipv4/tcp_ipv4.c,
// tcp_seek_next) and no other kernel that pretends to be an old one.
func listenersFirst() bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return false
	}
	var major int
	release := unix.ByteSliceToString(u.Release[:])
	n, _ := fmt.Sscanf(release, "%d.", &major)
	return n == 1 && major >= 5 && !strings.Contains(release, "gvisor")
}

// lines returns each line of a table's file but the heading to f, without its
// newline, until f returns errStop.
func (p *procNet) lines(ctx context.Context, t table, six bool, f func(line []byte) error) error {
	fd, err := p.open(t, six)
	if err != nil || fd < 0 {
		return err
	}
	if p.buf == nil {
		p.buf = make([]byte, bufferLen)
	}
	have, heading := 0, true
	for offset := int64(0); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := unix.Pread(fd, p.buf[have:], offset)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return fmt.Errorf("read /proc/net: %w", err)
		}
		offset += int64(n)
		b := p.buf[:have+n]
		for len(b) > 0 {
			end := bytes.IndexByte(b, '\n')
			if end < 0 {
				if n > 0 {
					break
				}
				end = len(b) // the last one
			}
			line := b[:end]
			b = b[min(end+1, len(b)):]
			if heading {
				heading = false
				continue
			}
			switch err := f(line); {
			case errors.Is(err, errStop):
				return nil
			case err != nil:
				return err
			}
		}
		if n == 0 {
			return nil
		}
		if len(b) > lineMost {
			return fmt.Errorf("read /proc/net: a line of more than %d bytes", lineMost)
		}
		have = copy(p.buf, b)
	}
}

// inet reads the TCP or UDP sockets of one family whose state is in states.
func (p *procNet) inet(ctx context.Context, t table, six bool, states uint32, add func(*Record) error) error {
	early := t == tableTCP && states == Listening && p.listenersFirst
	return p.lines(ctx, t, six, func(line []byte) error {
		r := Record{Peer: -1}
		if err := parseProcInet(line, six, &r); err != nil {
			return err
		}
		if early && r.State != StateListen {
			return errStop
		}
		if states&(1<<r.State) == 0 {
			return nil
		}
		if t != tableTCP {
			r.Proto = ProtoUDP
		}
		return add(&r)
	})
}

// unix reads the Unix sockets whose state is in states.
func (p *procNet) unix(ctx context.Context, states uint32, add func(*Record, UnixInfo) error) error {
	var r Record
	var info UnixInfo
	have := false
	end := func() error {
		if !have || states&(1<<r.State) == 0 {
			return nil
		}
		return add(&r, info)
	}
	err := p.lines(ctx, tableUnix, false, func(line []byte) error {
		next := Record{Peer: -1}
		var more UnixInfo
		if err := parseProcUnix(line, &next, &more); err != nil {
			if !have || r.LocalPort == 0 {
				return err
			}
			// A newline in a path is written as it is.
			info.Path += "\n" + string(line)
			return nil
		}
		if err := end(); err != nil {
			return err
		}
		r, info, have = next, more, true
		return nil
	})
	if err != nil {
		return err
	}
	return end()
}
