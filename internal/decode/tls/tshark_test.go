package tls

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lodge/internal/decode"
	"lodge/internal/decode/captest"
)

// seen is what tshark says of a connection.
type seen struct {
	name, version, suite, alpn string
	alerts, names, notAfter    []string
	data                       int64 // bytes of records of the type 23
}

func tshark(t *testing.T, file string) map[string]*seen {
	t.Helper()
	fields := []string{"tcp.srcport", "tcp.dstport", "tls.handshake.type", "tls.handshake.extensions_server_name", "tls.handshake.ciphersuite",
		"tls.handshake.extensions_alpn_str", "tls.alert_message.desc", "tls.handshake.extensions.supported_version",
		"tls.handshake.version", "x509ce.dNSName", "x509af.utcTime", "tls.record.content_type", "tls.record.length", "tls.record.opaque_type"}
	args := []string{"-Y", "tls", "-T", "fields", "-E", "separator=/t", "-o", "tcp.reassemble_out_of_order:TRUE", "-d", "tcp.port==80,tls"}
	// openssl's servers are on ports that are not known to tshark.
	for port := 4431; port < 4438; port++ {
		args = append(args, "-d", fmt.Sprintf("tcp.port==%d,tls", port))
	}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	all := map[string]*seen{}
	for _, l := range captest.Tshark(t, file, args...) {
		get := func(name string) []string {
			v := l[slices.Index(fields, name)]
			if v == "" {
				return nil
			}
			return strings.Split(v, ",")
		}
		key := l[0] + " " + l[1]
		if all[l[1]+" "+l[0]] != nil {
			key = l[1] + " " + l[0]
		}
		if all[key] == nil {
			all[key] = &seen{}
		}
		s := all[key]
		types := get("tls.handshake.type")
		if slices.Contains(types, "1") && s.name == "" {
			s.name = strings.Join(get("tls.handshake.extensions_server_name"), "")
		}
		if slices.Contains(types, "2") {
			s.suite, s.version = last(get("tls.handshake.ciphersuite")), last(get("tls.handshake.version"))
			s.alpn = strings.Join(get("tls.handshake.extensions_alpn_str"), "")
			if v := get("tls.handshake.extensions.supported_version"); v != nil {
				s.version = last(v)
			}
		}
		s.alerts = append(s.alerts, get("tls.alert_message.desc")...)
		if s.notAfter == nil && slices.Contains(types, "11") {
			s.names, s.notAfter = get("x509ce.dNSName"), get("x509af.utcTime")
		}
		lengths := get("tls.record.length")
		for i, kind := range append(get("tls.record.content_type"), get("tls.record.opaque_type")...) {
			if n, _ := strconv.Atoi(lengths[i]); kind == "23" {
				s.data += int64(n) + recordHeader
			}
		}
	}
	return all
}

func last(l []string) string {
	if len(l) == 0 {
		return ""
	}
	return l[len(l)-1]
}

// number returns what tshark writes as a number.
func number(s string) uint16 {
	n, _ := strconv.ParseUint(s, 0, 16)
	return uint16(n)
}

// TestTshark compares handshakes with tshark's: the server's name, version,
// cipher suite, ALPN, names and end of the certificate, alerts, and how much was
// encrypted.
func TestTshark(t *testing.T) {
	handshakes := 0
	for _, file := range captures(t) {
		theirs := tshark(t, file)
		for _, flow := range captest.Flows(t, file, Protocol()) {
			key := fmt.Sprint(flow.Client.Port(), " ", flow.Server.Port())
			their := theirs[key]
			if len(flow.Exchanges) == 0 || flow.Exchanges[0].Method != "handshake" {
				if their != nil && their.suite != "" {
					t.Errorf("%s: tshark sees a handshake in %s", file, key)
				}
				continue
			}
			if handshakes++; their == nil {
				t.Errorf("%s: tshark sees no TLS in %s", file, key)
				continue
			}
			compare(t, file+" "+key, &flow, their)
		}
	}
	if handshakes < 45 {
		t.Errorf("%d handshakes", handshakes)
	}
}

func compare(t *testing.T, what string, flow *captest.Flow, their *seen) {
	t.Helper()
	e := flow.Exchanges[0]
	check := func(name, ours, tsharks string) {
		if ours != tsharks {
			t.Errorf("%s: %s is %q, tshark has %q", what, name, ours, tsharks)
		}
	}
	check("server's name", e.Host, their.name)
	check("ALPN", e.Detail("alpn"), their.alpn)
	if their.suite != "" {
		check("version", e.Version, versionName(number(their.version)))
		ours := ""
		for _, f := range e.Response.Header {
			if f.Name == "cipher_suite" {
				ours = f.Value
			}
		}
		check("cipher suite", ours, suiteName(number(their.suite)))
	}
	alert, _, _ := strings.Cut(e.Detail("alert"), " ")
	wantAlert := ""
	if len(their.alerts) > 0 {
		wantAlert = alertName(byte(number(their.alerts[0])))
	}
	check("alert", alert, wantAlert)
	if len(their.notAfter) > 1 {
		// 2022-06-10 23:59:59 (UTC)
		when := strings.Replace(strings.TrimSuffix(their.notAfter[1], " (UTC)"), " ", "T", 1) + "Z"
		check("certificate's end", e.Detail("certificate not after"), when)
	}
	for i, name := range strings.Split(e.Detail("certificate names"), ", ") {
		if strings.Contains(name, ".") && !strings.Contains(name, "127.0") && !strings.Contains(name, "/") && (i >= len(their.names) || their.names[i] != name) {
			t.Errorf("%s: certificate is for %q, tshark has %q", what, name, their.names)
		}
	}
	var encrypted int64
	for _, l := range flow.Losses {
		if l.Reason == decode.LostEncrypted {
			encrypted += l.Bytes
		}
	}
	if e.Version == "1.3" && flow.Gaps == 0 {
		check("encrypted bytes", fmt.Sprint(encrypted), fmt.Sprint(their.data))
	}
}
