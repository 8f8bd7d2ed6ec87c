package message

import (
	"net/netip"
	"slices"
	"strings"

	"lodge/internal/loopback"
	"lodge/internal/model"
)

// Operation is what was tried.
type Operation = model.Operation

// The operations that fail.
const (
	Connect = model.Connect
	Bind    = model.Bind
)

// Reading is one failure of which a message tells, or, where it tells none, the
// address in it.
type Reading struct {
	// Errno is the error's name ("ECONNREFUSED"), or "".
	Errno string
	// Operation is what failed, or "".
	Operation Operation
	// Protocol is "" where it was not said.
	Protocol loopback.Protocol
	// Name is a host's name in lower case, IPs are addresses; with a Name they
	// are what was tried for it.
	Name string
	IPs  []netip.Addr
	// Port, if HasPort.
	Port    uint16
	HasPort bool
	// Local is the near end of the connection, where the message tells it.
	Local netip.AddrPort
	// Unix is the path of a Unix socket.
	Unix string

	at    int  // where in the message
	plain bool // no failure is told
}

// reader has a message in all its parts.
type reader struct {
	text     string
	lines    []span
	mentions []mention
	marks    []mark
	byLine   map[int][]*mark
}

// maxMarks bounds how many errors of a log are looked at, from its end.
const maxMarks = 64

type span struct{ start, end int }

// Read reads a message. The likeliest reading comes first; there are several
// where the message tells of failures at different addresses. There is none
// where nothing in it is an address that belongs to its failure.
func Read(text string) []Reading {
	r := &reader{text: clean(text)}
	start := 0
	for i := range len(r.text) {
		if r.text[i] == '\n' {
			r.lines = append(r.lines, span{start, i})
			start = i + 1
		}
	}
	r.lines = append(r.lines, span{start, len(r.text)})
	r.mentions = mentions(lex(r.text))
	r.marks = marks(r.text)
	if len(r.marks) == 0 {
		r.marks = failures(r.text)
	}
	if len(r.marks) == 0 {
		return r.plainly()
	}
	r.index()
	var all []Reading
	for i := range r.marks {
		if x, ok := r.of(&r.marks[i]); ok {
			all = join(all, x)
		}
	}
	return sorted(r.worth(all))
}

// worth leaves out what says nothing where there is more: that the C library has
// found no name service cache, which is so on most machines, and the host and port
// that curl tells although it was given a Unix socket.
func (r *reader) worth(all []Reading) []Reading {
	has := func(f func(*Reading) bool) bool {
		return slices.ContainsFunc(all, func(x Reading) bool { return f(&x) })
	}
	isCache := func(x *Reading) bool { return strings.HasSuffix(x.Unix, "/run/nscd/socket") }
	if has(func(x *Reading) bool { return !isCache(x) }) {
		all = slices.DeleteFunc(all, func(x Reading) bool { return isCache(&x) })
	}
	curls := func(x *Reading) bool {
		return x.Unix != "" && strings.Contains(r.text, "connect fail for "+x.Unix)
	}
	if has(curls) {
		all = slices.DeleteFunc(all, func(x Reading) bool { return x.Unix == "" && x.Operation == Connect })
	}
	return all
}

// index orders the errors by their place, leaves out the first of very many, and
// notes which are in each line.
func (r *reader) index() {
	slices.SortStableFunc(r.marks, func(a, b mark) int { return a.start - b.start })
	if n := len(r.marks) - maxMarks; n > 0 {
		r.marks = r.marks[n:]
	}
	r.byLine = make(map[int][]*mark)
	for i := range r.marks {
		k := &r.marks[i]
		line := r.line(k.start)
		r.byLine[line] = append(r.byLine[line], k)
	}
}

// around returns the mentions in the lines that may have the address of an error
// in a line.
func (r *reader) around(line int) []mention {
	at := func(line int) int {
		i, _ := slices.BinarySearchFunc(r.mentions, line, func(m mention, line int) int { return m.line - line })
		return i
	}
	return r.mentions[at(line-maxApart):at(line+maxApart+1)]
}

