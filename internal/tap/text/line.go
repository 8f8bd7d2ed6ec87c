package text

import (
	"strings"
	"time"
	"unicode/utf8"

	"lodge/internal/decode"
	"lodge/internal/show"
	"lodge/internal/tap"
)

// parts are those of a line. Each can be cut, the request last.
type parts struct {
	at             time.Time
	date           bool
	protocol       string
	client, server string // the server with its port
	arrow          string
	request        string
	answer         string
	latency, size  string
	notes          string // "(goes on)", what is unknown
	buf            []byte // to put them together
}

// Widths of columns, in characters.
const (
	protocolWidth = 10
	endsWidth     = 36
	// fewEnds is the width of both ends where lines are cut: of each end as much as it
	// has room for.
	fewEnds = 22
	// fewRequest is how much of a request is shown on a terminal of 80 columns before
	// anything else is given room; on a wider one it is more.
	fewRequest = 20
)

// partsOf returns the parts of a record's line. unknown is what it says not to be known.
func partsOf(r *tap.Record, today time.Time, unknown string) parts {
	p := parts{at: r.Time.Local(), protocol: r.Transport.String(), arrow: "→", client: endName(&r.Client, false), server: endName(&r.Server, true)}
	y, m, d := p.at.Date()
	p.date = y != today.Year() || m != today.Month() || d != today.Day()
	x := r.Exchange
	if x == nil {
		p.request, p.answer = "connect", string(r.Failure)
		if p.protocol == "udp" {
			p.request = "send"
		}
		return p
	}
	p.protocol = x.Protocol
	if x.Secure {
		p.protocol += "+tls"
	}
	if x.Kind == decode.KindMessage && x.From == decode.Server {
		p.arrow = "←"
	}
	p.request = request(x)
	switch {
	case x.Kind == decode.KindMessage, x.Protocol == tap.Unknown:
	case x.Status != "":
		p.answer = short(x.Status)
	case !x.Response.Seen():
		p.answer = "no answer"
	}
	if d, ok := r.Latency(); ok && x.Kind != decode.KindMessage {
		p.latency = show.Latency(float64(d) / float64(time.Microsecond))
	}
	p.size = show.Bytes(float64(r.Bytes()))
	if x.Begun {
		p.notes = "(goes on)"
	}
	if unknown != "" && p.notes != "" {
		p.notes += "  "
	}
	p.notes += unknown
	return p
}

// line puts the parts into a line of at most width characters, 0 for any number. What
// people look for is the request: it is cut last, and in its middle.
func (p *parts) line(width int) string {
	p.clean()
	line := p.text("15:04:05.000", endsWidth)
	if width <= 0 || utf8.RuneCountInString(line) <= width {
		return line
	}
	layout, ends := "15:04:05.000", endsWidth
	least := min(fewRequest+max(0, width-80)/2, utf8.RuneCountInString(p.request))
	for _, give := range []func(){
		func() { p.notes = "" },
		func() { p.size = "" },
		func() { p.answer = code(p.answer) },
		func() { ends = fewEnds; p.cutEnds(ends) },
		func() { p.date = false },
		func() { layout = "15:04:05" },
		func() { p.latency = "" },
	} {
		if p.room(width, layout, ends) >= least {
			break
		}
		give()
	}
	p.request = middle(p.request, max(1, p.room(width, layout, ends)))
	return cut(p.text(layout, ends), width)
}

// room returns how many characters the request can have.
func (p *parts) room(width int, layout string, ends int) int {
	request := p.request
	p.request = "x"
	n := utf8.RuneCountInString(p.text(layout, ends)) - 1
	p.request = request
	return width - n
}

func (p *parts) text(layout string, ends int) string {
	b := p.buf[:0]
	if p.date {
		b = append(p.at.AppendFormat(b, "2006-01-02"), ' ')
	}
	b = append(p.at.AppendFormat(b, layout), "  "...)
	b = pad(append(b, p.protocol...), protocolWidth-utf8.RuneCountInString(p.protocol)+2)
	b = append(append(append(b, p.client...), ' '), p.arrow...)
	b = append(append(b, ' '), p.server...)
	b = pad(b, ends-utf8.RuneCountInString(p.client)-utf8.RuneCountInString(p.server)-3)
	for _, s := range [...]string{p.request, p.answer, p.latency, p.size, p.notes} {
		if s != "" {
			b = append(append(b, "  "...), s...)
		}
	}
	p.buf = b
	return string(b)
}

// pad appends n blanks.
func pad(b []byte, n int) []byte {
	for ; n > 0; n-- {
		b = append(b, ' ')
	}
	return b
}

// clean makes all parts safe for a terminal.
func (p *parts) clean() {
	for _, s := range []*string{&p.protocol, &p.client, &p.server, &p.request, &p.answer, &p.notes} {
		*s = show.Legible(*s)
	}
}

// cutEnds shortens the names of both ends to so many characters with the arrow: the one
// that is longer first. A port is kept.
func (p *parts) cutEnds(width int) {
	room := width - len(" → ") + 2 // the arrow is one character of three bytes
	client, server := utf8.RuneCountInString(p.client), utf8.RuneCountInString(p.server)
	if client+server <= room {
		return
	}
	c := min(client, max(room-server, room/3))
	p.client = middle(p.client, c)
	p.server = cutServer(p.server, room-c)
}

// cutServer shortens a name before its port.
func cutServer(s string, width int) string {
	n := utf8.RuneCountInString(s)
	if i := strings.LastIndexByte(s, ':'); n > width && i > 0 && len(s)-i+2 < width {
		return middle(s[:i], width-(len(s)-i)) + s[i:]
	}
	return middle(s, width)
}

// code returns the first word of an answer, such as 200 of "200 OK".
func code(answer string) string {
	if word, _, ok := strings.Cut(answer, " "); ok && answer != "no answer" {
		return cut(word, 12)
	}
	return cut(answer, 12)
}

// middle shortens a text in its middle: its begin says what it is, its end which one.
func middle(s string, width int) string {
	n := utf8.RuneCountInString(s)
	if n <= width {
		return s
	}
	if width <= 3 {
		return cut(s, width)
	}
	r := []rune(s)
	tail := (width - 1) / 3
	return string(r[:width-1-tail]) + "…" + string(r[n-tail:])
}

// cut shortens a text to so many characters.
func cut(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	n := 0
	for i := range s {
		if n == width-1 {
			return s[:i] + "…"
		}
		n++
	}
	return s
}
