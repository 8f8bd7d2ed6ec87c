package look

import (
	"errors"
	"fmt"
	"io"

	"rsc.io/qr/coding"

	"lodge/internal/show"
)

// printQR prints a QR code (ISO/IEC 18004) with two modules in a character,
// dark on light, with the quiet zone of four modules that readers need.
func printQR(w io.Writer, text string) error {
	code, err := encodeQR(text)
	if err != nil {
		return fmt.Errorf("make QR code: %w", err)
	}
	const quiet = 4
	dark := func(x, y int) bool { return x >= 0 && y >= 0 && x < code.Size && y < code.Size && code.Black(x, y) }
	for y := -quiet; y < code.Size+quiet; y += 2 {
		// Black on white whatever the terminal's colours are (ECMA-48, SGR).
		line := ""
		for x := -quiet; x < code.Size+quiet; x++ {
			switch {
			case dark(x, y) && dark(x, y+1):
				line += "█"
			case dark(x, y):
				line += "▀"
			case dark(x, y+1):
				line += "▄"
			default:
				line += " "
			}
		}
		if _, err := fmt.Fprintln(w, show.Paint(show.BlackOnWhite, line)); err != nil {
			return err
		}
	}
	return nil
}

// encodeQR returns the smallest code of a text of bytes, with error correction level M. It
// is rsc.io/qr.Encode, which makes images as well and so links what decodes them.
func encodeQR(text string) (*coding.Code, error) {
	bits := coding.String(text)
	for v := coding.Version(coding.MinVersion); v <= coding.MaxVersion; v++ {
		if bits.Bits(v) > v.DataBytes(coding.M)*8 {
			continue
		}
		plan, err := coding.NewPlan(v, coding.M, 0)
		if err != nil {
			return nil, err
		}
		return plan.Encode(bits)
	}
	return nil, errors.New("the text is too long")
}
