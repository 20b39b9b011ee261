// What the drivers of the JavaScript SDKs share: the job, the scenarios, the answer. The same as
// driver.py, which says more. The folder where the SDK is installed is the only argument;
// `require`, told that folder, finds it.

import { createRequire } from "node:module";
import { text } from "node:stream/consumers";

export const require = createRequire(`${process.argv[2]}/`);

const PATIENCE = 60_000; // milliseconds

const UNKNOWN = "00000000-0000-4000-8000-000000000000";

async function read(events, into) {
  for await (const event of events) into.push(event);
}

// Not `for await`, which would end the stream on leaving the loop.
async function readUntilOutput(events, into) {
  for (;;) {
    const { value, done } = await events.next();
    if (done) return;
    into.push(value);
    if (value.kind === "artifact") return;
  }
}

const SCENARIOS = {
  async card(client, prompt, seen) {
    seen.card = await client.card();
  },
  async extended(client, prompt, seen) {
    seen.card = await client.extendedCard();
  },
  async listed(client, prompt, seen) {
    await SCENARIOS.send(client, prompt, seen);
    await SCENARIOS.send(client, prompt, seen);
    seen.listed = await client.list(seen.events[0].context);
  },
  async send(client, prompt, seen) {
    seen.events.push(await client.send(prompt));
  },
  async stream(client, prompt, seen) {
    await read(client.stream(prompt), seen.events);
  },
  async get(client, prompt, seen) {
    await SCENARIOS.send(client, prompt, seen);
    seen.task = await client.get(seen.events[0].task);
  },
  async get_unknown(client, prompt, seen) {
    seen.task = await client.get(UNKNOWN);
  },
  async cancel(client, prompt, seen) {
    const events = client.stream(prompt);
    await readUntilOutput(events, seen.events);
    seen.task = await client.cancel(seen.events[0].task);
    await read(events, seen.events);
  },
  async cancel_finished(client, prompt, seen) {
    await SCENARIOS.send(client, prompt, seen);
    seen.task = await client.cancel(seen.events[0].task);
  },
  async subscribe(client, prompt, seen) {
    const events = client.stream(prompt);
    await readUntilOutput(events, seen.events);
    await events.return();
    const id = seen.events[0].task;
    await read(client.subscribe(id), seen.joined);
    seen.task = await client.get(id);
  },
  async webhooks(client, prompt, seen) {
    await SCENARIOS.send(client, prompt, seen);
    const task = seen.events[0].task;
    const set = [await client.setWebhook(task, "one"), await client.setWebhook(task, "two")];
    const got = await client.getWebhook(task, "one");
    const listed = await client.listWebhooks(task);
    await client.deleteWebhook(task, "two");
    const left = await client.listWebhooks(task);
    seen.webhooks = { set, got, listed, left };
    seen.task = await client.cancel(task);
  },
  async notified(client, prompt, seen) {
    seen.events.push(await client.sendWithWebhook(prompt));
  },
};

export const WEBHOOK_TOKEN = "t0ken";
export const WEBHOOK_CREDENTIALS = "cr3dentials";

// `fetch` as the job wants it: with the token, where there is one.
export function fetchFor({ token }) {
  if (!token) return fetch;
  return (input, init = {}) => {
    const headers = new Headers(init.headers);
    headers.set("authorization", `Bearer ${token}`);
    return fetch(input, { ...init, headers });
  };
}

export function stateWord(state) {
  return state.replace("TASK_STATE_", "").toLowerCase().replaceAll("_", "-");
}

export async function main(connect) {
  const seen = { card: null, events: [], joined: [], task: null, webhooks: {} };
  Object.assign(seen, { listed: [], error: null });
  const answer = () => process.stdout.write(JSON.stringify(seen), () => process.exit());
  const fail = (error) => {
    const code = typeof error.code === "number" ? error.code : null;
    seen.error = { type: error.name ?? "Error", code, message: String(error.message ?? error) };
    answer();
  };
  setTimeout(() => fail({ name: "TimeoutError", message: `no end in ${PATIENCE} ms` }), PATIENCE);
  try {
    const job = JSON.parse(await text(process.stdin));
    await SCENARIOS[job.scenario](await connect(job), job.prompt, seen);
    answer();
  } catch (error) {
    fail(error);
  }
}
