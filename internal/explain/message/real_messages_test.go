package message

import (
	"fmt"
	"strings"
	"testing"
)

// brief writes a reading in one line: error, operation, protocol, host, port.
func brief(r *Reading) string {
	var out []string
	for _, s := range []string{r.Errno, string(r.Operation), string(r.Protocol), r.Name} {
		if s != "" {
			out = append(out, s)
		}
	}
	for _, ip := range r.IPs {
		out = append(out, ip.String())
	}
	if r.HasPort {
		out = append(out, fmt.Sprint(":", r.Port))
	}
	if r.Unix != "" {
		out = append(out, r.Unix)
	}
	if r.Local.IsValid() {
		out = append(out, "from "+r.Local.String())
	}
	return strings.Join(out, " ")
}

// all writes all readings, the likeliest first.
func all(text string) string {
	var out []string
	for _, r := range Read(text) {
		out = append(out, brief(&r))
	}
	return strings.Join(out, " | ")
}

// TestMessages holds messages as programs print them. Only those that tell
// failures at two addresses have two readings; "" is what has no address that
// belongs to its failure.
func TestMessages(t *testing.T) {
	for text, want := range map[string]string{
		// Go: net, http, database drivers, gRPC, tools.
		"panic: listen tcp 127.0.0.1:6060: bind: address already in use\n\ngoroutine 1 [running]:\nmain.main()\n\t/home/me/app/main.go:21 +0x1d": "EADDRINUSE bind tcp 127.0.0.1 :6060",
		"listen udp 0.0.0.0:5353: bind: address already in use":                                                                                  "EADDRINUSE bind udp 0.0.0.0 :5353",
		"listen tcp [::1]:8443: bind: cannot assign requested address":                                                                           "EADDRNOTAVAIL bind tcp ::1 :8443",
		"dial tcp 10.1.2.3:443: connect: no route to host":                                                                                       "EHOSTUNREACH connect tcp 10.1.2.3 :443",
		"dial udp [2001:db8::1]:53: connect: network is unreachable":                                                                             "ENETUNREACH connect udp 2001:db8::1 :53",
		"write tcp 127.0.0.1:54321->127.0.0.1:8080: write: broken pipe":                                                                          "ECONNRESET connect tcp 127.0.0.1 :8080 from 127.0.0.1:54321",
		"Get \"http://localhost:4000/items\": EOF":                                                                                               "localhost :4000",
		"failed to connect to `host=localhost user=me database=shop`: dial error (dial tcp [::1]:5432: connect: connection refused)":             "ECONNREFUSED connect tcp ::1 :5432",
		"dial tcp: lookup redis: i/o timeout":                                                                                                    "",
		"dial tcp: lookup db.internal on 10.0.0.2:53: no such host":                                                                              "ENOTFOUND connect tcp db.internal",
		"rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing: dial unix /run/app/grpc.sock: connect: no such file or directory\"":                                                                "ENOENT connect /run/app/grpc.sock",
		"level=info msg=\"serving metrics\" addr=:9100\nlevel=error msg=\"exit\" err=\"listen tcp :8080: bind: permission denied\"":                                                                                                         "EACCES bind tcp :8080",
		"{\"level\":\"error\",\"ts\":\"2024-05-01T12:00:00Z\",\"caller\":\"db/pool.go:42\",\"msg\":\"ping\",\"error\":\"dial tcp 127.0.0.1:3306: connect: connection refused\"}":                                                            "ECONNREFUSED connect tcp 127.0.0.1 :3306",
		"failed to listen on 127.0.0.1:2379: listen tcp 127.0.0.1:2379: bind: address already in use":                                                                                                                                       "EADDRINUSE bind tcp 127.0.0.1 :2379",
		"Unable to connect to the server: dial tcp 127.0.0.1:6443: connect: connection refused":                                                                                                                                             "ECONNREFUSED connect tcp 127.0.0.1 :6443",
		"E0501 12:00:00.000000   12345 memcache.go:265] couldn't get current server API group list: Get \"http://localhost:8080/api?timeout=32s\": dial tcp [::1]:8080: connect: connection refused":                                        "ECONNREFUSED connect tcp localhost ::1 :8080",
		"Error: failed to start proxy: listen tcp4 0.0.0.0:3000: bind: address already in use":                                                                                                                                              "EADDRINUSE bind tcp 0.0.0.0 :3000",
		"Error response from daemon: failed to set up container networking: driver failed programming external connectivity on endpoint web (4f): failed to bind host port 0.0.0.0:5432/tcp: address already in use":                        "EADDRINUSE bind tcp 0.0.0.0 :5432",
		"permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get \"http://%2Fvar%2Frun%2Fdocker.sock/v1.24/containers/json\": dial unix /var/run/docker.sock: connect: permission denied": "EACCES connect /var/run/docker.sock",
		"Error: unable to connect to Podman socket: Get \"http://d/v4.9.3/libpod/_ping\": dial unix /run/user/1000/podman/podman.sock: connect: no such file or directory":                                                                  "ENOENT connect /run/user/1000/podman/podman.sock",
		"nats: no servers available for connection": "",

		// Node and what runs on it.
		"Error: listen EADDRINUSE: address already in use /tmp/web.sock\n    at Server.setupListenHandle [as _listen2] (node:net:1817:21)": "EADDRINUSE bind /tmp/web.sock",
		"Error: connect ENOENT /var/run/docker.sock":                                                                    "ENOENT connect /var/run/docker.sock",
		"Error: connect EACCES /var/run/docker.sock":                                                                    "EACCES connect /var/run/docker.sock",
		"Error: bind EADDRINUSE 0.0.0.0:5683":                                                                           "EADDRINUSE bind 0.0.0.0 :5683",
		"Error: bind EADDRINUSE null:41234":                                                                             "EADDRINUSE bind :41234",
		"Error: listen EADDRNOTAVAIL: address not available 192.168.7.9:3000":                                           "EADDRNOTAVAIL bind 192.168.7.9 :3000",
		"Error: connect ETIMEDOUT 10.0.0.9:5432\n    at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1555:16)": "ETIMEDOUT connect 10.0.0.9 :5432",
		"Error: connect EHOSTUNREACH 192.168.1.9:80 - Local (192.168.1.2:51000)":                                        "EHOSTUNREACH connect 192.168.1.9 :80",
		"Error: getaddrinfo EAI_AGAIN db":                                                                               "ENOTFOUND connect db",
		"TypeError: fetch failed\n    at node:internal/deps/undici/undici:13178:13 {\n  [cause]: Error: connect ECONNREFUSED 127.0.0.1:9000\n      at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1607:16) {\n    errno: -111,\n    code: 'ECONNREFUSED',\n    syscall: 'connect',\n    address: '127.0.0.1',\n    port: 9000\n  }\n}": "ECONNREFUSED connect 127.0.0.1 :9000",
		"Failed to proxy http://localhost:4000/api/items Error: connect ECONNREFUSED ::1:4000":                                                                                                                 "ECONNREFUSED connect localhost ::1 :4000",
		"[webpack-dev-server] [HPM] Error occurred while trying to proxy request /api from localhost:3000 to http://localhost:8000 (ECONNREFUSED)":                                                             "ECONNREFUSED connect localhost :8000",
		"Proxy error: Could not proxy request /api/me from localhost:3000 to http://localhost:5000/.\nSee https://nodejs.org/api/errors.html#errors_common_system_errors for more information (ECONNREFUSED).": "ECONNREFUSED connect localhost :5000",
		"⨯ Failed to start server\nError: listen EADDRINUSE: address already in use :::3000\n":                                                                                                                 "EADDRINUSE bind :: :3000",
		"⚠ Port 3000 is in use, trying 3001 instead.":                                     "EADDRINUSE bind :3000",
		"[nodemon] app crashed\nError: listen EADDRINUSE: address already in use :::4000": "EADDRINUSE bind :: :4000",
		"MongooseServerSelectionError: connect ECONNREFUSED 127.0.0.1:27017\n    at _handleConnectionErrors (/home/me/app/node_modules/mongoose/lib/connection.js:897:11)": "ECONNREFUSED connect 127.0.0.1 :27017",
		"Error: P1001: Can't reach database server at `127.0.0.1:5433`":                                                      "connect 127.0.0.1 :5433",
		"Error: ER_ACCESS_DENIED_ERROR: Access denied for user 'me'@'localhost' (using password: YES)":                       "localhost",
		"AxiosError: Request failed with status code 502":                                                                    "",
		"[vite] ws proxy error:\nError: connect ECONNREFUSED 127.0.0.1:8787":                                                 "ECONNREFUSED connect 127.0.0.1 :8787",
		"Error: Cannot find module '/home/me/app/server.js:3000'":                                                            "",
		"error: Failed to start server. Is port 3000 in use?\n syscall: \"listen\",\n   errno: 0,\n    code: \"EADDRINUSE\"": "EADDRINUSE bind :3000",
		"Error: EMFILE: too many open files, watch":                                                                          "",

		// Python.
		"OSError: [Errno 99] Cannot assign requested address: ('10.9.9.9', 8000)":                                                                     "EADDRNOTAVAIL 10.9.9.9 :8000",
		"PermissionError: [Errno 13] Permission denied: ('0.0.0.0', 80)":                                                                              "EACCES bind 0.0.0.0 :80",
		"ConnectionRefusedError: [Errno 111] Connect call failed ('::1', 5432, 0, 0)":                                                                 "ECONNREFUSED connect ::1 :5432",
		"[Errno 98] error while attempting to bind on address ('::', 8080, 0, 0): address already in use":                                             "EADDRINUSE bind :: :8080",
		"[2024-05-01 12:00:00 +0000] [7] [ERROR] Can't connect to ('127.0.0.1', 80)":                                                                  "bind 127.0.0.1 :80", // gunicorn connects to nothing
		"ERROR: [Errno 98] Address already in use\n[2024-05-01 12:00:00 +0000] [9] [INFO] Listening at: http://127.0.0.1:8000 (9)":                    "EADDRINUSE bind 127.0.0.1 :8000",
		"aiohttp.client_exceptions.ClientConnectorError: Cannot connect to host localhost:8081 ssl:default [Connect call failed ('127.0.0.1', 8081)]": "connect localhost 127.0.0.1 :8081",
		"urllib.error.URLError: <urlopen error [Errno 111] Connection refused>":                                                                       "",
		"requests.exceptions.ConnectTimeout: HTTPConnectionPool(host='10.0.0.7', port=80): Max retries exceeded with url: / (Caused by ConnectTimeoutError(<urllib3.connection.HTTPConnection object at 0x7f6>, 'Connection to 10.0.0.7 timed out. (connect timeout=5)'))": "ETIMEDOUT connect 10.0.0.7 :80",
		"requests.exceptions.ReadTimeout: HTTPConnectionPool(host='localhost', port=5000): Read timed out. (read timeout=3)":                                                                                                                                               "ETIMEDOUT connect localhost :5000",
		"httpx.ConnectError: All connection attempts failed":                                                                                                                                       "",
		"kombu.exceptions.OperationalError: [Errno 111] Connection refused":                                                                                                                        "",
		"[2024-05-01 12:00:00,000: ERROR/MainProcess] consumer: Cannot connect to amqp://guest:**@127.0.0.1:5672//: [Errno 111] Connection refused.":                                               "ECONNREFUSED connect 127.0.0.1 :5672",
		"pymongo.errors.ServerSelectionTimeoutError: localhost:27017: [Errno 111] Connection refused (configured timeouts: socketTimeoutMS: 20000.0ms, connectTimeoutMS: 20000.0ms), Timeout: 30s": "ECONNREFUSED connect localhost :27017",
		"sqlalchemy.exc.OperationalError: (psycopg2.OperationalError) connection to server at \"localhost\" (127.0.0.1), port 5433 failed: Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?\n\n(Background on this error at: https://sqlalche.me/e/20/e3q8)":                                                "ECONNREFUSED connect tcp localhost 127.0.0.1 :5433",
		"django.db.utils.OperationalError: (2002, \"Can't connect to local MySQL server through socket '/var/run/mysqld/mysqld.sock' (2)\")":                                                                                                                                                                                                          "ENOENT connect /var/run/mysqld/mysqld.sock",
		"elasticsearch.exceptions.ConnectionError: ConnectionError(<urllib3.connection.HTTPConnection object at 0x7f>: Failed to establish a new connection: [Errno 111] Connection refused) caused by: NewConnectionError(<urllib3.connection.HTTPConnection object at 0x7f>: Failed to establish a new connection: [Errno 111] Connection refused)": "",
		"FileNotFoundError: [Errno 2] No such file or directory: '/tmp/data.csv'": "",
		"ConnectionResetError: [Errno 104] Connection reset by peer":              "",

		// Java, Kotlin, Scala.
		"java.net.ConnectException: Connection refused: localhost/[0:0:0:0:0:0:0:1]:8080":                                                                                                                  "ECONNREFUSED connect localhost ::1 :8080",
		"org.apache.http.conn.HttpHostConnectException: Connect to localhost:9200 [localhost/127.0.0.1] failed: Connection refused":                                                                        "ECONNREFUSED connect localhost :9200",
		"com.mongodb.MongoSocketOpenException: Exception opening socket\nCaused by: java.net.ConnectException: Connection refused":                                                                         "",
		"Exception in monitor thread while connecting to server localhost:27017\ncom.mongodb.MongoSocketOpenException: Exception opening socket\nCaused by: java.net.ConnectException: Connection refused": "ECONNREFUSED connect localhost :27017",
		"Caused by: io.lettuce.core.RedisConnectionException: Unable to connect to localhost/<unresolved>:6379":                                                                                            "connect localhost :6379",
		"redis.clients.jedis.exceptions.JedisConnectionException: Failed to connect to any host resolved for DNS name.":                                                                                    "",
		"java.net.SocketTimeoutException: Connect timed out":                                                                                                                                               "",
		"java.net.UnknownHostException: postgres: Name or service not known":                                                                                                                               "ENOTFOUND connect postgres",
		"java.net.BindException: Address already in use: bind 0.0.0.0:9000":                                                                                                                                "EADDRINUSE bind 0.0.0.0 :9000",
		"io.grpc.StatusRuntimeException: UNAVAILABLE: io exception\nCaused by: io.netty.channel.AbstractChannel$AnnotatedConnectException: Connection refused: localhost/127.0.0.1:50051":                  "ECONNREFUSED connect localhost 127.0.0.1 :50051",
		"com.mysql.cj.jdbc.exceptions.CommunicationsException: Communications link failure\nCaused by: java.net.ConnectException: Connection refused":                                                      "",
		"java.sql.SQLRecoverableException: IO Error: The Network Adapter could not establish the connection (jdbc:oracle:thin:@localhost:1521:xe)":                                                         "connect localhost :1521",
		"ERROR o.a.c.http11.Http11NioProtocol - Failed to start end point associated with ProtocolHandler [\"http-nio-127.0.0.1-8005\"]\njava.net.BindException: Address already in use":                   "EADDRINUSE bind 127.0.0.1 :8005",
		"Caused by: java.io.IOException: Failed to bind to /0:0:0:0:0:0:0:0:8090\nCaused by: java.net.BindException: Address already in use":                                                               "EADDRINUSE bind :: :8090",

		// Ruby, PHP, Perl.
		"Failed to open TCP connection to localhost:9292 (Connection refused - connect(2) for \"localhost\" port 9292) (Errno::ECONNREFUSED)":                                                                  "ECONNREFUSED connect tcp localhost :9292",
		"Errno::EADDRINUSE: Address already in use - bind(2) for \"::1\" port 3000":                                                                                                                            "EADDRINUSE bind ::1 :3000",
		"PG::ConnectionBad: connection to server on socket \"/var/run/postgresql/.s.PGSQL.5432\" failed: No such file or directory\n\tIs the server running locally and accepting connections on that socket?": "ENOENT connect /var/run/postgresql/.s.PGSQL.5432",
		"Mysql2::Error::ConnectionError: Can't connect to local server through socket '/run/mysqld/mysqld.sock' (111)":                                                                                         "ECONNREFUSED connect /run/mysqld/mysqld.sock",
		"Mysql2::Error::ConnectionError: Unknown MySQL server host 'db' (-2)":                                                                                                                                  "ENOTFOUND connect db",
		"Sidekiq: Error connecting to Redis on 127.0.0.1:6380 (Errno::ECONNREFUSED)":                                                                                                                           "ECONNREFUSED connect 127.0.0.1 :6380",
		"PHP Warning:  fsockopen(): Unable to connect to localhost:11300 (Connection refused) in /srv/app/q.php on line 7":                                                                                     "ECONNREFUSED connect localhost :11300",
		"PHP Fatal error:  Uncaught RedisException: Connection refused in /srv/app/cache.php:31":                                                                                                               "",
		"Failed to listen on 127.0.0.1:8000 (reason: Permission denied)":                                                                                                                                       "EACCES bind 127.0.0.1 :8000",
		"IO::Socket::INET: connect: Connection refused at ./x.pl line 12.":                                                                                                                                     "",
		"cURL error 28: Failed to connect to 10.0.0.3 port 443 after 10001 ms: Timeout was reached (see https://curl.haxx.se/libcurl/c/libcurl-errors.html)":                                                   "ETIMEDOUT connect 10.0.0.3 :443",
		"cURL error 6: Could not resolve host: api.internal (see https://curl.haxx.se/libcurl/c/libcurl-errors.html)":                                                                                          "ENOTFOUND connect api.internal",

		// Rust, .NET, the BEAM.
		"Error: Os { code: 111, kind: ConnectionRefused, message: \"Connection refused\" }":                                                                                                                "",
		"error sending request for url (http://[::1]:7700/indexes): error trying to connect: tcp connect error: Connection refused (os error 111)":                                                         "ECONNREFUSED connect tcp ::1 :7700",
		"Error: error binding to 0.0.0.0:8080: error creating server listener: Address already in use (os error 98)":                                                                                       "EADDRINUSE bind 0.0.0.0 :8080",
		"Redis URL did not parse or Connection refused (os error 111) redis://127.0.0.1:6379/":                                                                                                             "ECONNREFUSED connect 127.0.0.1 :6379",
		"System.Net.Http.HttpRequestException: Connection refused (localhost:5001)":                                                                                                                        "ECONNREFUSED connect localhost :5001",
		"System.Net.Sockets.SocketException (10061): No connection could be made because the target machine actively refused it. [::1]:5432":                                                               "ECONNREFUSED connect ::1 :5432",
		"Failed to bind to address https://[::1]:5001: address already in use.":                                                                                                                            "EADDRINUSE bind ::1 :5001",
		"StackExchange.Redis.RedisConnectionException: It was not possible to connect to the redis server(s). UnableToConnect on localhost:6379/Interactive":                                               "connect localhost :6379",
		"Grpc.Core.RpcException: Status(StatusCode=\"Unavailable\", Detail=\"Error connecting to subchannel.\", DebugException=\"System.Net.Sockets.SocketException: Connection refused 127.0.0.1:5000\")": "ECONNREFUSED connect 127.0.0.1 :5000",
		"** (Mix) Could not start application: failed to start child: {:listen_error, {{127, 0, 0, 1}, 4001}, :eaddrinuse}":                                                                                "EADDRINUSE bind 127.0.0.1 :4001",
		"[error] Postgrex.Protocol (#PID<0.1.0>) failed to connect: ** (DBConnection.ConnectionError) tcp connect (db:5432): non-existing domain - :nxdomain":                                              "ENOTFOUND connect tcp db :5432",
		"{failed_connect,[{to_address,{\"localhost\",15672}},{inet,[inet],econnrefused}]}":                                                                                                                 "ECONNREFUSED connect localhost :15672",

		// Databases, brokers.
		"psql: error: connection to server on socket \"/tmp/.s.PGSQL.5433\" failed: Connection refused":                                                                                                        "ECONNREFUSED connect /tmp/.s.PGSQL.5433",
		"psql: error: could not translate host name \"db\" to address: Temporary failure in name resolution":                                                                                                   "ENOTFOUND connect db",
		"pg_isready: localhost:5432 - no response":                                                                                                                                                             "localhost :5432",
		"createdb: error: connection to server at \"10.0.0.4\", port 5432 failed: Connection timed out":                                                                                                        "ETIMEDOUT connect 10.0.0.4 :5432",
		"ERROR 2002 (HY000): Can't connect to local MySQL server through socket '/var/run/mysqld/mysqld.sock' (13)":                                                                                            "EACCES connect /var/run/mysqld/mysqld.sock",
		"ERROR 2003 (HY000): Can't connect to MySQL server on 'localhost:3307' (111)":                                                                                                                          "ECONNREFUSED connect localhost :3307",
		"Could not connect to Redis at /var/run/redis/redis.sock: No such file or directory":                                                                                                                   "ENOENT connect /var/run/redis/redis.sock",
		"1:M 01 May 2024 12:00:00.000 # Warning: Could not create server TCP listening socket ::1:6379: bind: Cannot assign requested address":                                                                 "EADDRNOTAVAIL bind tcp ::1 :6379",
		"1:M 01 May 2024 12:00:00.000 # Failed listening on port 6379 (tcp), aborting.":                                                                                                                        "bind tcp :6379",
		"{\"t\":{\"$date\":\"2024-05-01T12:00:00.000+00:00\"},\"s\":\"E\",\"c\":\"NETWORK\",\"msg\":\"Failed to set up listener\",\"attr\":{\"error\":{\"code\":9001,\"errmsg\":\"Address already in use\"}}}": "",
		"MongoServerSelectionError: connect ECONNREFUSED ::1:27018":                                                                                                                                            "ECONNREFUSED connect ::1 :27018",
		"%3|1714560000.000|FAIL|rdkafka#producer-1| [thrd:localhost:9092/bootstrap]: localhost:9092/bootstrap: Connect to ipv4#127.0.0.1:9092 failed: Connection refused (after 0ms in state CONNECT)":         "ECONNREFUSED connect localhost 127.0.0.1 :9092",
		"Error: Connection refused\nError: Unable to connect (Connection refused).":                                                                                                                            "",
		"rabbitmqctl: unable to perform an operation on node 'rabbit@box'. Error: {:econnrefused}":                                                                                                             "",
		"clickhouse-client: Code: 210. DB::NetException: Connection refused (localhost:9000). (NETWORK_ERROR)":                                                                                                 "ECONNREFUSED connect localhost :9000",
		"cqlsh: Connection error: ('Unable to connect to any servers', {'127.0.0.1:9042': ConnectionRefusedError(111, \"Tried connecting to [('127.0.0.1', 9042)]. Last error: Connection refused\")})":        "ECONNREFUSED connect 127.0.0.1 :9042",

		// Servers, proxies.
		"(98)Address already in use: AH00072: make_sock: could not bind to address [::]:80": "EADDRINUSE bind :: :80",
		"nginx: [emerg] bind() to unix:/run/app.sock failed (98: Address already in use)":   "EADDRINUSE bind /run/app.sock",
		"2024/01/01 12:00:00 [crit] 9#9: *1 connect() to unix:/run/php/php8.2-fpm.sock failed (2: No such file or directory) while connecting to upstream, client: 127.0.0.1, server: _, request: \"GET / HTTP/1.1\", upstream: \"fastcgi://unix:/run/php/php8.2-fpm.sock:\", host: \"localhost\"": "ENOENT connect /run/php/php8.2-fpm.sock",
		"2024/01/01 12:00:00 [error] 9#9: *1 no live upstreams while connecting to upstream, client: 127.0.0.1, server: , request: \"GET / HTTP/1.1\", upstream: \"http://backend/\", host: \"localhost:8080\"":                                                                                    "backend :80",
		"[ALERT] 121/120000 (7) : Starting frontend www: cannot bind socket (Permission denied) [0.0.0.0:80]":                                                                                                                                                                                      "EACCES bind 0.0.0.0 :80",
		"ERROR: unable to bind listening socket for address '/run/php-fpm.sock': Address already in use (98)":                                                                                                                                                                                      "EADDRINUSE bind /run/php-fpm.sock",
		"dnsmasq: failed to create listening socket for 127.0.0.53: Address already in use":                                                                                                                                                                                                        "EADDRINUSE bind 127.0.0.53",
		"traefik: error while starting server: error opening listener: listen tcp :443: bind: permission denied":                                                                                                                                                                                   "EACCES bind tcp :443",
		"envoy: cannot bind '127.0.0.1:10000': Address already in use":                                                                                                                                                                                                                             "EADDRINUSE bind 127.0.0.1 :10000",
		"varnishd: Error: Could not get socket 127.0.0.1:6081: Address already in use":                                                                                                                                                                                                             "EADDRINUSE bind 127.0.0.1 :6081",

		// Tools.
		"Ncat: Connection refused.":                           "",
		"localhost [127.0.0.1] 9999 (?) : Connection refused": "ECONNREFUSED connect localhost 127.0.0.1 :9999",
		"Trying ::1...\nTrying 127.0.0.1...\ntelnet: Unable to connect to remote host: Connection refused": "ECONNREFUSED connect 127.0.0.1",
		"ssh: connect to host 10.0.0.8 port 22: No route to host":                                          "EHOSTUNREACH connect 10.0.0.8 :22",
		"ssh: connect to host box.example port 2222: Connection timed out":                                 "ETIMEDOUT connect box.example :2222",
		"channel 2: open failed: connect failed: Connection refused":                                       "",
		"Error: remote port forwarding failed for listen port 8080":                                        "bind :8080",
		"socat[7] E connect(5, AF=2 127.0.0.1:9, 16): Connection refused":                                  "ECONNREFUSED connect 127.0.0.1 :9",
		"2024/05/01 12:00:00 socat[7] E connect(5, AF=1 \"/run/x.sock\", 13): No such file or directory":   "ENOENT connect /run/x.sock",
		"connect(3, {sa_family=AF_INET6, sin6_port=htons(8080), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, \"::1\", &sin6_addr), sin6_scope_id=0}, 28) = -1 ECONNREFUSED (Connection refused)": "ECONNREFUSED connect ::1 :8080",
		"connect(4, {sa_family=AF_UNIX, sun_path=\"/var/run/nscd/socket\"}, 110) = -1 ENOENT (No such file or directory)":                                                                       "ENOENT connect /var/run/nscd/socket",
		";; communications error to 127.0.0.1#5353: connection refused":                                                                                                                         "ECONNREFUSED connect 127.0.0.1 :5353",
		"wget: can't connect to remote host (127.0.0.1): Connection refused":                                                                                                                    "ECONNREFUSED connect 127.0.0.1",
		"wget: bad address 'api:8080'": "ENOTFOUND connect api :8080",
		"curl: (7) Failed to connect to ::1 port 8080 after 0 ms: Couldn't connect to server": "ECONNREFUSED connect ::1 :8080",
		"curl: (56) Recv failure: Connection reset by peer":                                   "",
		"curl: (6) Could not resolve host: nosuch.test":                                       "ENOTFOUND connect nosuch.test",
		"http: error: ConnectionError: HTTPConnectionPool(host='localhost', port=80): Max retries exceeded with url: / (Caused by NewConnectionError('<urllib3.connection.HTTPConnection object at 0x7f>: Failed to establish a new connection: [Errno 111] Connection refused')) while doing a GET request to URL: http://localhost/": "ECONNREFUSED connect localhost :80",
		"ab: apr_socket_recv: Connection refused (111)":                                                                                                   "",
		"unable to connect to 127.0.0.1:8080 Connection refused":                                                                                          "ECONNREFUSED connect 127.0.0.1 :8080",
		"fatal: unable to connect to localhost:\nlocalhost[0: 127.0.0.1]: errno=Connection refused":                                                       "ECONNREFUSED connect 127.0.0.1",
		"fatal: unable to access 'http://localhost:3000/me/x.git/': Failed to connect to localhost port 3000 after 0 ms: Couldn't connect to server":      "ECONNREFUSED connect localhost :3000",
		"rsync: [sender] failed to connect to localhost (127.0.0.1): Connection refused (111)":                                                            "ECONNREFUSED connect localhost 127.0.0.1",
		"mount.nfs: Connection refused for 127.0.0.1:/export":                                                                                             "ECONNREFUSED connect 127.0.0.1",
		"iperf3: error - unable to connect to server - server may have stopped running or use a different port, firewall issue, etc.: Connection refused": "",

		// Other languages of the C library.
		"ssh: connect to host localhost port 2222: Verbindungsaufbau abgelehnt":                           "ECONNREFUSED connect localhost :2222",
		"nc: connect to 127.0.0.1 port 9 (tcp) failed: Connexion refusée":                                 "ECONNREFUSED connect tcp 127.0.0.1 :9",
		"bind(): Die Adresse wird bereits verwendet 127.0.0.1:80":                                         "EADDRINUSE bind 127.0.0.1 :80",
		"psql: error: falló la conexión al servidor en «localhost» (::1), puerto 5432: Conexión rehusada": "ECONNREFUSED connect localhost ::1 :5432",
		"curl: (7) Не удалось подключиться к localhost порт 3000: В соединении отказано":                  "ECONNREFUSED connect localhost :3000",

		"dial unix @abstract: connect: connection refused":               "ECONNREFUSED connect @abstract",
		"ping: db.internal: Name or service not known":                   "ENOTFOUND connect db.internal",
		"getaddrinfo: Temporary failure in name resolution":              "",
		"connect to [dns:///127.0.0.1:50051] failed: Connection refused": "ECONNREFUSED connect 127.0.0.1 :50051",
		"2024/05/01 12:00:00 [error] 7#7: *1 connect() to unix:/run/php/php8.2-fpm.sock failed (11: Resource temporarily unavailable) while connecting to upstream, client: 127.0.0.1, server: _, request: \"GET / HTTP/1.1\", upstream: \"fastcgi://unix:/run/php/php8.2-fpm.sock:\", host: \"localhost\"": "EAGAIN connect /run/php/php8.2-fpm.sock",
		"read tcp 127.0.0.1:80: Resource temporarily unavailable": "",

		// Two failures, and addresses that are none of them.
		"Error: connect ECONNREFUSED 127.0.0.1:6379\nError: listen EADDRINUSE: address already in use :::3000":                                            "EADDRINUSE bind :: :3000 | ECONNREFUSED connect 127.0.0.1 :6379",
		"Server running at http://localhost:3000\nConnection refused":                                                                                     "",
		"  VITE v5.0.0  ready in 300 ms\n  ➜  Local:   http://localhost:5173/\n[vite] http proxy error: /api\nError: connect ECONNREFUSED 127.0.0.1:8000": "ECONNREFUSED connect 127.0.0.1 :8000",
		"add: connection refused":                                  "",
		"app.py:120: connection refused":                           "",
		"src/server.ts:12:5 - error TS2304: Cannot find name 'x'.": "",
		"Connection refused (attempt 3 of 10)":                     "",
		"worker 12 exited with status 111":                         "",
	} {
		if got := all(text); got != want {
			t.Errorf("%q:\n got %q\nwant %q", text, got, want)
		}
	}
}
