package probe

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"lodge/internal/cli/clitest"
	"lodge/internal/cli/kit"
	"lodge/internal/probe"
	"lodge/internal/probe/answer"
)

func sameAsFile(t *testing.T, name, got string) {
	t.Helper()
	clitest.Golden(t, filepath.Join("probe", name), []byte(got))
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	var out bytes.Buffer
	if err := (&kit.Kit{Out: &out}).PrintJSON(v); err != nil {
		t.Fatal(err)
	}
	if !json.Valid(out.Bytes()) {
		t.Error("not JSON")
	}
	return out.String()
}

// answered is a report with what is the same in all of them.
func answered(text, host, ip string, port uint16, a *answer.Answer) *probe.Report {
	at := netip.MustParseAddr(ip)
	return &probe.Report{
		Target: text, Protocol: "tcp", Host: host, Port: port, Result: probe.Answered, IP: at,
		ConnectUS: 41, FirstByteUS: 312, TotalUS: 1502, Answer: a,
		Addresses: []probe.Attempt{{IP: at, Family: "ipv4", Result: "connected", ConnectUS: 41}},
		Exchanges: []probe.Exchange{{Name: a.Protocol, Result: "answered", ReceivedBytes: 24, ConnectUS: 41, FirstByteUS: 312}},
	}
}

func TestProbeGoldens(t *testing.T) {
	day := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	tls := &answer.TLS{
		Version: "TLS 1.3", Cipher: "TLS_AES_128_GCM_SHA256", ALPN: "h2", Problem: "its issuer is not trusted here",
		Certificate: &answer.Certificate{
			Subject: "CN=web.shop.localhost", Issuer: "CN=lodge", Names: []string{"web.shop.localhost", "127.0.0.1"},
			NotBefore: day, NotAfter: day.AddDate(1, 0, 0), SHA256: "ab12", Chain: 2,
		},
	}
	secure := answered("https://localhost:8443/", "localhost", "127.0.0.1", 8443, &answer.Answer{
		Protocol: "h2", Product: "nginx", Version: "1.22.1", TLS: tls,
		HTTP: &answer.HTTP{Version: "2", Path: "/", Status: 302, Reason: "Found", Server: "nginx/1.22.1", ContentType: "text/html", Location: "/login", Body: "<html>"},
	})
	secure.TLSUS, secure.ResolveUS = 1234, 88
	secure.Addresses = append([]probe.Attempt{{IP: netip.IPv6Loopback(), Family: "ipv6", Result: "refused", Error: "connection refused"}}, secure.Addresses...)
	unknown := answered(":8086", "localhost", "127.83.20.7", 8086, &answer.Answer{Protocol: "unknown", FirstBytes: `\x00\x01hm`})
	unknown.Assigned, unknown.CommonUse = "d-s-n", "InfluxDB"
	udp := answered("udp://127.0.0.53:53", "127.0.0.53", "127.0.0.53", 53, &answer.Answer{Protocol: "dns", Product: "dnsmasq", Version: "2.90", FirstBytes: "lo"})
	udp.Protocol, udp.ConnectUS = "udp", 0
	socket := answered("ws://[::1]:5173/", "::1", "::1", 5173, &answer.Answer{
		Protocol: "http", Offers: []string{"websocket"}, HTTP: &answer.HTTP{Version: "1.1", Path: "/", Status: 426, Reason: "Upgrade Required"},
	})
	for name, r := range map[string]*probe.Report{
		"postgresql": answered("5432", "localhost", "127.0.0.1", 5432, &answer.Answer{Protocol: "postgresql", Product: "PostgreSQL", Version: "15.18", Auth: "none", User: "ann", FirstBytes: "N"}),
		"scram":      answered("5432", "localhost", "127.0.0.1", 5432, &answer.Answer{Protocol: "postgresql", Product: "PostgreSQL", Auth: "scram-sha-256", User: "ann"}),
		"no-role":    answered("5432", "localhost", "127.0.0.1", 5432, &answer.Answer{Protocol: "postgresql", Product: "PostgreSQL", User: "ann", Refusal: `role "ann" does not exist`, RefusalCode: "28000"}),
		"redis":      answered("6379", "localhost", "127.0.0.1", 6379, &answer.Answer{Protocol: "redis", Auth: "required"}),
		"mysql":      answered("3306", "localhost", "127.0.0.1", 3306, &answer.Answer{Protocol: "mysql", Product: "MySQL", Version: "8.0.36", Auth: "caching_sha2_password", Offers: []string{"tls"}}),
		"ssh":        answered("22", "localhost", "127.0.0.1", 22, &answer.Answer{Protocol: "ssh", Product: "OpenSSH", Version: "9.2p1 Debian-2"}),
		"grpc":       answered("50051", "localhost", "127.0.0.1", 50051, &answer.Answer{Protocol: "grpc", HTTP: &answer.HTTP{Version: "2", Path: "/", Status: 415, Reason: "Unsupported Media Type", ContentType: "application/grpc"}}),
		"echo":       answered("7", "localhost", "127.0.0.1", 7, &answer.Answer{Protocol: "echo"}),
		"imaps":      answered("993", "localhost", "127.0.0.1", 993, &answer.Answer{Protocol: "imap", Product: "Dovecot ready.", TLS: &answer.TLS{Version: "TLS 1.2", Cipher: "X", Trusted: true}}),
		"tls":        answered("9999", "localhost", "127.0.0.1", 9999, &answer.Answer{Protocol: "tls", Refusal: "remote error: tls: certificate required", TLS: &answer.TLS{Version: "TLS 1.3", Cipher: "X", Problem: "it is expired or not yet valid", WantsClientCertificate: true}}),
		"https":      secure, "unknown": unknown, "udp": udp, "websocket": socket,
	} {
		var out bytes.Buffer
		printAnswer(&kit.Kit{Out: &out}, r, 5*time.Second)
		sameAsFile(t, name+".txt", out.String())
		sameAsFile(t, name+".json", asJSON(t, r))
	}
}

