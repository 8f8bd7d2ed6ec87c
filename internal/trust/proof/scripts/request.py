# One HTTPS request with what this Python trusts: port, name, path.
import socket, ssl, sys

port, name, path = int(sys.argv[1]), sys.argv[2], sys.argv[3]
raw = socket.create_connection(("127.0.0.1", port))
try:
    conn = ssl.create_default_context().wrap_socket(raw, server_hostname=name)
except ssl.SSLError as e:
    sys.exit("Error: %s" % e)
conn.sendall(("GET %s HTTP/1.0\r\nHost: %s\r\n\r\n" % (path, name)).encode())
conn.read()
