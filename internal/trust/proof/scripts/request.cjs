// One HTTPS request with what this Node.js trusts: port, name, path.
const [port, name, path] = process.argv.slice(2)
require("https")
  .get({ host: "127.0.0.1", port: Number(port), servername: name, path, headers: { host: name } }, (res) => res.resume())
  .on("error", (e) => {
    console.error(`${e.code}: ${e.message} (certificate)`)
    process.exitCode = 1
  })
