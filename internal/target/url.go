package target

import (
	"fmt"
	"net/netip"
	"strings"

	"lodge/internal/loopback"
)

// url reads SCHEME://AUTHORITY/PATH. Only the authority must be sound: what
// people paste may have anything behind it.
func (t *Target) url(s string) error {
	scheme, rest, _ := strings.Cut(s, "://")
	if i := strings.LastIndexByte(scheme, ':'); i >= 0 {
		scheme = scheme[i+1:] // jdbc:postgresql://
	}
	if scheme = strings.ToLower(scheme); !validScheme(scheme) {
		return fmt.Errorf("%q is not a URL", s)
	}
	t.Scheme = scheme
	authority, path := rest, ""
	if i := strings.IndexAny(rest, "/?#;"); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	if path == "" || path[0] != '/' {
		path = "/" + strings.TrimLeft(path, ";")
	}
	if authority == "" && scheme == "dns" {
		authority, path = strings.TrimPrefix(path, "/"), "" // gRPC: dns:///host:port
	}
	path, _, _ = strings.Cut(path, "#")
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		authority = authority[i+1:]
	}
	authority, _, _ = strings.Cut(authority, ",") // the first of several, as of MongoDB
	t.Path = path
	switch scheme {
	case "tcp", "udp", "tcp4", "tcp6", "udp4", "udp6":
		t.Protocol = loopback.Protocol(scheme[:3])
	}
	host, port, has, err := split(authority)
	if err != nil {
		return err
	}
	if !has || port == "" {
		if n, ok := SchemePort(scheme); ok && n != 0 {
			t.setPort(n)
			t.Implied = true
		}
	} else {
		n, err := Port(port)
		if err != nil {
			return err
		}
		t.setPort(n)
	}
	if host == "" || host == "*" || host == "+" {
		if authority == "" {
			return fmt.Errorf("%q: no host in it", s)
		}
		return nil
	}
	if strings.Contains(host, "%") { // a zone may be escaped (RFC 6874)
		host = strings.Replace(host, "%25", "%", 1)
	}
	t.Host = host
	if ip, err := netip.ParseAddr(host); err == nil {
		t.IP = ip
		return nil
	}
	if isDigits(authority) {
		return fmt.Errorf("%q: no host in it", s)
	}
	if !ValidName(host) {
		return &HostError{host}
	}
	return nil
}

func validScheme(s string) bool {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789+.-") == ""
}

// SchemePort returns the port that a URL's scheme means: 0 where it means none,
// and false where the scheme is not known.
func SchemePort(scheme string) (uint16, bool) {
	base, _, _ := strings.Cut(strings.ToLower(scheme), "+") // mongodb+srv, postgresql+asyncpg
	switch base {
	case "tcp", "udp", "tcp4", "tcp6", "udp4", "udp6", "dns":
		return map[string]uint16{"dns": 53}[base], true
	case "http", "ws", "h2c":
		return 80, true
	case "https", "wss", "tls", "grpc", "grpcs":
		return 443, true
	case "postgres", "postgresql":
		return 5432, true
	case "mysql", "mariadb":
		return 3306, true
	case "sqlserver", "mssql":
		return 1433, true
	case "oracle":
		return 1521, true
	case "redis", "rediss", "valkey", "valkeys":
		return 6379, true
	case "memcached", "memcache":
		return 11211, true
	case "mongodb":
		return 27017, true
	case "cassandra":
		return 9042, true
	case "neo4j", "bolt":
		return 7687, true
	case "clickhouse":
		return 9000, true
	case "elasticsearch":
		return 9200, true
	case "amqp":
		return 5672, true
	case "amqps":
		return 5671, true
	case "mqtt":
		return 1883, true
	case "mqtts":
		return 8883, true
	case "kafka":
		return 9092, true
	case "nats":
		return 4222, true
	case "etcd":
		return 2379, true
	case "ssh", "sftp":
		return 22, true
	case "git":
		return 9418, true
	case "ftp":
		return 21, true
	case "ldap":
		return 389, true
	case "ldaps":
		return 636, true
	case "smtp":
		return 25, true
	case "smtps":
		return 465, true
	case "imap":
		return 143, true
	case "imaps":
		return 993, true
	case "pop3":
		return 110, true
	case "rtsp":
		return 554, true
	case "vnc":
		return 5900, true
	}
	return 0, false
}

// ServicePort returns the port of a service by its name: IANA's (RFC 6335), or
// one that is usual instead. localhost is no service.
func ServicePort(name string) (uint16, bool) {
	switch name = strings.ToLower(name); name {
	case "localhost":
		return 0, false
	case "postgres", "psql":
		name = "postgresql"
	case "dns":
		name = "domain"
	case "vite":
		return 5173, true
	case "memcached":
		name = "memcache"
	case "mongo":
		name = "mongodb"
	case "elasticsearch":
		return 9200, true
	case "rabbitmq":
		name = "amqp"
	case "mariadb":
		name = "mysql"
	case "valkey":
		name = "redis"
	}
	return loopback.PortOf(name)
}
