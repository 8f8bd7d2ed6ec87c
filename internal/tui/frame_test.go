package tui

import (
	"strings"
	"time"
)

// shopUI is the screen after two frames, two seconds apart.
func shopUI(width, height int, opt Options) *ui {
	opt.Zone = time.UTC
	u, err := newUI(opt)
	if err != nil {
		panic(err)
	}
	u.Resize(width, height)
	u.Frame(shopFrame(10))
	u.Frame(shopFrame(12))
	return u
}

func (u *ui) String() string {
	var b strings.Builder
	for _, l := range u.Lines() {
		b.WriteString(strings.TrimRight(l.String(), " ") + "\n")
	}
	return b.String()
}

func press(u *ui, keys ...string) []effect {
	var es []effect
	for _, k := range keys {
		es = append(es, u.Key(k)...)
	}
	return es
}
