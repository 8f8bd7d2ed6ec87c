package tap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"lodge/internal/capture/pcapfile"
	"lodge/internal/cli/kit"
	"lodge/internal/cli/look/tap/tapcmd"
	"lodge/internal/decode/tls"
	"lodge/internal/decode/tlskeys"
	"lodge/internal/tlssecrets"
)

// keySpace is how much of a file of packets is kept free for keys: those of 300
// connections and more. Keys that find no room stand behind the packets before them, where
// Wireshark does not find them in time, and lodge does ([keyLog.lookIn]).
const keySpace = 256 << 10

// keyWait is for how long the data of a connection wait for keys: after its end, since
// some programs write keys a little later than they use them (Node), and while it is open
// where no key log was named, of which it is not known that it will ever have keys.
const keyWait = time.Second

// keySource is a place where lines of a key log come from. It is for the goroutine of
// the engine.
type keySource interface {
	// update writes what is new to the log, and does not wait. An error is the end of
	// the source; io.EOF says that it has ended as it should.
	update(log io.Writer) error
	close()
}

// keyLog has the keys of TLS: those of the file that --keylog names, those of a capture
// file, and where packets are live those of other sources. It is for the goroutine of the
// engine.
type keyLog struct {
	kit    *kit.Kit
	follow bool // packets are live
	// collect: the keys that are used are for a file of packets.
	collect bool
	log     tlskeys.Log
	added   bool // a capture file has keys
	// ahead, if it is not nil, adds the keys of all of the capture file that is read,
	// also those that stand behind the packets which they are for. It is called once.
	ahead func()

	name    string   // of --keylog, "" for none
	named   *keyFile // nil for none
	err     error    // named cannot be read
	sources []keySource
	finder  *keyFinder // nil: other sources are not looked for

	probes *tlssecrets.Probes // nil: nothing is probed

	waiting tls.Waiting
	missed  map[tlskeys.Random]bool // connections for which sources were looked for
	used    map[tlskeys.Random]int  // how many secrets of a connection were taken
	partial map[tlskeys.Random]bool // connections that are used and have not all of their secrets
	lines   []byte                  // of used keys, not taken yet
}

// openKeyLog opens the key log that is asked for. A live tap takes one that is not
// there yet.
func openKeyLog(k *kit.Kit, f *tapcmd.Flags) (*keyLog, error) {
	l := &keyLog{
		kit: k, name: f.KeyLog, follow: f.Read == "", collect: f.Read == "" || cuts(f),
		used: map[tlskeys.Random]int{}, missed: map[tlskeys.Random]bool{}, partial: map[tlskeys.Random]bool{},
	}
	l.waiting.Ended = keyWait
	if l.name == "" {
		l.waiting.Open = keyWait
		return l, nil
	}
	l.named = &keyFile{path: k.Path(l.name), owner: anyOwner, pipe: !l.follow}
	err := l.named.open()
	switch {
	case err == nil:
		err = l.named.read(&l.log, wholeFile)
	case l.follow && errors.Is(err, fs.ErrNotExist):
		return l, nil
	}
	if err != nil {
		l.close()
		return nil, &kit.Hinted{
			Err:  fmt.Errorf("tap: read keys from %s: %w", l.name, cause(err)),
			Hint: "SSLKEYLOGFILE=" + l.name + " curl https://… writes one",
		}
	}
	if !l.follow {
		l.named.lines.flush(&l.log)
		l.log.Flush()
		l.close()
	}
	return l, nil
}

// find looks for other sources, now and as they come up: what the user's daemon knows.
func (l *keyLog) find(ctx context.Context) {
	l.finder = newKeyFinder(ctx, l.kit)
	l.take()
}

// close lets go of all sources.
func (l *keyLog) close() {
	if l.finder != nil {
		l.finder.close()
		l.take()
	}
	for _, s := range l.sources {
		s.close()
	}
	l.sources = nil
	if l.named != nil {
		l.named.close()
	}
}

// take takes the sources that were found.
func (l *keyLog) take() {
	if l.finder != nil {
		l.sources = append(l.sources, l.finder.take()...)
	}
}

// update reads what is new.
func (l *keyLog) update() {
	if l.probes != nil {
		l.probes.Read(&l.log)
	}
	if !l.follow {
		return
	}
	if l.named != nil && l.err == nil {
		l.err = l.named.update(&l.log)
	}
	l.take()
	l.sources = slices.DeleteFunc(l.sources, func(s keySource) bool {
		err := s.update(&l.log)
		if err == nil {
			return false
		}
		s.close()
		l.finder.ended(s, err)
		return true
	})
}

