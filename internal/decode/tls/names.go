package tls

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

func versionName(v uint16) string {
	switch v {
	case 0x0300:
		return "SSL 3.0"
	case 0x0301:
		return "1.0"
	case 0x0302:
		return "1.1"
	case 0x0303:
		return "1.2"
	case 0x0304:
		return "1.3"
	}
	if v>>8 == 0x7f {
		return fmt.Sprintf("1.3 draft %d", v&0xff)
	}
	return fmt.Sprintf("0x%04x", v)
}

func suiteName(id uint16) string {
	if name := find(suites[:], id); name != "" {
		return name
	}
	return fmt.Sprintf("0x%04x", id)
}

// named is a number with its name. Tables of them are sorted and not maps, which every
// start of a program would fill.
type named struct {
	id   uint16
	name string
}

// find returns the name of a number, or "".
func find(table []named, id uint16) string {
	i, ok := slices.BinarySearchFunc(table, id, func(n named, id uint16) int { return cmp.Compare(n.id, id) })
	if !ok {
		return ""
	}
	return table[i].name
}

// groups are the named groups for the exchange of keys.
var groups = [...]named{
	{0x0001, "sect163k1"}, {0x0002, "sect163r1"}, {0x0003, "sect163r2"}, {0x0004, "sect193r1"}, {0x0005, "sect193r2"},
	{0x0006, "sect233k1"}, {0x0007, "sect233r1"}, {0x0008, "sect239k1"}, {0x0009, "sect283k1"}, {0x000a, "sect283r1"},
	{0x000b, "sect409k1"}, {0x000c, "sect409r1"}, {0x000d, "sect571k1"}, {0x000e, "sect571r1"}, {0x000f, "secp160k1"},
	{0x0010, "secp160r1"}, {0x0011, "secp160r2"}, {0x0012, "secp192k1"}, {0x0013, "secp192r1"}, {0x0014, "secp224k1"},
	{0x0015, "secp224r1"}, {0x0016, "secp256k1"}, {0x0017, "secp256r1"}, {0x0018, "secp384r1"}, {0x0019, "secp521r1"},
	{0x001a, "brainpoolP256r1"}, {0x001b, "brainpoolP384r1"}, {0x001c, "brainpoolP512r1"}, {0x001d, "x25519"},
	{0x001e, "x448"}, {0x0100, "ffdhe2048"}, {0x0101, "ffdhe3072"}, {0x0102, "ffdhe4096"}, {0x0103, "ffdhe6144"},
	{0x0104, "ffdhe8192"}, {0x0200, "MLKEM512"}, {0x0201, "MLKEM768"}, {0x0202, "MLKEM1024"},
	{0x11eb, "SecP256r1MLKEM768"}, {0x11ec, "X25519MLKEM768"}, {0x11ed, "SecP384r1MLKEM1024"},
	{0x6399, "X25519Kyber768Draft00"},
}

func groupName(id uint16) string {
	if name := find(groups[:], id); name != "" {
		return name
	}
	return fmt.Sprintf("0x%04x", id)
}

// grease reports whether a value means nothing: clients send some so that
// servers learn to ignore what they do not know (RFC 8701).
func grease(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }

// alerts are the descriptions of alerts (RFC 8446, section 6, and older ones).
var alerts = [...]named{
	{0, "close_notify"}, {10, "unexpected_message"}, {20, "bad_record_mac"}, {21, "decryption_failed"},
	{22, "record_overflow"}, {30, "decompression_failure"}, {40, "handshake_failure"}, {41, "no_certificate"},
	{42, "bad_certificate"}, {43, "unsupported_certificate"}, {44, "certificate_revoked"}, {45, "certificate_expired"},
	{46, "certificate_unknown"}, {47, "illegal_parameter"}, {48, "unknown_ca"}, {49, "access_denied"},
	{50, "decode_error"}, {51, "decrypt_error"}, {60, "export_restriction"}, {70, "protocol_version"},
	{71, "insufficient_security"}, {80, "internal_error"}, {86, "inappropriate_fallback"}, {90, "user_canceled"},
	{100, "no_renegotiation"}, {109, "missing_extension"}, {110, "unsupported_extension"},
	{111, "certificate_unobtainable"}, {112, "unrecognized_name"}, {113, "bad_certificate_status_response"},
	{114, "bad_certificate_hash_value"}, {115, "unknown_psk_identity"}, {116, "certificate_required"},
	{120, "no_application_protocol"}, {121, "ech_required"},
}

func alertName(id byte) string {
	if name := find(alerts[:], uint16(id)); name != "" {
		return name
	}
	return fmt.Sprintf("alert %d", id)
}

// names returns the names of values in their order, without those of GREASE.
func names(ids []uint16, name func(uint16) string) string {
	var out []string
	for _, id := range ids {
		if !grease(id) {
			out = append(out, name(id))
		}
	}
	return strings.Join(out, ", ")
}
