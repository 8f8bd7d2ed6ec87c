package tlssecrets

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"lodge/internal/elfcode"
	"lodge/internal/helperapi"
)

// library is what a file has of TLS.
type library struct {
	// name is what it is, for people: "OpenSSL 3"; "" where nothing is found.
	name string
	// kind and offset are the place to probe, where kind is not "".
	kind   helperapi.SecretKind
	offset uint64
	// why is why there is nothing to probe in it.
	why string
}

// exports are functions by which a library is known.
var exports = [...]struct {
	kind helperapi.SecretKind
	name string
}{
	{helperapi.SecretOpenSSL, "OpenSSL 3"},
	{helperapi.SecretGnuTLS, "GnuTLS's Nettle"},
}

// known are libraries by the begin of the names of their files, in which nothing is
// probed.
var known = [...]struct{ file, name, why string }{
	{"libssl.so.1", "OpenSSL 1", "only OpenSSL 3 is probed; SSLKEYLOGFILE works where the program knows it"},
	{"libnss3.so", "NSS", "it derives its keys in functions that it does not export; SSLKEYLOGFILE works"},
	{"libsoftokn3.so", "NSS", "it derives its keys in functions that it does not export; SSLKEYLOGFILE works"},
	{"libmbedtls.so", "Mbed TLS", "it is not probed"},
	{"libwolfssl.so", "wolfSSL", "it is not probed"},
	{"libjvm.so", "Java", "its TLS is written in Java, which has no functions to probe"},
	{"libcoreclr.so", ".NET", "it uses the OpenSSL that it loads, which was not found"},
}

// inspect looks for TLS in a file that is open for reading.
func inspect(f *os.File, path string) library {
	file, err := elfcode.Open(f)
	if err != nil {
		return library{} // a script's interpreter is what is executed; this is none of ours
	}
	for _, e := range exports {
		offset, err := file.Exported(e.kind.Function())
		switch {
		case err == nil:
			return library{name: e.name, kind: e.kind, offset: offset}
		case !errors.Is(err, elfcode.ErrNone):
			return library{name: e.name, why: err.Error()}
		}
	}
	base := filepath.Base(path)
	for _, k := range known {
		if strings.HasPrefix(base, k.file) {
			return library{name: k.name, why: k.why}
		}
	}
	if file.IsGo() {
		return golang(file)
	}
	if _, err := file.Exported("SSL_do_handshake"); err == nil && !strings.HasPrefix(base, "libssl.so") {
		return library{name: "BoringSSL or an old OpenSSL", why: "it has not the function that is probed in OpenSSL 3; SSLKEYLOGFILE works where the program knows it"}
	}
	return library{}
}

// golang looks for the place in a Go program.
func golang(file *elfcode.File) library {
	const name = "Go's crypto/tls"
	offset, err := file.GoFunction(helperapi.SecretGo.Function())
	switch {
	case err == nil:
		return library{name: name, kind: helperapi.SecretGo, offset: offset}
	case errors.Is(err, elfcode.ErrNone):
		return library{} // it has no TLS, or one that is not Go's
	}
	return library{name: name, why: err.Error()}
}

// marks are texts that a library leaves in a program that it is linked into.
var marks = [...]struct{ text, name, why string }{
	{"BoringSSL", "BoringSSL", "it is within the program, without symbols; SSLKEYLOGFILE works"},
	{"third_party/boringssl", "BoringSSL", "it is within the program, without symbols; SSLKEYLOGFILE works"},
	{"rustls", "rustls", "it is within the program, and exports nothing; SSLKEYLOGFILE works where the program knows it"},
	{"OpenSSL 3.", "OpenSSL 3", "it is within the program, and exports nothing"},
	{"Mbed TLS", "Mbed TLS", "it is within the program, and is not probed"},
}

// The bounds of what is searched: the packets wait meanwhile, in their rings.
const (
	maxScan     = 256 << 20 // of one program
	maxScanOne  = 300 * time.Millisecond
	maxScanning = 3 * time.Second // of all
)

// scan searches a program for a library that is linked into it, until a time.
func scan(r io.Reader, until time.Time) library {
	const overlap = 64
	buf := make([]byte, 1<<20)
	have := 0
	for read := 0; read < maxScan; {
		n, err := r.Read(buf[have:])
		read += n
		b := buf[:have+n]
		for _, m := range marks {
			if bytes.Contains(b, []byte(m.text)) {
				return library{name: m.name, why: m.why}
			}
		}
		if err != nil {
			return library{}
		}
		if time.Now().After(until) {
			break
		}
		have = copy(buf, b[max(0, len(b)-overlap):])
	}
	return library{why: "; its program is too large to be searched for one to its end"}
}

// String returns what there is to say of a library in which nothing is probed.
func (l *library) String() string { return fmt.Sprintf("%s: %s", l.name, l.why) }
