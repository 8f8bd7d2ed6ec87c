package text

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"lodge/internal/show"
	"lodge/internal/tap"
)

// Account returns what was seen and what was lost, in lines for people. The first
// line is all that there is to say where nothing was lost.
func Account(a *tap.Account) []string {
	n := func(v uint64, one, many string) string { return show.Count(int(v), one, many) }
	first := n(a.Records.Exchanges, "exchange", "exchanges")
	if f := a.Records.Failures; f > 0 {
		first += ", " + n(f, "failed connection", "failed connections")
	}
	if a.Records.Selected != a.Records.Exchanges+a.Records.Failures {
		first += " (" + strconv.FormatUint(a.Records.Selected, 10) + " selected)"
	}
	one, many := "packet", "packets"
	if a.Capture.Relay {
		one, many = "piece", "pieces"
	}
	first += " on " + n(a.Streams.Connections, "connection", "connections") + ", " + packets(&a.Capture, one, many)
	if u := a.Unix; u != nil {
		looks := u.LeftOut["nscd"].Packets
		first += ", " + n(u.Seen.Packets-min(looks, u.Seen.Packets), "call", "calls") + " on Unix sockets"
		if looks > 0 {
			first += " (" + n(looks, "look", "looks") + " for nscd left out)"
		}
	}
	if a.Records.Ends > 0 {
		first += fmt.Sprintf("; processes known at %s of the ends", percent(a.Records.Attributed, a.Records.Ends))
	}
	var lost []string
	add := func(format string, args ...any) { lost = append(lost, fmt.Sprintf(format, args...)) }
	for _, why := range tap.Sorted(a.Capture.Lost) {
		if c := a.Capture.Lost[why]; c.Packets > 0 {
			add("%s lost: %s", n(c.Packets, one, many), reason(why))
		}
	}
	if m := a.Capture.Missing(); m != 0 {
		add("%d %s not accounted for", m, many)
	}
	if a.Capture.Unknown {
		add("%s lost at the capture are not known", many)
	}
	if u := a.Unix; u != nil {
		for _, why := range tap.Sorted(u.Lost) {
			c := u.Lost[why]
			add("%s of %s on Unix sockets lost: %s", show.ByteCount(float64(c.Bytes)), n(c.Packets, "call", "calls"), reason(why))
		}
		if m := u.Missing(); m != 0 {
			add("%d calls on Unix sockets not accounted for", m)
		}
		if u.Unknown {
			add("calls on Unix sockets that were lost are not known")
		}
		if u.UnsureBytes > 0 {
			add("%s shown of calls on Unix sockets that did not send them in the end", show.ByteCount(float64(u.UnsureBytes)))
		}
	}
	if a.Streams.MissingBytes > 0 || a.Streams.Gaps > 0 {
		add("%s missing in streams, in %s", show.ByteCount(float64(a.Streams.MissingBytes)), n(a.Streams.Gaps, "place", "places"))
	}
	if a.Streams.Evicted > 0 {
		add("%s forgotten: too many at once", n(a.Streams.Evicted, "connection", "connections"))
	}
	for _, why := range tap.Sorted(a.Decode.Lost) {
		v := a.Decode.Lost[why]
		add("%s not decoded: %s", show.ByteCount(float64(v.Bytes)), reason(string(why)))
	}
	if a.Records.Incomplete > 0 {
		add("%s", n(a.Records.Incomplete, "exchange is incomplete", "exchanges are incomplete"))
	}
	if a.Records.Dropped > 0 {
		add("%s not shown: the output was not read in time", n(a.Records.Dropped, "record", "records"))
	}
	if a.Records.NotInArchive > 0 {
		add("%s of HTTP not in the .har: the request was not seen", n(a.Records.NotInArchive, "exchange", "exchanges"))
	}
	if a.Records.Unwritten > 0 {
		add("%s not written", n(a.Records.Unwritten, "record", "records"))
	}
	for _, why := range tap.Sorted(a.Streams.Skipped) {
		add("%s skipped: %s", n(a.Streams.Skipped[why], "packet", "packets"), reason(why))
	}
	if a.TLS != nil {
		for _, why := range tap.Sorted(a.TLS.Lost) {
			add("%s of TLS lost: %s", n(a.TLS.Lost[why], "secret", "secrets"), reason(why))
		}
	}
	if len(lost) == 0 {
		lost, first = nil, first+"; nothing lost"
	}
	return append(append([]string{first}, lost...), probes(a.TLS)...)
}

// maxShownFiles bounds the files that are shown, of those that are not probed.
const maxShownFiles = 5

// probes says what was probed.
func probes(t *tap.TLS) []string {
	if t == nil {
		return nil
	}
	var not []string
	for _, f := range t.Files {
		if !f.Probed {
			not = append(not, fmt.Sprintf("not probed: %s (%s): %s", f.Path, f.Library, f.Reason))
		}
	}
	first := fmt.Sprintf("TLS: %s probed, %s", show.Count(t.Probes, "file", "files"), show.Count(int(t.Delivered), "secret", "secrets"))
	if other := t.LeftOut["other_user"]; other > 0 {
		first += fmt.Sprintf("; %d are another user's", other)
	}
	if more := len(not) - maxShownFiles; more > 0 {
		not = append(not[:maxShownFiles], fmt.Sprintf("and %s not probed", show.Count(more, "more file", "more files")))
	}
	return append([]string{first}, not...)
}

// packets says how many packets were wanted, and how many of those on lo were not.
func packets(c *tap.Capture, one, many string) string {
	seen, out := c.Seen.Packets, uint64(0)
	for _, why := range []string{"filter", "other_user"} {
		out += c.LeftOut[why].Packets
	}
	text := show.Count(int(seen-min(out, seen)), one, many)
	if out > 0 {
		text += " (" + show.Count(int(out), "other was", "others were") + " not asked for)"
	}
	return text
}

// percent is a share, rounded down, so that 100 % means all.
func percent(part, whole uint64) string {
	return fmt.Sprintf("%d %%", part*100/whole)
}

// reason is a reason for people.
func reason(why string) string {
	switch why {
	case "ring_full":
		return "the ring was full"
	case "queue_full":
		return "the queue of the relay was full"
	case "backlog_full":
		return "a connection that the service did not accept yet"
	case "multipath_tcp":
		return "a connection of Multipath TCP"
	case "too_many":
		return "a connection more than the relay takes"
	case "no_address":
		return "a connection whose address the relay could not have"
	case "relay_failed", "made_meanwhile":
		return "a connection that could not be led through the relay"
	case "unknown":
		return "no protocol recognised"
	case "gap":
		return "bytes before them are missing"
	case "malformed":
		return "not what the protocol allows"
	case "too_long":
		return "a message longer than the limit"
	case "state":
		return "they depend on what was sent before"
	case "too_large":
		return "more than is copied of one call"
	case "not_copied":
		return "sent by the kernel from a file or a pipe, or by io_uring"
	case "no_room":
		return "too many calls at the same time"
	case "encrypted":
		return "encrypted"
	case "not_tcp_or_udp":
		return "neither TCP nor UDP"
	}
	return strings.ReplaceAll(why, "_", " ")
}

// WriteAccount prints an account.
func WriteAccount(w io.Writer, a *tap.Account) error {
	for _, line := range Account(a) {
		if _, err := fmt.Fprintln(w, show.CleanLine(line, false)); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	return nil
}