// look tries keys that have come for connections that wait for them. It is called from
// time to time.
func (l *keyLog) look(now time.Time) {
	if l == nil {
		return
	}
	known := now
	if l.finder != nil {
		known = l.finder.known(now)
	}
	l.waiting.Look(now, known)
	l.rest()
}

// over is for the end of the packets: no connection waits any more.
func (l *keyLog) over() {
	if l != nil {
		l.waiting.Close()
		l.rest()
	}
}

// config returns how TLS is decrypted. Nil is no key log.
func (l *keyLog) config() tls.Config {
	if l == nil {
		return tls.Config{}
	}
	c := tls.Config{Keys: l, Off: l.off}
	if l.follow {
		c.Waiting = &l.waiting
	}
	if l.probes != nil {
		c.Bind, c.Probed = l.log.Bind, true
	}
	return c
}

// off reports that there is no key log, and nothing is probed.
func (l *keyLog) off() bool {
	if !l.given() && !l.added {
		l.lookAhead()
	}
	if l.finder != nil && len(l.sources) == 0 {
		l.finder.ask()
		l.take()
	}
	return !l.given() && !l.added
}

// given reports whether keys come from elsewhere than a capture file.
func (l *keyLog) given() bool { return l.named != nil || len(l.sources) > 0 || l.probes != nil }

// lookIn has the keys of the whole of a capture file taken when one is missed: a file's keys
// may stand behind the packets that they are for.
func (l *keyLog) lookIn(whole func() []pcapfile.Secrets) {
	l.ahead = func() {
		// The first last: where there are more than are kept, they are needed first, and
		// the others come once more as the file is read.
		for _, s := range slices.Backward(whole()) {
			if s.Type == pcapfile.SecretsTLS {
				l.add(s.Data)
			}
		}
	}
}

// add takes the keys of a capture file.
func (l *keyLog) add(lines []byte) {
	l.added = true
	_, _ = l.log.Write(lines) // it has no errors
	l.log.Flush()
}

// lookAhead takes the keys of the whole capture file, the first time.
func (l *keyLog) lookAhead() {
	if ahead := l.ahead; ahead != nil {
		l.ahead = nil
		ahead()
	}
}

// mayCome reports whether keys may come that are used: they are for a file of packets.
func (l *keyLog) mayCome() bool { return l.given() || l.finder != nil }

// Secrets implements [tls.Keys].
func (l *keyLog) Secrets(r *tlskeys.Random) *tlskeys.Secrets {
	l.update()
	s := l.log.Secrets(r)
	if (s == nil || !s.Whole()) && l.ahead != nil {
		l.lookAhead()
		s = l.log.Secrets(r)
	}
	if s == nil && l.finder != nil && !l.missed[*r] {
		if len(l.missed) >= tlskeys.MaxConnections {
			clear(l.missed)
		}
		l.missed[*r] = true
		l.finder.ask() // a program that has just been started may write them
		l.update()
		s = l.log.Secrets(r)
	}
	l.use(r, s)
	return s
}

// use notes the lines of secrets that are used, and were not noted yet.
func (l *keyLog) use(r *tlskeys.Random, s *tlskeys.Secrets) {
	if !l.collect || !l.given() || s == nil || l.used[*r] >= s.Len() {
		return
	}
	if len(l.used) >= tlskeys.MaxConnections {
		clear(l.used)
		clear(l.partial)
	}
	l.used[*r] = s.Len()
	l.lines = append(l.lines, l.log.Lines(r)...)
	if s.Whole() {
		delete(l.partial, *r)
	} else {
		l.partial[*r] = true
	}
}

// rest notes secrets of connections that are used which have come since, as others were
// asked for: the connections have them.
func (l *keyLog) rest() {
	for r := range l.partial {
		l.use(&r, l.log.Secrets(&r))
	}
}

// takeUsed returns the lines of keys that were used since.
func (l *keyLog) takeUsed() []byte {
	lines := l.lines
	l.lines = nil
	return lines
}

// warn tells at the end what was wrong with the sources.
func (l *keyLog) warn() {
	if l.finder != nil {
		l.kit.Warn(l.finder.warnings()...)
	}
	if l.named == nil {
		return
	}
	connections, _, bad := l.log.Counts()
	switch {
	case l.err != nil:
		l.kit.Warn(fmt.Sprintf("tap: read keys from %s: %v", l.name, cause(l.err)))
	case l.follow && l.named.file == nil:
		l.kit.Warn("tap: " + l.name + ": no program has written keys to it")
	case connections == 0 && bad > 0:
		l.kit.Warn("tap: " + l.name + ": it is no key log")
	}
}
