// A server for make.sh.
const http = require('http');
const net = require('net');
const zlib = require('zlib');

const server = http.createServer((req, res) => {
  const path = req.url.replace(/^http:\/\/[^/]*/, '');
  if (path.startsWith('/trailer')) {
    res.setHeader('Trailer', 'X-Checksum');
    res.setHeader('Set-Cookie', ['session=secret; HttpOnly', 'theme=dark; Path=/']);
    res.write('in ');
    res.write('chunks');
    res.addTrailers({ 'X-Checksum': 'abc' });
    res.end();
  } else if (path === '/hints') {
    res.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' });
    res.end('hinted');
  } else if (path === '/close') {
    res.sendDate = false;
    res.useChunkedEncodingByDefault = false;
    res.writeHead(200, { Connection: 'close', 'Content-Type': 'text/plain' });
    res.write('until ');
    res.end('close');
  } else if (path === '/br') {
    res.writeHead(200, { 'Content-Encoding': 'br', 'Content-Type': 'text/plain' });
    res.end(zlib.brotliCompressSync('brotli '.repeat(100)));
  } else if (path === '/events') {
    const gzip = /gzip/.test(req.headers['accept-encoding'] || '');
    const head = { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' };
    if (gzip) head['Content-Encoding'] = 'gzip';
    res.writeHead(200, head);
    const z = zlib.createGzip();
    if (gzip) z.pipe(res);
    const out = gzip ? z : res;
    const events = [': welcome\n\nretry: 2000\n\n', 'data: {"n":1,"token":"secret"}\n\n', 'event: tick\nid: 7\ndata: first line\ndata: second line\n\n', 'data: last\r\n\r\n'];
    const next = () => {
      const e = events.shift();
      if (!e) return out.end();
      out.write(e);
      if (gzip) z.flush();
      setTimeout(next, 60);
    };
    next();
  } else if (path === '/abort') {
    res.writeHead(200, { 'Content-Length': 100 });
    res.write('a part');
    setTimeout(() => req.socket.resetAndDestroy(), 50);
  } else if (path === '/never') {
    req.socket.setTimeout(0);
  } else {
    const parts = [];
    req.on('data', (b) => parts.push(b));
    req.on('end', () => {
      res.setHeader('Content-Type', 'application/json');
      res.end(JSON.stringify({ bytes: Buffer.concat(parts).length, access_token: 'secret' }));
    });
  }
});
server.on('connect', (req, socket, head) => {
  const [host, port] = req.url.split(':');
  const up = net.connect(port, host, () => {
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
    up.write(head);
    up.pipe(socket);
    socket.pipe(up);
  });
});
server.on('upgrade', (req, socket) => {
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: shell/1\r\n\r\n');
  socket.end('\x00\x01bin  dev  etc\n');
});
server.listen(Number(process.argv[2]), '127.0.0.1');
