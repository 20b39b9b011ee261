// Driver of the verifier in the official JavaScript SDK's 1.x line. Run by tests/kit/verifiers.py.
// A job on stdin is `url`, `headers` and `keys` (JWKs by kid).

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.argv[2], "node_modules/"));
const { verifyAgentCardSignature } = require("@a2a-js/sdk");
const { DefaultAgentCardResolver } = require("@a2a-js/sdk/client");

console.debug = () => {}; // it tells of every signature that does not fit

const { url, headers, keys } = JSON.parse(readFileSync(0, "utf8"));
const fetchImpl = (target, init) =>
  fetch(target, { ...init, headers: { ...init?.headers, ...headers } });
const card = await new DefaultAgentCardResolver({ fetchImpl }).resolve(url);

const seen = { accepted: true, why: "" };
try {
  await verifyAgentCardSignature(async (kid) => keys[kid])(card);
} catch (error) {
  Object.assign(seen, { accepted: false, why: String(error) });
}
process.stdout.write(JSON.stringify(seen));
