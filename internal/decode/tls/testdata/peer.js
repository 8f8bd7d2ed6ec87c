// Connections of TLS between a server and a client of Node, for captures.
'use strict';
const tls = require('tls');
const fs = require('fs');
const dir = process.argv[2];
const key = fs.readFileSync(dir + '/key.pem');
const cert = fs.readFileSync(dir + '/cert.pem');
const ca = fs.readFileSync(dir + '/ca.pem');

function connect(server, options) {
  return new Promise((done) => {
    let session;
    const c = tls.connect({ port: server.address().port, host: '127.0.0.1', servername: 'node.localhost', ca, ...options }, () => c.write('hello'));
    c.on('session', (s) => { session = s; });
    c.on('data', () => c.end());
    c.on('error', () => {});
    c.on('close', () => done(session));
  });
}

(async () => {
  for (const version of ['TLSv1.2', 'TLSv1.3']) {
    const server = tls.createServer({ key, cert, ca, maxVersion: version, ALPNProtocols: ['h2', 'http/1.1'] }, (c) => {
      c.on('error', () => {});
      c.on('data', () => c.write('world'));
    });
    server.on('tlsClientError', () => {});
    await new Promise((done) => server.listen(0, '127.0.0.1', done));
    const session = await connect(server, { ALPNProtocols: ['h2'] });
    await connect(server, { session, ALPNProtocols: ['h2'] });
    server.close();
  }
})();
