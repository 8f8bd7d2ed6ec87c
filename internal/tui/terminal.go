package tui

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"lodge/internal/show/table"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// terminal is the screen: what is painted on it, and how it was before. It is
// painted line by line and only where a line changed, so that it costs nothing
// while nothing does; no timer paints. What it uses is what every terminal has
// (xterm's ctlseqs, "DEC Private Mode Set").
type terminal struct {
	in, out *os.File
	before  *term.State
	width   int
	height  int
	// shown are the lines on the screen; nil when that is not known.
	shown []string
}

// The alternate screen, with the cursor hidden, lines that do not wrap, and
// pasted text marked; and all of it taken back in turn.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[?2004h"
	leaveScreen = "\x1b[0m\x1b[?2004l\x1b[?7h\x1b[?25h\x1b[?1049l"
)

// enter takes the terminal.
func (t *terminal) enter() error {
	before, err := term.MakeRaw(int(t.in.Fd()))
	if err != nil {
		return fmt.Errorf("set terminal: %w", err)
	}
	t.before = before
	t.measure()
	return t.write(enterScreen)
}

// leave returns the terminal back as it was. It may be called twice.
func (t *terminal) leave() error {
	if t.before == nil {
		return nil
	}
	err := t.write(leaveScreen)
	err = errors.Join(err, term.Restore(int(t.in.Fd()), t.before))
	t.before = nil
	return err
}

// measure reads the size, and forgets what is shown: a terminal that changes
// its size moves its lines as it likes.
func (t *terminal) measure() {
	t.width, t.height = 80, 24
	if w, h, err := term.GetSize(int(t.out.Fd())); err == nil && w > 0 && h > 0 {
		t.width, t.height = w, h
	}
	t.forget()
}

func (t *terminal) forget() { t.shown = nil }

// paint shows the lines, which are no wider than the screen.
func (t *terminal) paint(lines []line, color bool) error {
	var b strings.Builder
	if t.shown == nil {
		b.WriteString("\x1b[0m\x1b[2J")
		t.shown = make([]string, t.height)
	}
	for i := range t.shown {
		var l line
		if i < len(lines) {
			l = lines[i]
		}
		text := l.paint(color)
		if text == t.shown[i] {
			continue
		}
		t.shown[i] = text
		b.WriteString("\x1b[" + strconv.Itoa(i+1) + ";1H" + text)
		if table.Width(l.String()) < t.width { // or the last cell would go
			b.WriteString("\x1b[K")
		}
	}
	return t.write(b.String())
}

func (t *terminal) write(s string) error {
	if s == "" {
		return nil
	}
	if _, err := t.out.WriteString(s); err != nil {
		return fmt.Errorf("write to terminal: %w", err)
	}
	return nil
}

// escapeTime is how long the rest of a sequence may take to come: an escape
// that stays alone is a key.
const escapeTime = 50 * time.Millisecond

// keyboard reads keys and hands them to each, until each says no or stop is
// readable. An end of the input, or an error, is an error.
func keyboard(in *os.File, stop *os.File, each func(keyEvent) bool) error {
	var d decoder
	buf := make([]byte, 4096)
	for {
		wait := -1
		if d.pending() {
			wait = int(escapeTime.Milliseconds())
		}
		fds := []unix.PollFd{{Fd: int32(in.Fd()), Events: unix.POLLIN}, {Fd: int32(stop.Fd()), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, wait)
		var events []keyEvent
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return fmt.Errorf("read terminal: %w", err)
		case fds[1].Revents != 0:
			return nil
		case n == 0:
			events = d.expire()
		default:
			n, err := unix.Read(int(in.Fd()), buf)
			switch {
			case errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN):
				continue
			case err != nil:
				return fmt.Errorf("read terminal: %w", err)
			case n == 0:
				return errors.New("read terminal: it is gone")
			}
			events = d.feed(buf[:n])
		}
		for _, e := range events {
			if !each(e) {
				return nil
			}
		}
	}
}
