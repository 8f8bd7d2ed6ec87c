// What programs with MongoDB's driver for node send.
import { MongoClient } from 'mongodb'

const port = process.argv[2]
const c = new MongoClient(`mongodb://127.0.0.1:${port}/?directConnection=true&maxPoolSize=3`)
await c.connect()
const items = c.db('shop').collection('items')
await items.deleteMany({})
await items.insertMany([...Array(9).keys()].map((i) => ({ _id: i, name: `item ${i}`, price: i * 1.25, at: new Date(1700000000000 + i) })))
await Promise.all([1, 2, 3, 4, 5].map((i) => items.findOne({ _id: i })))
for await (const item of items.find({ price: { $gt: 1 } }).batchSize(3)) void item
await items.updateOne({ _id: 1 }, { $set: { name: 'renamed' } })
await items.updateOne({ _id: 99 }, { $set: { name: 'new' } }, { upsert: true })
await items.insertOne({ _id: 1 }).catch(() => {})
await items.find({ $nosuch: 1 }).toArray().catch(() => {})
await items.aggregate([{ $match: { price: { $gte: 5 } } }, { $count: 'n' }]).toArray()
await items.deleteOne({ name: /^item/ })
await c.close()

const d = new MongoClient(`mongodb://me:secret@127.0.0.1:${port}/?authMechanism=PLAIN&directConnection=true&serverSelectionTimeoutMS=1000`)
await d.db('shop').collection('items').findOne({}).catch((e) => console.log(String(e)))
await d.close()
const s = new MongoClient(`mongodb://me:secret@127.0.0.1:${port}/?directConnection=true&serverSelectionTimeoutMS=1000`)
await s.db('shop').collection('items').findOne({}).catch((e) => console.log(String(e)))
await s.close()
