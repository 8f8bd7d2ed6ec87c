// A server, and for all kinds but "serve" its client, for make.sh.
const { WebSocket, WebSocketServer } = require('ws');
const [kind, port] = [process.argv[2], Number(process.argv[3])];

const noContext = kind === 'deflate-no-context';
const deflate = kind === 'plain' ? false : {
  threshold: 0,
  serverNoContextTakeover: noContext,
  clientNoContextTakeover: noContext,
};
const server = new WebSocketServer({ host: '127.0.0.1', port, perMessageDeflate: deflate, handleProtocols: (p) => p.values().next().value });
server.on('connection', (ws) => {
  ws.on('message', (data, binary) => ws.send(data, { binary }));
  ws.on('close', () => kind !== 'serve' && server.close());
});
if (kind !== 'serve') {
  server.on('listening', client);
}

function client() {
  const ws = new WebSocket(`ws://127.0.0.1:${port}/chat`, ['example'], { perMessageDeflate: deflate, headers: { Authorization: 'Bearer secret' } });
  const word = JSON.stringify({ type: 'message', text: 'the same words, again and again', password: 'secret' });
  const sends = [
    () => ws.send(word),
    () => ws.send(word),
    () => ws.send(Buffer.from([0, 1, 2, 254, 255])),
    () => { ws.send('in three ', { fin: false }); ws.ping('in between'); ws.send('frames, ', { fin: false }); ws.send('grün'); },
    () => ws.send(''),
    () => ws.send('0123456789'.repeat(2000)),
    () => ws.send(word, { compress: false }),
  ];
  ws.on('open', () => sends.shift()());
  ws.on('message', () => {
    const next = sends.shift();
    if (next) setTimeout(next, 5);
    else ws.close(1001, 'going');
  });
}
