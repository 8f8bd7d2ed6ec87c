// Package keeper is the small process that outlives the daemon: the parent and
// subreaper of one project's services. It holds their home, their logs, their
// terminals and their leased sockets, and answers on a Unix socket of its own.
//
// It does not choose homes or engines and knows no other project: the daemon
// gives it its Config.
package keeper

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/home"
	"lodge/internal/logs"
	"lodge/internal/loopback"
	"lodge/internal/service"
)

// Config is what the daemon gives a new keeper, as JSON on descriptor 3.
type Config struct {
	ID           string          `json:"id"`
	Name         string          `json:"name"`
	Dir          string          `json:"dir"`
	Socket       string          `json:"socket"`
	Record       string          `json:"record"`
	LogDir       string          `json:"log_dir"`
	Home         home.Spec       `json:"home"`
	Engine       loopback.Engine `json:"engine"`
	EngineReason string          `json:"engine_reason"`
	// EngineFiles is how many descriptors from EngineFD on the engine has.
	EngineFiles int `json:"engine_files,omitempty"`
	// Cgroup is the home's, where the engine makes one.
	Cgroup  string `json:"cgroup,omitempty"`
	Exe     string `json:"exe"`
	Version string `json:"version"`
}

// Record is what a keeper leaves on disk while it runs, so that a daemon that
// comes back finds it.
type Record struct {
	Config Config `json:"config"`
	PID    int    `json:"pid"`
	// StartTime is the process's start in clock ticks since boot (proc(5),
	// field 22 of stat): a process id may be used again, this pair is not.
	StartTime uint64    `json:"start_time"`
	Started   time.Time `json:"started"`
}

// Project is the state of a project as its keeper tells it.
type Project struct {
	ID           string              `json:"id"`
	Name         string              `json:"name"`
	Dir          string              `json:"dir"`
	Home         home.Spec           `json:"home"`
	Engine       loopback.Engine     `json:"engine"`
	EngineReason string              `json:"engine_reason"`
	PID          int                 `json:"pid"`
	Version      string              `json:"version"`
	LogError     string              `json:"log_error,omitempty"`
	Services     []service.Status    `json:"services"`
	Others       []loopback.Endpoint `json:"others,omitempty"`
}

// Request is one call, the first line on a connection. Descriptors that belong
// to it travel with its first byte (unix(7), SCM_RIGHTS).
type Request struct {
	Op string `json:"op"` // status, watch, define, up, restart, stop, down, logs, exec

	Services []string       `json:"services,omitempty"`
	Specs    []service.Spec `json:"specs,omitempty"`
	Env      []string       `json:"env,omitempty"`

	Query  *LogQuery `json:"query,omitempty"`
	Follow bool      `json:"follow,omitempty"`

	Exec *Exec `json:"exec,omitempty"`
}

// LogQuery says which lines are wanted.
type LogQuery struct {
	Services []string  `json:"services,omitempty"`
	Since    time.Time `json:"since,omitzero"`
	Tail     int       `json:"tail,omitempty"` // 0: all
}

// Exec is one command to run inside. Its descriptors: standard input, output
// and error; with Terminal only the output, for a listed one.
type Exec struct {
	Argv    []string `json:"argv"`
	Dir     string   `json:"dir"`
	Name    string   `json:"name"`
	Command string   `json:"command"`
	// Listed makes it a run: it shows among the services and its output is kept.
	Listed   bool   `json:"listed,omitempty"`
	Terminal bool   `json:"terminal,omitempty"`
	Rows     uint16 `json:"rows,omitempty"`
	Cols     uint16 `json:"cols,omitempty"`
}

// Reply is one line of the answer. The last one has Done or Error.
type Reply struct {
	Done    bool       `json:"done,omitempty"`
	Error   *Error     `json:"error,omitempty"`
	Project *Project   `json:"project,omitempty"`
	Line    *logs.Line `json:"line,omitempty"`
	// PID and Name of a command that was started; its terminal travels with
	// the line.
	PID  int    `json:"pid,omitempty"`
	Name string `json:"name,omitempty"`
	// Exit is how the command ended.
	Exit *service.ExitStatus `json:"exit,omitempty"`
}

// Error is a failure as it travels between keeper, daemon and client.
type Error struct {
	Message   string   `json:"message"`
	Hint      string   `json:"hint,omitempty"`
	Service   string   `json:"service,omitempty"`
	LastLines []string `json:"last_lines,omitempty"`
}

func (e *Error) Error() string { return e.Message }

func wireError(err error) *Error {
	var se *service.Error
	if errors.As(err, &se) {
		return &Error{Message: se.Error(), Hint: se.Hint, Service: se.Service, LastLines: se.LastLines}
	}
	var we *Error
	if errors.As(err, &we) {
		return we
	}
	return &Error{Message: err.Error()}
}

// Signal is what a client may send while its command runs.
type Signal struct {
	Signal int `json:"signal"`
}

// maxLine bounds one message: an environment and a configuration fit, a flood
// does not.
const maxLine = 8 << 20

// maxFiles is the most descriptors that travel with one message.
const maxFiles = 8

// wire reads and writes JSON lines with descriptors on a Unix socket.
type wire struct {
	conn *net.UnixConn
	buf  []byte
	wmu  sync.Mutex // serializes writers
}

// read reads one line into v and gives the descriptors that came with it.
func (w *wire) read(v any) ([]*os.File, error) {
	var files []*os.File
	fail := func(err error) ([]*os.File, error) {
		closeAll(files)
		return nil, err
	}
	for {
		if i := bytes.IndexByte(w.buf, '\n'); i >= 0 {
			line := w.buf[:i]
			err := json.Unmarshal(line, v)
			w.buf = append(w.buf[:0], w.buf[i+1:]...)
			if err != nil {
				return fail(fmt.Errorf("read message: %w", err))
			}
			return files, nil
		}
		if len(w.buf) > maxLine {
			return fail(errors.New("read message: it is too long"))
		}
		chunk := make([]byte, 64<<10)
		oob := make([]byte, unix.CmsgSpace(maxFiles*4))
		n, oobn, _, _, err := w.conn.ReadMsgUnix(chunk, oob)
		if oobn > 0 {
			fs, ferr := parseRights(oob[:oobn])
			files = append(files, fs...)
			if ferr != nil {
				return fail(ferr)
			}
		}
		w.buf = append(w.buf, chunk[:max(n, 0)]...)
		if err == nil && n == 0 {
			err = io.EOF
		}
		if err != nil {
			return fail(err)
		}
	}
}

func parseRights(oob []byte) ([]*os.File, error) {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, fmt.Errorf("read descriptors: %w", err)
	}
	var files []*os.File
	for i := range msgs {
		fds, err := unix.ParseUnixRights(&msgs[i])
		if err != nil {
			continue
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "passed"))
		}
	}
	return files, nil
}

func (w *wire) write(v any, files ...*os.File) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	b = append(b, '\n')
	w.wmu.Lock()
	defer w.wmu.Unlock()
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			if fds[i], err = rawFD(f); err != nil {
				return err
			}
		}
		n, _, err := w.conn.WriteMsgUnix(b, unix.UnixRights(fds...), nil)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	if len(b) == 0 {
		return nil
	}
	_, err = w.conn.Write(b)
	return err
}

func closeAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close()
		}
	}
}

// rawFD gives a file's descriptor without making it blocking, which Fd does.
func rawFD(f *os.File) (int, error) {
	c, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	n := -1
	err = c.Control(func(fd uintptr) { n = int(fd) })
	return n, err
}
