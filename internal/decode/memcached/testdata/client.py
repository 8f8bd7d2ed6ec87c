"""What clients of the text protocol send, over TCP and UDP."""
import socket
import struct
import sys


def talk(port, *texts):
    """Sends each text, with CRLF for its line ends, and reads the answers to it."""
    s = socket.create_connection(("127.0.0.1", port))
    s.settimeout(0.2)
    for text in texts:
        s.sendall(text.replace("\n", "\r\n").encode("latin-1"))
        try:
            while s.recv(65536):
                pass
        except TimeoutError:
            pass
    s.close()


def text():
    talk(11211, "set user:1 5 60 5\nhello\n", "get user:1\n", "get none\n", "gets user:1 none user:1\n")
    talk(11211, "add a:1 0 0 1\nx\nadd a:1 0 0 1\ny\nreplace a:2 0 0 1\nz\nappend a:1 0 0 1\nb\nprepend a:1 0 0 1\na\nget a:1\n",
         "set n 0 0 1\n5\nincr n 3\ndecr n 100\nincr none 1\nincr a:1 1\n", "touch n 100\ngat 100 n a:1\ngats 100 n\ndelete n\ndelete n\n",
         "set quiet 0 0 1 noreply\nx\ndelete none noreply\nget quiet\n", "cas quiet 0 0 1 1\ny\ncas none 0 0 1 1\ny\n", "version\nverbosity 0\nflush_all noreply\nmn\n",
         "nosuch\nget\nset bad 0 0 x\nset k 0 0 3\nabcde\nset " + "k" * 300 + " 0 0 1\nx\n", "set big 0 0 3000\n" + "x" * 3000 + "\nget big\n",
         "slabs automove 1\nlru_crawler enable\nlru mode segmented\ncache_memlimit 64\n", "stats sizes\nstats reset\n", "quit\n")
    talk(11211, "set binary 0 0 256\n" + "".join(map(chr, range(10))) + "\r\n" * 3 + "".join(map(chr, range(16, 256))) + "\n", "get binary\n")
    talk(11211, "lru_crawler metadump all\n", "mn\n")
    talk(11212, "get a\n", "set x 0 0 11\nuser secret\n", "set x 0 0 1\n1\nget x\n")
    talk(11212, "set x 0 0 10\nuser wrong\n")
    watcher = socket.create_connection(("127.0.0.1", 11211))
    watcher.sendall(b"watch fetchers mutations\r\n")
    watcher.recv(100)
    talk(11211, "set w 0 0 1\n1\nget w\n")
    watcher.settimeout(2)
    watcher.recv(1000)
    watcher.close()


def meta():
    talk(11211, "mn\n", "ms user:1 5 T60 c\nhello\n", "mg user:1 v t f s O1 k\nmg user:1\nmg none v\n", "me user:1\nme none\n",
         "ms a 1 q\n1\nms b 1 q k\n2\nmg a v q k\nmg none v q k\nmg b v q k O9\nmn\n", "ma n\nma n N0 J10 v\nma n D5 v\nma n MD q\nmd n q\nmd n\nmd a I T30\nmg a v\nmn\n",
         "ms a 1 ME\nx\nms new 1 MR\nx\nms a 1 C1\nx\nms bad x\nms b 2\nxyz\n", "mg Zm9v b v\nmg missing N30 v t\n")


def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(0.5)
    s.connect(("127.0.0.1", 11211))
    large = b"set big 0 0 1300\r\n" + b"x" * 1300 + b"\r\n"
    texts = [b"set user:1 5 60 5\r\nhello\r\n", b"get user:1\r\n", b"get none\r\n", large, b"get big big big\r\n", b"stats\r\n", b"nosuch\r\n",
             struct.pack(">BBHBBHIIQ", 0x80, 0x0a, 0, 0, 0, 0, 0, 7, 0)]
    for number, text in enumerate(texts):
        s.send(struct.pack(">HHHH", number + 1, 0, 1, 0) + text)
        try:
            while True:
                answer = s.recv(65536)
                _, sequence, total, _ = struct.unpack(">HHHH", answer[:8])
                if sequence + 1 == total:
                    break
        except TimeoutError:
            pass


{"text": text, "meta": meta, "udp": udp}[sys.argv[1]]()
