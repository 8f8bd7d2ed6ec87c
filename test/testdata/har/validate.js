// node validate.js FILE: prints what is wrong with an HTTP archive, and exits 1 then.
const { readFileSync } = require("node:fs");
const { HarValidator } = require("@har-sdk/validator");

const archive = JSON.parse(readFileSync(process.argv[2], "utf8"));
// The validator takes only these methods; the format takes any.
const known = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"];
for (const { request } of archive.log.entries) {
  if (typeof request.method === "string" && /^[A-Z-]+$/.test(request.method) && !known.includes(request.method)) request.method = "GET";
}
new HarValidator().verify(archive).then((errors) => {
  for (const e of errors) console.log(`${e.instancePath}: ${e.message}`);
  process.exit(errors.length ? 1 : 0);
});
