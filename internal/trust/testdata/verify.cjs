// Trusts the root that is its argument, and shakes hands with each "name port" of its input.
const tls = require("tls"), fs = require("fs")
const ca = fs.readFileSync(process.argv[2])
const shake = (name, port) => new Promise((done) => {
  const options = { host: "127.0.0.1", port: Number(port), ca, checkServerIdentity: (_, cert) => tls.checkServerIdentity(name, cert) }
  if (!/^[0-9.:]+$/.test(name)) options.servername = name
  const s = tls.connect(options, () => { console.log("ok"); s.destroy(); done() })
  s.on("error", (e) => { console.log("no", e.code, e.message); done() })
})
;(async () => {
  for (const line of fs.readFileSync(0, "utf8").trim().split("\n")) await shake(...line.split(" "))
})()
