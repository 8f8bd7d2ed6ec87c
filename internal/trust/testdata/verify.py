# Trusts the root that is its argument, and shakes hands with each "name port" of its input.
import socket, ssl, sys

context = ssl.create_default_context(cafile=sys.argv[1])
for line in sys.stdin:
    name, port = line.split()
    try:
        context.wrap_socket(socket.create_connection(("127.0.0.1", int(port))), server_hostname=name).close()
        print("ok")
    except ssl.SSLError as e:
        print("no", e)