func TestProbeLoadGoldens(t *testing.T) {
	latency := probe.Latency{MinUS: 40.1, MeanUS: 99.5, StddevUS: 12.2, P50US: 88.4, P75US: 120, P90US: 312, P99US: 1204, P999US: 15010, MaxUS: 1000400}
	bars := []probe.Bar{{UpToUS: 50, Count: 3}, {UpToUS: 63, Count: 0}, {UpToUS: 80, Count: 700}, {UpToUS: 100, Count: 284}}
	long := make([]probe.Bar, 30)
	for i := range long {
		long[i] = probe.Bar{UpToUS: float64(10 * (i + 1)), Count: int64(i)}
	}
	base := probe.Summary{
		Target: "8000", Protocol: "tcp", IP: netip.MustParseAddr("127.0.0.1"), Port: 8000, Count: 1000, Concurrency: 10,
		Stopped: "done", DurationUS: 523_000, Done: 1000, Succeeded: 1000, PerSecond: 1912.4, Latency: latency, Histogram: bars, Errors: []probe.ErrorCount{},
	}
	page := base
	page.Mode, page.Method, page.Path = probe.ModeHTTP, "GET", "/health"
	page.Succeeded, page.Failed, page.Connections, page.StaleConnections = 987, 13, 12, 2
	page.ReceivedBytes, page.SentBytes, page.Connect = 5<<20, 99000, &latency
	page.Statuses = map[string]int64{"200": 987, "503": 10}
	page.Errors = []probe.ErrorCount{{Kind: answer.BadStatus, Count: 10, First: "503 Service Unavailable"}, {Kind: answer.ClosedEarly, Count: 3, First: "unexpected EOF"}}
	rate := base
	rate.Mode, rate.SizeBytes, rate.RatePerSecond, rate.Service, rate.Connections, rate.ReceivedBytes = probe.ModeEcho, 64, 500, &latency, 10, 64000
	rate.Stopped, rate.DurationUS, rate.Histogram, rate.Count = "interrupted", 12_340_000, long, 0
	none := base
	none.Mode, none.Succeeded, none.Failed, none.PerSecond, none.Latency, none.Histogram = probe.ModeConnect, 0, 1000, 0, probe.Latency{}, []probe.Bar{}
	none.Errors = []probe.ErrorCount{{Kind: answer.NoLocalPort, Count: 1000, First: "cannot assign requested address"}}
	one := base
	one.Mode, one.Count, one.Done, one.Succeeded, one.Latency = probe.ModeConnect, 1, 1, 1, probe.Latency{MaxUS: 41.2}
	failed := one
	failed.Mode, failed.Method, failed.Path, failed.Succeeded, failed.Failed = probe.ModeHTTP, "GET", "/", 0, 1
	failed.Errors = []probe.ErrorCount{{Kind: answer.BadStatus, Count: 1, First: "404 Not Found"}}
	for name, s := range map[string]*probe.Summary{"load-http": &page, "load-rate": &rate, "load-none": &none, "load-one": &one, "load-failed": &failed} {
		var out bytes.Buffer
		printSummary(&out, s)
		sameAsFile(t, name+".txt", out.String())
		sameAsFile(t, name+".json", asJSON(t, s))
	}
}

func TestProbeSizes(t *testing.T) {
	for s, want := range map[string]int{"64": 64, "4k": 4096, "1M": 1 << 20, "16m": 16 << 20, "0": 0, "17m": 0, "-1": 0, "4kk": 0, "x": 0, "k": 0, "99999999999": 0} {
		if got, err := readSize(s); got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %d, %v", s, got, err)
		}
	}
}
