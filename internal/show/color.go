package show

// SGR is the parameter of a Select Graphic Rendition sequence (ECMA-48, 8.3.117),
// without its introducer and its final byte. Only the first sixteen colours are
// used, which people have chosen for their terminal, and nothing is told by colour
// alone.
type SGR string

// The renditions that lodge uses.
const (
	Bold       SGR = "1"
	Dim        SGR = "2"
	Reverse    SGR = "7"
	Red        SGR = "31"
	Green      SGR = "32"
	Yellow     SGR = "33"
	Gray       SGR = "90"
	BoldRed    SGR = "1;31"
	BoldYellow SGR = "1;33"
	// BlackOnWhite is so whatever the terminal's own colours are.
	BlackOnWhite SGR = "30;107"
)

// reset ends a rendition.
const reset = "\x1b[0m"

// WantsColor reports whether output may have colours: on a terminal only, which
// is not a dumb one, and where NO_COLOR is empty (https://no-color.org).
func WantsColor(terminal bool, noColor, term string) bool {
	return terminal && noColor == "" && term != "dumb"
}

// Paint returns text in a rendition; as it is where there is no rendition or no
// text.
func Paint(code SGR, text string) string {
	if code == "" || text == "" {
		return text
	}
	return "\x1b[" + string(code) + "m" + text + reset
}

// PaintFrom puts b[start:] in a rendition.
func PaintFrom(b []byte, start int, code SGR) []byte {
	text := string(b[start:])
	return append(b[:start], Paint(code, text)...)
}