// plainly reads a text that tells of no failure.
func (r *reader) plainly() []Reading {
	best := -1
	score := func(m *mention) int {
		n := 0
		if m.hasPort {
			n += 4
		}
		if m.hasHost() || m.unix != "" {
			n += 2
		}
		if m.role == never {
			n -= 10
		}
		return n
	}
	for i := range r.mentions {
		if best < 0 || score(&r.mentions[i]) > score(&r.mentions[best]) {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	m := &r.mentions[best]
	out := Reading{plain: true, Protocol: r.protocol(m, m.line)}
	out.take(m)
	for i := range r.mentions {
		out.complete(&r.mentions[i])
	}
	return []Reading{out}
}

// line returns the number of the line in which a position is.
func (r *reader) line(at int) int {
	n, found := slices.BinarySearchFunc(r.lines, at, func(s span, at int) int { return s.start - at })
	if !found {
		n--
	}
	return n
}

func (r *reader) lineText(n int) string {
	if n < 0 || n >= len(r.lines) {
		return ""
	}
	return r.text[r.lines[n].start:r.lines[n].end]
}

// of reads the failure that a mark tells.
func (r *reader) of(k *mark) (Reading, bool) {
	line := r.line(k.start)
	op := k.operation
	if op == "" {
		op = r.operation(k, line)
	}
	if k.operation == Connect && reGunicorn.get().MatchString(r.lineText(line)) {
		op = Bind
	}
	var best *mention
	var bestKey [4]int
	mentions := r.around(line)
	file := r.isFileError(k, line)
	for i := range mentions {
		m := &mentions[i]
		if file && m.line != line {
			continue
		}
		key, ok := r.key(k, m, line, op)
		if ok && (best == nil || slices.Compare(key[:], bestKey[:]) < 0) {
			best, bestKey = m, key
		}
	}
	out := Reading{Errno: k.errno, Operation: op, at: k.start}
	if best == nil && k.errno == "ENOTFOUND" {
		if name := r.nameBefore(k, line); name != "" {
			out.Name = name
			return out, true
		}
	}
	if best == nil {
		if n, ok := r.numberBehind(k); ok {
			out.Port, out.HasPort = n, true
			return out, true
		}
		if n, ok := usualPort(r.lineText(line), true); ok && op == Connect {
			out.Port, out.HasPort = n, true
			return out, true
		}
		return out, false
	}
	if best.unix == "" && k.errno == "ENOENT" {
		return out, false // a file that is missing, and no socket
	}
	out.take(best)
	out.Protocol = r.protocol(best, line)
	for i := range mentions {
		m := &mentions[i]
		if m == best || m.role == never || m.unix != "" {
			continue
		}
		if near(m.line, best.line, line) && m.role != serves {
			out.join(m, op)
		}
	}
	if !out.HasPort && out.Unix == "" {
		for i := range mentions {
			m := &mentions[i]
			if _, ok := r.key(k, m, line, op); ok && m.unix == "" && k.errno != "ENOTFOUND" {
				out.complete(m)
			}
		}
	}
	if !out.HasPort && out.Unix == "" && op == Connect && k.errno != "ENOTFOUND" {
		out.Port, out.HasPort = usualPort(r.lineText(line)+" "+r.lineText(best.line), false)
	}
	if out.Unix == "" && out.HasPort && out.Port == 0 {
		return out, false
	}
	return out, true
}

// isFileError reports whether an error is that of a file, which stands right
// before it: "/dev/stderr: Permission denied".
func (r *reader) isFileError(k *mark, line int) bool {
	if k.errno != "EACCES" && k.errno != "ENOENT" {
		return false
	}
	before := strings.TrimRight(r.text[r.lines[line].start:k.start], " :\"'")
	path := before[strings.LastIndexAny(before, " \t\"'(=")+1:]
	return strings.HasPrefix(path, "/") && !strings.Contains(path, "sock")
}

// gunicorn says so where it cannot bind.
var reGunicorn = compiled(`\[\d+\] \[ERROR\] Can't connect to [(/]`)

func near(line int, others ...int) bool { return slices.Contains(others, line) }

// key orders the mentions by how well they go with a mark: the same line, then
// the role, a port, the distance. It is false for those that do not at all.
func (r *reader) key(k *mark, m *mention, line int, op Operation) ([4]int, bool) {
	var key [4]int
	switch {
	case m.role == never, m.role == serves && op == Connect && m.line != line:
		return key, false
	case m.unix == "" && (k.errno == "ENOENT" || k.errno == "ENOTSOCK" || k.errno == "EPROTOTYPE" || k.errno == "EAGAIN"):
		return key, false
	case k.errno == "ENOTFOUND" && (m.name == "" || m.unix != ""):
		return key, false
	case m.line == line:
	case !r.related(m, line, op):
		return key, false
	case m.line > line:
		key[0] = 2 * (m.line - line)
	default:
		key[0] = 2*(line-m.line) + 1
	}
	key[1] = int(aim - m.role)
	if !m.hasPort && m.unix == "" && k.errno != "ENOTFOUND" {
		key[2] = 1
	}
	if m.hasPort && !m.hasHost() {
		key[2]++
	}
	if m.start >= k.end {
		key[3] = m.start - k.end
	} else {
		key[3] = max(k.start-m.end, 0)
	}
	if m.line != line && !m.hasPort && !m.hasHost() && m.unix == "" {
		return key, false
	}
	return key, true
}

// maxApart is how many lines may be between an error and its address.
const maxApart = 40

// related reports whether a mention in another line than an error may belong to
// it: the line speaks of such a failure, or has the details of one. A line that
// tells an error of its own keeps its addresses, unless it is the same error.
func (r *reader) related(m *mention, line int, op Operation) bool {
	if m.line-line > maxApart || line-m.line > maxApart {
		return false
	}
	for _, k := range r.byLine[m.line] {
		if k.said && !slices.ContainsFunc(r.byLine[line], func(o *mark) bool { return o.errno == k.errno }) {
			return false
		}
	}
	text := strings.ToLower(r.lineText(m.line))
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
	}
	if op == Connect && has("connected to ") && !has("not connected") && !slices.ContainsFunc(r.byLine[line], func(k *mark) bool { return breaksOff(k.errno) }) {
		return false // that one was made
	}
	if has("fail", "error", "could not", "cannot", "can't", "couldn't", "unable", "refus", "already", "in use", "hint:", "caused by") {
		return true
	}
	if isDetail(text) {
		return true
	}
	if op == Bind {
		return has("bind", "listen", "socket", "serv", "port", "starting")
	}
	return has("connect", "dial", "trying", "accepting", "request to", "fetch", "proxy", "upstream", "reach")
}

// breaksOff reports whether an error may be that of a connection which was made.
func breaksOff(errno string) bool {
	switch errno {
	case "ECONNRESET", "ETIMEDOUT":
		return true
	}
	return false
}

// isDetail reports whether a line is one of the details behind an error: a key
// and a value.
func isDetail(line string) bool {
	for _, end := range []string{" |", "]:"} { // what compose, foreman and journald write before each line
		if _, rest, ok := strings.Cut(line, end); ok {
			line = rest
			break
		}
	}
	s := strings.TrimLeft(line, " \t{[\"'-")
	if len(s) == len(line) {
		return false // not in a block
	}
	key, _, ok := strings.Cut(s, ":")
	if !ok {
		key, _, ok = strings.Cut(s, "=")
	}
	key = strings.TrimRight(key, "\"' ")
	switch key {
	case "address", "port", "host", "hostname", "path", "url", "uri", "server", "target", "endpoint", "addr", "remote", "remoteaddress", "remoteport":
		return ok
	}
	return false
}

// take begins a reading with its best mention.
func (x *Reading) take(m *mention) {
	x.Name, x.Port, x.HasPort, x.Local, x.Unix = m.name, m.port, m.hasPort, m.local, m.unix
	if m.ip.IsValid() {
		x.IPs = []netip.Addr{m.ip}
	}
}

// join adds what another mention tells of the same address.
func (x *Reading) join(m *mention, op Operation) {
	if !m.hasPort || !x.HasPort || m.port != x.Port || x.Unix != "" {
		return
	}
	if x.Local.IsValid() {
		return
	}
	if op == Bind && (x.Name != "" || len(x.IPs) > 0) {
		return
	}
	if x.Name == "" {
		x.Name = m.name
	}
	if m.ip.IsValid() && !slices.Contains(x.IPs, m.ip) {
		x.IPs = append(x.IPs, m.ip)
	}
}

// complete adds the port to a host, or the host to a port, that were said apart.
func (x *Reading) complete(m *mention) {
	switch {
	case x.Unix != "" || m.role == never:
	case !x.HasPort && m.hasPort && !m.hasHost():
		x.Port, x.HasPort = m.port, true
	case x.HasPort && x.Name == "" && len(x.IPs) == 0 && !m.hasPort && m.hasHost():
		x.Name = m.name
		if m.ip.IsValid() {
			x.IPs = append(x.IPs, m.ip)
		}
	}
}

// join adds a reading to those that are there: the same failure told twice is
// one, and one at several addresses of one port too.
func join(all []Reading, x Reading) []Reading {
	for i := range all {
		o := &all[i]
		same := o.Port == x.Port && o.HasPort == x.HasPort && o.Unix == x.Unix && o.Operation == x.Operation
		apart := o.Operation == x.Operation && o.Errno == x.Errno && (o.HasPort != x.HasPort)
		if !same && !apart {
			continue
		}
		alike := apart && x.Errno != "" && (o.Name != "" && o.Name == x.Name || o.Name == x.Name && len(o.IPs) == 1 && len(x.IPs) == 1 && o.IPs[0] == x.IPs[0])
		if apart && !alike && (o.HasPort && (len(o.IPs) > 0 || o.Name != "") || x.HasPort && (len(x.IPs) > 0 || x.Name != "")) {
			continue
		}
		if rank(x.Errno) < rank(o.Errno) {
			o.Errno = x.Errno
		}
		if !o.HasPort {
			o.Port, o.HasPort = x.Port, x.HasPort
		}
		if o.Name == "" {
			o.Name = x.Name
		}
		for _, ip := range x.IPs {
			if !slices.Contains(o.IPs, ip) && (o.Operation != Bind || len(o.IPs) == 0 || x.Errno == o.Errno) {
				o.IPs = append(o.IPs, ip)
			}
		}
		if o.Protocol == "" {
			o.Protocol = x.Protocol
		}
		o.at = x.at
		return all
	}
	return append(all, x)
}

// sorted puts the likeliest reading first: one with an address and a port, and
// of these the last, since what made a program end is told at its end.
func sorted(all []Reading) []Reading {
	weight := func(x *Reading) int {
		n := 0
		if x.HasPort || x.Unix != "" {
			n += 2
		}
		if len(x.IPs) > 0 || x.Name != "" || x.Unix != "" || x.Operation == Bind {
			n++
		}
		return n
	}
	slices.SortStableFunc(all, func(a, b Reading) int {
		if d := weight(&b) - weight(&a); d != 0 {
			return d
		}
		return b.at - a.at
	})
	return all
}

// TellsError reports whether a text without blanks tells an error, such as
// ECONNREFUSED:127.0.0.1:80.
func TellsError(text string) bool { return len(text) > 5 && len(marks(clean(text))) > 0 }
