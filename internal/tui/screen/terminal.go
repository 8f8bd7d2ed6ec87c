package screen

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"lodge/internal/show/table"

	"golang.org/x/term"
)

// Terminal is a terminal in raw mode with its alternate screen. It writes only
// the lines that changed since they were painted last. It uses the control
// sequences that every terminal has (xterm's ctlseqs, "DEC Private Mode Set").
type Terminal struct {
	in, out *os.File
	// before is the mode that leave restores; nil outside enter and leave.
	before        *term.State
	width, height int
	// shown are the lines on the screen; nil when that is not known.
	shown []string
}

// The alternate screen, with the cursor hidden, lines that do not wrap, and
// pasted text marked; and all of it taken back in turn.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[?2004h"
	leaveScreen = "\x1b[0m\x1b[?2004l\x1b[?7h\x1b[?25h\x1b[?1049l"
)

// NewTerminal returns the terminal that is read from in and written to out. Both must be terminals.
func NewTerminal(in, out *os.File) *Terminal { return &Terminal{in: in, out: out} }

// Size returns the width and the height in cells, as measured last.
func (t *Terminal) Size() (width, height int) { return t.width, t.height }

// Enter sets the raw mode, measures the terminal and shows the alternate screen. After an error, leave restores
// what was changed.
func (t *Terminal) Enter() error {
	before, err := term.MakeRaw(int(t.in.Fd()))
	if err != nil {
		return fmt.Errorf("set terminal: %w", err)
	}
	t.before = before
	t.Measure()
	return t.write(enterScreen)
}

// Leave restores the terminal's mode and screen. A second call does nothing.
func (t *Terminal) Leave() error {
	if t.before == nil {
		return nil
	}
	err := t.write(leaveScreen)
	err = errors.Join(err, term.Restore(int(t.in.Fd()), t.before))
	t.before = nil
	return err
}

// Measure reads the size. All lines are painted again after it: a terminal moves
// its lines when its size changes.
func (t *Terminal) Measure() {
	t.width, t.height = 80, 24
	if w, h, err := term.GetSize(int(t.out.Fd())); err == nil && w > 0 && h > 0 {
		t.width, t.height = w, h
	}
	t.Forget()
}

// Forget makes the next paint write every line.
func (t *Terminal) Forget() { t.shown = nil }

// Paint writes the lines that changed. None may be wider than the terminal.
func (t *Terminal) Paint(lines []Line, color bool) error {
	var b strings.Builder
	if t.shown == nil {
		b.WriteString("\x1b[0m\x1b[2J")
		t.shown = make([]string, t.height)
	}
	for i := range t.shown {
		var l Line
		if i < len(lines) {
			l = lines[i]
		}
		text := l.Paint(color)
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

func (t *Terminal) write(s string) error {
	if s == "" {
		return nil
	}
	if _, err := t.out.WriteString(s); err != nil {
		return fmt.Errorf("write to terminal: %w", err)
	}
	return nil
}
