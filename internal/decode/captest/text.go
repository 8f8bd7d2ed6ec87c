package captest

import (
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"lodge/internal/decode"
)

// shownBody is how many bytes of a body are in the text.
const shownBody = 1024

// flowText returns a flow as text, with times relative to begin or without any.
func flowText(f Flow, begin time.Time, times bool) string {
	var w strings.Builder
	protocol := f.Protocol
	if protocol == "" {
		protocol = "no protocol"
	}
	fmt.Fprintf(&w, "%s → %s %s, %s, client %s, server %s", f.Client, f.Server, f.Transport, protocol, endText(f.Ends[0]), endText(f.Ends[1]))
	if f.Midstream {
		w.WriteString(", midstream")
	}
	if f.Refused {
		w.WriteString(", refused")
	}
	if f.Gaps > 0 {
		fmt.Fprintf(&w, ", %d gaps of %d bytes", f.Gaps, f.Missing)
	}
	w.WriteByte('\n')
	for _, e := range f.Exchanges {
		w.WriteString(exchangeText(e, begin, times))
	}
	for _, l := range sumLosses(f.Losses) {
		fmt.Fprintf(&w, "\t%s\n", l)
	}
	return w.String()
}

func endText(e decode.End) string {
	switch e {
	case decode.Closed:
		return "closed"
	case decode.Reset:
		return "reset"
	case decode.Stopped:
		return "stopped"
	}
	return "open"
}

// sumLosses adds up what was lost for the same reason: the number of reports
// depends on how the bytes came.
func sumLosses(losses []decode.Loss) []string {
	type key struct {
		protocol string
		side     decode.Side
		reason   decode.LossReason
		unknown  bool
	}
	sums := map[key]int64{}
	for _, l := range losses {
		if l.Bytes == 0 {
			continue
		}
		sums[key{l.Protocol, l.Side, l.Reason, l.Bytes < 0}] += max(0, l.Bytes)
	}
	var text []string
	for _, k := range slices.SortedFunc(maps.Keys(sums), func(a, b key) int {
		return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
	}) {
		bytes := strconv.FormatInt(sums[k], 10) + " bytes"
		if k.unknown {
			bytes = "an unknown number of bytes"
		}
		text = append(text, strings.Join(strings.Fields(fmt.Sprintf("lost %s %s: %s of the %s", k.protocol, k.reason, bytes, k.side)), " "))
	}
	return text
}

// exchangeText returns an exchange as text: each field that is set.
func exchangeText(e *decode.Exchange, begin time.Time, times bool) string {
	var w strings.Builder
	fmt.Fprintf(&w, "\t%s %s", e.Kind, e.Protocol)
	if e.Version != "" {
		fmt.Fprintf(&w, " %s", line(e.Version))
	}
	fmt.Fprintf(&w, " from %s", e.From)
	if e.Secure {
		w.WriteString(", secure")
	}
	if e.Begun {
		w.WriteString(", begun")
	}
	if e.Failed {
		w.WriteString(", failed")
	}
	w.WriteByte('\n')
	if times {
		fmt.Fprintf(&w, "\t\ttime: %s, answered %s, ended %s\n", since(e.Started, begin), since(e.Answered, begin), since(e.Ended, begin))
	}
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&w, "\t\t%s: %s\n", name, line(value))
		}
	}
	field("method", e.Method)
	field("target", e.Target)
	field("host", e.Host)
	field("group", e.Group)
	field("status", e.Status)
	if e.Code != 0 {
		field("code", strconv.Itoa(e.Code))
	}
	if e.Stream != 0 {
		field("stream", strconv.FormatUint(e.Stream, 10))
	}
	for _, d := range e.Details {
		fmt.Fprintf(&w, "\t\tdetail %s: %s\n", line(d.Name), line(d.Value))
	}
	for _, u := range e.Unknown {
		field("unknown", u)
	}
	messageText(&w, "request", &e.Request)
	messageText(&w, "response", &e.Response)
	return w.String()
}

func since(t, begin time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return fmt.Sprintf("%.6f", t.Sub(begin).Seconds())
}

func messageText(w *strings.Builder, name string, m *decode.Message) {
	if m.Bytes == 0 && m.BodyBytes == 0 && len(m.Body) == 0 && len(m.Header) == 0 && len(m.Trailer) == 0 && m.Encoding == "" && !m.Truncated && !m.Incomplete {
		return
	}
	fmt.Fprintf(w, "\t\t%s: %d bytes", name, m.Bytes)
	if m.BodyBytes != 0 || len(m.Body) > 0 {
		fmt.Fprintf(w, ", body of %d", m.BodyBytes)
	}
	if m.Encoding != "" {
		fmt.Fprintf(w, ", %s", line(m.Encoding))
	}
	if m.Truncated {
		w.WriteString(", truncated")
	}
	if m.Incomplete {
		w.WriteString(", incomplete")
	}
	w.WriteByte('\n')
	for _, h := range m.Header {
		fmt.Fprintf(w, "\t\t\t%s: %s\n", line(h.Name), line(h.Value))
	}
	for _, h := range m.Trailer {
		fmt.Fprintf(w, "\t\t\ttrailer %s: %s\n", line(h.Name), line(h.Value))
	}
	bodyText(w, m.Body)
}

// bodyText writes the begin of a body, as text or hexadecimal, and a sum of all
// of it where it is longer.
func bodyText(w *strings.Builder, b []byte) {
	if len(b) == 0 {
		return
	}
	shown := b[:min(len(b), shownBody)]
	for len(shown) < len(b) && !utf8.RuneStart(b[len(shown)]) && len(shown) > shownBody-utf8.UTFMax {
		shown = shown[:len(shown)-1]
	}
	if printable(shown) {
		for l := range strings.SplitSeq(strings.TrimSuffix(string(shown), "\n"), "\n") {
			fmt.Fprintf(w, "\t\t\t| %s\n", strings.ReplaceAll(l, "\r", "\\r"))
		}
	} else {
		for l := range strings.SplitSeq(strings.TrimSuffix(hex.Dump(shown), "\n"), "\n") {
			fmt.Fprintf(w, "\t\t\t| %s\n", l)
		}
	}
	if len(shown) < len(b) {
		fmt.Fprintf(w, "\t\t\t… %d bytes kept, crc32 %08x\n", len(b), crc32.ChecksumIEEE(b))
	}
}

func printable(b []byte) bool {
	if !utf8.Valid(b) {
		return false
	}
	for _, r := range string(b) {
		if !unicode.IsPrint(r) && !strings.ContainsRune("\r\n\t", r) {
			return false
		}
	}
	return true
}

// line returns a value as it can be written in a line: quoted where it must be.
func line(s string) string {
	if s == "" || strings.TrimSpace(s) != s || s[0] == '"' || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}
