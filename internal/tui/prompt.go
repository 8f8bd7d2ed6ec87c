package tui

// prompt is a question at the foot of the screen. While it is there it gets
// the keys.
type prompt interface {
	key(u *ui, k string) []effect
	show(u *ui) line
}
