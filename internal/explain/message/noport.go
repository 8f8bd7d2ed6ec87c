package message

import (
	"strings"

	"lodge/internal/target"
)

var (
	// What a program says of a port that is none: Node, Python, Go, Java, curl,
	// psql and others.
	reNoPort = compiled(`(?i)\bbad[_ ]port\b|\binvalid port\b|\bport number was not a decimal number\b|\bport (?:number )?(?:value )?(?:must be|out of range|is out of range|should be)\b|\bbad (?:remote |local )?port\b|\bport:? "?\d{5,7}"? (?:is )?(?:invalid|out of range)\b`)
	// An address with such a number behind it.
	reFarPort = compiled(`(?i)(\blocalhost|\b\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:.]*:[0-9a-f:.]*\]|\b[a-z][\w-]*(?:\.[\w-]+)+):(\d{5,7})\b`)
	reLong    = compiled(`\b\d{5,7}\b`)
)

// NoPort reports whether a message tells of a number that is no port, with that
// number where it is written: "70000", or "".
func NoPort(text string) (number string, ok bool) {
	text = clean(text)
	for line := range strings.Lines(text) {
		if m := reFarPort.get().FindStringSubmatch(line); m != nil && !isSource(m[1]) && isFar(m[2]) {
			return m[2], true
		}
		if reNoPort.get().MatchString(line) {
			for _, n := range reLong.get().FindAllString(line, -1) {
				if isFar(n) && n != "65536" { // "should be below 65536"
					number = n
				}
			}
			return number, true
		}
	}
	return "", false
}

// isFar reports whether a number is above every port.
func isFar(digits string) bool {
	_, err := target.Port(digits)
	return err != nil
}
