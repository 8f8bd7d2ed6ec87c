"""Asks PostgreSQL with TLS. Python's ssl writes the key log that SSLKEYLOGFILE names."""
import socket
import ssl
import struct
import sys

context = ssl.create_default_context(cafile=sys.argv[1])
s = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
s.sendall(struct.pack("!II", 8, 80877103))
assert s.recv(1) == b"S"
s = context.wrap_socket(s, server_hostname="localhost")


def until(kind):
    b = b""
    while True:
        b += s.recv(65536)
        while len(b) >= 5:
            n = 1 + struct.unpack("!I", b[1:5])[0]
            if len(b) < n:
                break
            if b[:1] == kind:
                return
            b = b[n:]


def send(kind, body):
    s.sendall(kind + struct.pack("!I", 4 + len(body)) + body)


send(b"", struct.pack("!I", 196608) + b"user\0postgres\0database\0postgres\0\0")
until(b"Z")
send(b"Q", b"SELECT n, n * n AS square FROM generate_series(1, 3) AS n\0")
until(b"Z")
send(b"Q", b"SELECT * FROM nowhere\0")
until(b"Z")
send(b"X", b"")
s.close()
