// Driver of the official JavaScript SDK's 0.3 line. Run by tests/kit/sdks.py alone.

import { randomUUID } from "node:crypto";
import {
  fetchFor,
  main,
  require,
  stateWord,
  WEBHOOK_CREDENTIALS,
  WEBHOOK_TOKEN,
} from "./driver.mjs";

const {
  ClientFactory,
  DefaultAgentCardResolver,
  JsonRpcTransportFactory,
  RestTransportFactory,
} = require("@a2a-js/sdk/client");

const TRANSPORTS = { JSONRPC: JsonRpcTransportFactory, "HTTP+JSON": RestTransportFactory };

const textOf = (parts = []) => parts.map((part) => part.text ?? "").join("");

const artifactOf = ({ name, parts }) => ({ name, text: textOf(parts) });

const taskOf = (task) => ({
  id: task.id,
  context: task.contextId,
  state: stateWord(task.status.state),
  artifacts: (task.artifacts ?? []).map(artifactOf),
});

function described(event) {
  switch (event.kind) {
    case "message":
      return { kind: "message", task: event.taskId, text: textOf(event.parts) };
    case "task":
      return { kind: "task", task: event.id, ...taskOf(event) };
    case "status-update":
      return {
        kind: "status",
        task: event.taskId,
        state: stateWord(event.status.state),
        text: textOf(event.status.message?.parts),
        final: event.final,
      };
    case "artifact-update":
      return {
        kind: "artifact",
        task: event.taskId,
        ...artifactOf(event.artifact),
        append: Boolean(event.append),
        last: Boolean(event.lastChunk),
      };
  }
  throw new TypeError(`the SDK yielded ${JSON.stringify(event)}`);
}

const messageOf = (prompt) => ({
  message: {
    kind: "message",
    messageId: randomUUID(),
    role: "user",
    parts: [{ kind: "text", text: prompt }],
  },
});

const webhookOf = ({ taskId, pushNotificationConfig: { id, url, token, authentication } }) => ({
  task: taskId,
  id,
  url,
  token,
  scheme: authentication.schemes[0],
  credentials: authentication.credentials,
});

async function* describedAll(events) {
  for await (const event of events) yield described(event);
}

const cardOf = (card) => {
  const offered = [
    { url: card.url, transport: card.preferredTransport },
    ...(card.additionalInterfaces ?? []),
  ];
  return {
    name: card.name,
    version: card.version,
    streaming: card.capabilities.streaming,
    skills: card.skills.map((skill) => skill.id),
    interfaces: offered.map(({ url, transport }) => ({
      url,
      binding: transport,
      version: card.protocolVersion,
    })),
  };
};

await main(async (job) => {
  const fetchImpl = fetchFor(job);
  const card = await new DefaultAgentCardResolver({ fetchImpl }).resolve(job.url);
  const transports = [new TRANSPORTS[job.binding]({ fetchImpl })];
  const client = await new ClientFactory({ transports }).createFromAgentCard(card);
  const webhook = {
    url: job.webhook,
    token: WEBHOOK_TOKEN,
    authentication: { schemes: ["Bearer"], credentials: WEBHOOK_CREDENTIALS },
  };
  return {
    card: async () => cardOf(card),
    extendedCard: async () => cardOf(await client.getAgentCard()),
    send: async (prompt) => described(await client.sendMessage(messageOf(prompt))),
    stream: (prompt) => describedAll(client.sendMessageStream(messageOf(prompt))),
    get: async (id) => taskOf(await client.getTask({ id })),
    cancel: async (id) => taskOf(await client.cancelTask({ id })),
    subscribe: (id) => describedAll(client.resubscribeTask({ id })),
    setWebhook: async (taskId, id) =>
      webhookOf(
        await client.setTaskPushNotificationConfig({
          taskId,
          pushNotificationConfig: { ...webhook, id },
        }),
      ),
    getWebhook: async (id, pushNotificationConfigId) =>
      webhookOf(await client.getTaskPushNotificationConfig({ id, pushNotificationConfigId })),
    listWebhooks: async (id) =>
      (await client.listTaskPushNotificationConfig({ id })).map(webhookOf),
    deleteWebhook: (id, pushNotificationConfigId) =>
      client.deleteTaskPushNotificationConfig({ id, pushNotificationConfigId }),
    sendWithWebhook: async (prompt) =>
      described(
        await client.sendMessage({
          ...messageOf(prompt),
          configuration: { blocking: true, pushNotificationConfig: webhook },
        }),
      ),
  };
});
