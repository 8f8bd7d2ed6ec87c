// HTTPS at a port, whose answers are compressed as the client wants: node server.js PORT.
const fs = require("fs");
const https = require("https");
const zlib = require("zlib");

const options = { key: fs.readFileSync("key.pem"), cert: fs.readFileSync("cert.pem") };
https
  .createServer(options, (request, response) => {
    const text = Buffer.from("hello from node\n");
    if (/\bbr\b/.test(request.headers["accept-encoding"] || "")) {
      response.setHeader("Content-Encoding", "br");
      response.end(zlib.brotliCompressSync(text));
      return;
    }
    response.end(text);
  })
  .listen(Number(process.argv[2]), "127.0.0.1");
