// Package canary is a program that is probed before any other is: it calls a function
// as OpenSSL's key schedule is called, a few times, and ends. If that ends it, or the
// probes see nothing, uprobes are not used on this machine.
//
// The helper executes itself as the canary, so that nothing of others has a probe until
// it is known that probes do no harm.
package canary

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
	"unsafe"
)

// Calls is how often the function is called.
const Calls = 5

// ErrNone says that there is no canary for this kind of machine.
var ErrNone = errors.New("there is no canary for this kind of machine")

// param is OSSL_PARAM (openssl/core.h).
type param struct {
	key  *byte
	kind uint32
	data *byte
	size uint64
	back uint64
}

func octets(name, data string) param {
	b := []byte(data)
	return param{key: text(name), kind: 5, data: &b[0], size: uint64(len(b))} // OSSL_PARAM_OCTET_STRING
}

func text(s string) *byte { return &append([]byte(s), 0)[0] }

// Sing calls the function with the parameters of a secret of TLS 1.3, which is none.
func Sing() {
	params := []param{
		octets("key", strings.Repeat("k", 32)), octets("prefix", "tls13 "), octets("label", "c hs traffic"),
		octets("data", strings.Repeat("d", 32)), {},
	}
	for range Calls {
		call(unsafe.Pointer(&params[0]))
	}
	runtime.KeepAlive(params)
}

// Place returns where the function's first instruction stands in the file of the program
// that runs. maps is its /proc/self/maps.
func Place(maps io.Reader) (offset uint64, err error) {
	return place(maps, uint64(address()))
}

// place returns where an address stands in the file that is mapped there.
func place(maps io.Reader, addr uint64) (uint64, error) {
	if addr == 0 {
		return 0, ErrNone
	}
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		// 00400000-00452000 r-xp 00001000 08:02 173521 /usr/bin/dbus-daemon
		f := strings.Fields(lines.Text())
		if len(f) < 3 {
			continue
		}
		low, high, _ := strings.Cut(f[0], "-")
		from, err1 := strconv.ParseUint(low, 16, 64)
		to, err2 := strconv.ParseUint(high, 16, 64)
		at, err3 := strconv.ParseUint(f[2], 16, 64)
		if err := errors.Join(err1, err2, err3); err != nil {
			return 0, fmt.Errorf("read map of memory: %w", err)
		}
		if addr >= from && addr < to {
			return addr - from + at, nil
		}
	}
	return 0, errors.Join(fmt.Errorf("address %#x is not mapped", addr), lines.Err())
}
