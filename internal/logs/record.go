package logs

import (
	"bytes"
	"time"
)

const (
	stampLayout = "2006-01-02T15:04:05.000000000Z" // RFC 3339, section 5.6
	stampLen    = len(stampLayout)
	// maxRecord is the length of the longest record that the writer makes,
	// line feed included.
	maxRecord = stampLen + 1 + MaxText + 1
)

// What stands between the time and the text.
const (
	plain     = ' '
	partial   = '>'
	continued = '<'
	middle    = '=' // both
	note      = '!'
)

// sign returns the byte for a piece of a line.
func sign(isPartial, isContinued bool) byte {
	switch {
	case isPartial && isContinued:
		return middle
	case isPartial:
		return partial
	case isContinued:
		return continued
	}
	return plain
}

func isSign(b byte) bool {
	return b == plain || b == partial || b == continued || b == middle || b == note
}

// lineOf makes a line of a record's parts.
func lineOf(at time.Time, service string, sign byte, text string) Line {
	return Line{
		Time: at, Service: service, Text: text,
		Partial: sign == partial || sign == middle, Continuation: sign == continued || sign == middle,
		Note: sign == note,
	}
}

// parseRecord takes a record without its line feed apart. It is false for
// anything that no writer wrote whole: the rest of a crash, or foreign text.
func parseRecord(b []byte) (at time.Time, sign byte, text []byte, ok bool) {
	if len(b) > stampLen && isSign(b[stampLen]) && b[stampLen-1] == 'Z' {
		if at, ok := parseStamp(b[:stampLen]); ok {
			return at, b[stampLen], b[stampLen+1:], true
		}
	}
	// Other spellings of RFC 3339, which other programs may have written.
	space := bytes.IndexByte(b[:min(len(b), stampLen+6)], ' ')
	if space < 0 {
		return at, 0, nil, false
	}
	at, err := time.Parse(time.RFC3339Nano, string(b[:space]))
	if err != nil {
		return at, 0, nil, false
	}
	return at.UTC(), plain, b[space+1:], true
}

// parseStamp reads the writer's own spelling, without allocation.
func parseStamp(b []byte) (time.Time, bool) {
	ok := b[4] == '-' && b[7] == '-' && b[10] == 'T' && b[13] == ':' && b[16] == ':' && b[19] == '.'
	number := func(from, to int) int {
		n := 0
		for _, c := range b[from:to] {
			if c < '0' || c > '9' {
				ok = false
			}
			n = n*10 + int(c) - '0'
		}
		return n
	}
	year, month, day := number(0, 4), number(5, 7), number(8, 10)
	hour, minute, second, nano := number(11, 13), number(14, 16), number(17, 19), number(20, 29)
	ok = ok && month >= 1 && month <= 12 && day >= 1 && day <= 31 && hour < 24 && minute < 60 && second < 60
	if !ok {
		return time.Time{}, false
	}
	return time.Date(year, time.Month(month), day, hour, minute, second, nano, time.UTC), true
}
