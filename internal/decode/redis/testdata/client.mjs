// What clients of npm send: redis with RESP3 and RESP2, ioredis; pipelines, transactions,
// subscriptions, and a server that takes no more clients.
import { createClient } from 'redis'
import Redis from 'ioredis'

const [port, full] = process.argv.slice(2).map(Number)
const quiet = (c) => c.on('error', () => {})

for (const RESP of [2, 3]) {
  const url = `redis://127.0.0.1:${port}`
  const c = quiet(createClient({ url, RESP }))
  await c.connect()
  const all = []
  for (let i = 0; i < 20; i++) all.push(c.set(`node:${i}`, `value ${i}`), c.get(`node:${i}`))
  await Promise.all(all)
  await c.hSet('node:h', { a: '1', b: '2' })
  await c.hGetAll('node:h')
  await c.multi().incr('node:n').hGetAll('node:h').lPush('node:h', 'x').exec().catch(() => {})
  await c.lPush('node:h', 'x').catch(() => {})
  const sub = quiet(c.duplicate())
  await sub.connect()
  let got
  const message = new Promise((r) => { got = r })
  await sub.subscribe('node:channel', got)
  await sub.pSubscribe('node:*', () => {})
  await c.publish('node:channel', JSON.stringify({ hello: 'world' }))
  await message
  await sub.unsubscribe('node:channel')
  await sub.pUnsubscribe('node:*')
  sub.destroy()
  const waiting = c.duplicate()
  await waiting.connect()
  const popped = waiting.blPop('node:queue', 1)
  await c.rPush('node:queue', 'job')
  await popped
  await waiting.close()
  await c.set('node:binary', Buffer.from(Array.from({ length: 256 }, (_, i) => i)))
  await c.get('node:binary')
  await c.close()
}

const io = quiet(new Redis(port, '127.0.0.1', { enableReadyCheck: false }))
await io.pipeline().set('io:1', 'a').get('io:1').incr('io:1').exec()
await io.multi().set('io:2', 'b').get('io:2').exec()
await io.quit()

const first = quiet(new Redis(full, '127.0.0.1', { enableReadyCheck: false }))
await first.ping()
const second = quiet(new Redis(full, '127.0.0.1', { enableReadyCheck: false, retryStrategy: () => null, maxRetriesPerRequest: 0 }))
await second.ping().catch(() => {})
second.disconnect()
await first.quit()
