package tlssecrets

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"strings"
	"testing"

	"lodge/internal/decode/tlskeys"
)

func unhex(t *testing.T, s string) string {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// record returns a record of the ring.
func record(kind byte, label, key, context string) []byte {
	b := make([]byte, sizeRecord)
	b[0], b[1], b[2], b[3] = kind, byte(len(label)), byte(len(key)), byte(len(context))
	copy(b[sizeHead:], label)
	copy(b[sizeHead+sizeLabel:], key)
	copy(b[sizeHead+sizeLabel+sizeKey:], context)
	return b
}

// TestDerive derives the secret of RFC 8448, section 3, from what is taken of OpenSSL and
// of GnuTLS: client_handshake_traffic_secret of the simple handshake.
func TestDerive(t *testing.T) {
	handshake := unhex(t, "1dc826e93606aa6fdc0aadc12f741b01046aa6b99f691ed221a9f0ca043fbeac")
	transcript := unhex(t, "860c06edc07858ee8e78f0e7428c58edd6b43f2ca3e6e95f02ed063cf0e1cad8")
	want := unhex(t, "b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21")
	info := "\x00\x20\x12tls13 c hs traffic\x20" + transcript
	for name, b := range map[string][]byte{
		"OpenSSL": record(expandLabel, "c hs traffic", handshake, transcript),
		"GnuTLS":  record(expandStates, info, states(t, sha256.New, handshake), ""),
	} {
		s, err := parse(b)
		if err != nil {
			t.Fatal(err)
		}
		var log tlskeys.Log
		if err := s.addTo(&log); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		r := tlskeys.Random{1}
		log.Bind(&r, tlskeys.ClientHandshake, []byte(transcript))
		if got := log.Secrets(&r); got == nil || got.Get(tlskeys.ClientHandshake) != want {
			t.Errorf("%s: %x, want %x", name, got, want)
		}
	}
}

// states returns the states of HMAC's outer and inner hash that have taken a key, as
// nettle has them.
func states(t *testing.T, of func() hash.Hash, key string) string {
	t.Helper()
	var out []byte
	for _, pad := range []byte{0x5c, 0x36} {
		h := of()
		block := make([]byte, h.BlockSize())
		copy(block, key)
		for i := range block {
			block[i] ^= pad
		}
		h.Write(block)
		b, err := h.(encoding.BinaryMarshaler).MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if h.BlockSize() == sha256.BlockSize {
			for b = b[4:][:32]; len(b) > 0; b = b[4:] {
				out = binary.NativeEndian.AppendUint32(out, binary.BigEndian.Uint32(b))
			}
			continue
		}
		for b = b[4:][:64]; len(b) > 0; b = b[8:] {
			out = binary.NativeEndian.AppendUint64(out, binary.BigEndian.Uint64(b))
		}
	}
	return string(out)
}

// TestStates derives a secret of both hashes from the states, and from the key.
func TestStates(t *testing.T) {
	for size, of := range map[int]func() hash.Hash{32: sha256.New, 48: sha512.New384} {
		key, context := strings.Repeat("k", size), strings.Repeat("c", size)
		info := string([]byte{0, byte(size), 18}) + "tls13 s ap traffic" + string([]byte{byte(size)}) + context
		r := tlskeys.Random{1}
		var secrets [2]string
		for i, b := range [][]byte{record(expandLabel, "s ap traffic", key, context), record(expandStates, info, states(t, of, key), "")} {
			var log tlskeys.Log
			s, err := parse(b)
			if err == nil {
				err = s.addTo(&log)
			}
			if err != nil {
				t.Fatal(err)
			}
			log.Bind(&r, tlskeys.ServerTraffic, []byte(context))
			if got := log.Secrets(&r); got != nil {
				secrets[i] = got.Get(tlskeys.ServerTraffic)
			}
		}
		if len(secrets[0]) != size || secrets[0] != secrets[1] {
			t.Errorf("%x and %x", secrets[0], secrets[1])
		}
	}
}

func TestLines(t *testing.T) {
	var r tlskeys.Random
	copy(r[:], strings.Repeat("r", 32))
	var log tlskeys.Log
	for _, b := range [][]byte{
		record(masterSecret, "", strings.Repeat("m", 48), string(r[:])+strings.Repeat("s", 32)),
		record(keyLogLine, "SERVER_TRAFFIC_SECRET_0", strings.Repeat("t", 32), string(r[:])),
	} {
		s, err := parse(b)
		if err == nil {
			err = s.addTo(&log)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if s := log.Secrets(&r); s == nil || s.Get(tlskeys.Master) != strings.Repeat("m", 48) || s.Get(tlskeys.ServerTraffic) != strings.Repeat("t", 32) {
		t.Errorf("%+v", s)
	}
}

// FuzzSecret holds that a record never does more than be refused: what is in it comes
// from a process's memory.
func FuzzSecret(f *testing.F) {
	f.Add(record(expandLabel, "c hs traffic", strings.Repeat("k", 32), strings.Repeat("c", 32)))
	f.Add(record(expandStates, "\x00\x20\x12tls13 c hs traffic\x20"+strings.Repeat("c", 32), strings.Repeat("k", 64), ""))
	f.Add(record(expandStates, "\x00\x30\x12tls13 c hs traffic\x30"+strings.Repeat("c", 48), strings.Repeat("k", 128), ""))
	f.Add(record(masterSecret, "", strings.Repeat("m", 48), strings.Repeat("r", 64)))
	f.Add(record(keyLogLine, "CLIENT_RANDOM", strings.Repeat("m", 48), strings.Repeat("r", 32)))
	f.Fuzz(func(t *testing.T, b []byte) {
		var log tlskeys.Log
		if s, err := parse(b); err == nil {
			_ = s.addTo(&log)
		}
	})
}
