// A server and a client of HTTP/2 without TLS, for captures.
'use strict';
const http2 = require('http2');
const [, , what, port] = process.argv;

// frame makes a frame of a WebSocket with a text.
function frame(text, masked) {
  const b = Buffer.from(text);
  if (!masked) return Buffer.concat([Buffer.from([0x81, b.length]), b]);
  const mask = Buffer.from([1, 2, 3, 4]);
  return Buffer.concat([Buffer.from([0x81, 0x80 | b.length]), mask, b.map((c, i) => c ^ mask[i % 4])]);
}

function serve() {
  const server = http2.createServer({ settings: { enableConnectProtocol: true, headerTableSize: 8192 } });
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    switch (headers[':path']) {
      case '/chat':
        stream.respond({ ':status': 200, 'sec-websocket-protocol': 'chat' });
        stream.on('data', (b) => { stream.write(frame('pong')); });
        stream.on('end', () => stream.end(Buffer.from([0x88, 2, 0x03, 0xe8])));
        return;
      case '/push':
        stream.pushStream({ ':path': '/pushed.css' }, (err, push) => {
          if (!err) { push.respond({ ':status': 200, 'content-type': 'text/css' }); push.end('p{}'); }
        });
        stream.respond({ ':status': 200, 'content-type': 'text/html' });
        stream.end('<link>');
        return;
      case '/hints':
        stream.additionalHeaders({ ':status': 103, link: '</pushed.css>; rel=preload' });
        stream.respond({ ':status': 200 }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '3' }));
        stream.end('abc');
        return;
      case '/slow': stream.respond({ ':status': 200 }); stream.write('begin'); return;
      case '/refuse': stream.close(http2.constants.NGHTTP2_REFUSED_STREAM); return;
      case '/error': stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR); return;
      case '/half':
        stream.respond({ ':status': 200 });
        stream.write('half', () => stream.close(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM));
        return;
      case '/bye':
        stream.respond({ ':status': 503 });
        stream.end();
        stream.session.goaway(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM, 0, Buffer.from('go'));
        return;
    }
    stream.respond({ ':status': 200, 'content-type': 'application/json', 'set-cookie': ['a=1; Path=/', 'b=2'] });
    stream.end('{"ok":true,"token":"abc"}');
  });
  server.on('sessionError', () => {});
  server.listen(port, '127.0.0.1');
}

function request(session, headers, options, body) {
  return new Promise((done) => {
    const r = session.request(headers, options);
    r.on('error', () => {});
    r.on('close', done);
    r.resume();
    if (body) body(r); else r.end();
  });
}

function connect(settings) {
  const session = http2.connect(`http://127.0.0.1:${port}`, { settings });
  session.on('error', () => {});
  return session;
}

async function ask() {
  const session = connect({});
  session.on('stream', (s) => s.resume());
  await new Promise((done) => session.once('remoteSettings', done));
  await request(session, { ':path': '/users/42', 'x-a': 'same' });
  await Promise.all([1, 2, 3].map((i) => request(session, { ':path': '/users/' + i, 'x-a': 'same' })));
  await request(session, { ':path': '/push' });
  await request(session, { ':path': '/hints', ':method': 'POST' }, {}, (r) => r.end('{"password":"pw"}'));
  await request(session, { ':path': '/refuse' });
  await request(session, { ':path': '/error' });
  await request(session, { ':path': '/half' });
  await request(session, { ':path': '/slow', ':method': 'POST' }, { endStream: false }, (r) => { r.write('x'); setTimeout(() => r.close(8), 50); });
  await request(session, { ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/chat', ':scheme': 'http', ':authority': 'h' }, { endStream: false }, (r) => {
    r.on('response', () => { r.write(frame('ping', true)); });
    r.once('data', () => r.end(Buffer.from([0x88, 0x82, 1, 2, 3, 4, 0x02, 0xea])));
  });
  await request(session, { ':path': '/bye' });
  session.close();
  const small = connect({ headerTableSize: 100 });
  await new Promise((done) => small.once('remoteSettings', done));
  for (const path of ['/users/7', '/users/8', '/hints']) await request(small, { ':path': path, 'x-a': 'same' });
  small.close();
}

if (what === 'serve') serve(); else ask();
