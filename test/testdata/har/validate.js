// node validate.js FILE: prints what is wrong with an HTTP archive, and exits 1 then.
const { readFileSync } = require("node:fs");
const { HarValidator } = require("@har-sdk/validator");

new HarValidator().verify(JSON.parse(readFileSync(process.argv[2], "utf8"))).then((errors) => {
  for (const e of errors) console.log(`${e.instancePath}: ${e.message}`);
  process.exit(errors.length ? 1 : 0);
});
