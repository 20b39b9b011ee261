// Driver of the official JavaScript SDK's 1.x line. Run by tests/kit/sdks.py alone.

import { randomUUID } from "node:crypto";
import {
  fetchFor,
  main,
  require,
  stateWord,
  WEBHOOK_CREDENTIALS,
  WEBHOOK_TOKEN,
} from "./driver.mjs";

const { Role, TaskState } = require("@a2a-js/sdk");
const {
  ClientFactory,
  DefaultAgentCardResolver,
  JsonRpcTransportFactory,
  RestTransportFactory,
} = require("@a2a-js/sdk/client");

const TRANSPORTS = { JSONRPC: JsonRpcTransportFactory, "HTTP+JSON": RestTransportFactory };

const textOf = (parts = []) =>
  parts.map(({ content }) => (content.$case === "text" ? content.value : "")).join("");

const stateOf = (status) => stateWord(TaskState[status.state]);

const artifactOf = ({ name, parts }) => ({ name, text: textOf(parts) });

const taskOf = (task) => ({
  id: task.id,
  context: task.contextId,
  state: stateOf(task.status),
  artifacts: task.artifacts.map(artifactOf),
});

function described({ payload }) {
  const { $case: kind, value } = payload;
  switch (kind) {
    case "message":
      return { kind, task: value.taskId, text: textOf(value.parts) };
    case "task":
      return { kind, task: value.id, ...taskOf(value) };
    case "statusUpdate":
      return {
        kind: "status",
        task: value.taskId,
        state: stateOf(value.status),
        text: textOf(value.status.message?.parts),
      };
    case "artifactUpdate":
      return {
        kind: "artifact",
        task: value.taskId,
        ...artifactOf(value.artifact),
        append: value.append,
        last: value.lastChunk,
      };
  }
  throw new TypeError(`the SDK yielded ${JSON.stringify(payload)}`);
}

// A blocking send yields the bare value: a task has a status, a message none.
const describedResult = (value) =>
  described({ payload: { $case: "status" in value ? "task" : "message", value } });

const messageOf = (prompt) => ({
  message: {
    messageId: randomUUID(),
    role: Role.ROLE_USER,
    parts: [{ content: { $case: "text", value: prompt } }],
  },
});

const webhookOf = ({ taskId, id, url, token, authentication }) => ({
  task: taskId,
  id,
  url,
  token,
  scheme: authentication.scheme,
  credentials: authentication.credentials,
});

async function* describedAll(events) {
  for await (const event of events) yield described(event);
}

const cardOf = (card) => ({
  name: card.name,
  version: card.version,
  streaming: card.capabilities.streaming,
  skills: card.skills.map((skill) => skill.id),
  interfaces: card.supportedInterfaces.map((each) => ({
    url: each.url,
    binding: each.protocolBinding,
    version: each.protocolVersion,
  })),
});

await main(async (job) => {
  const fetchImpl = fetchFor(job);
  const card = await new DefaultAgentCardResolver({ fetchImpl }).resolve(job.url);
  const transports = [new TRANSPORTS[job.binding]({ fetchImpl })];
  const client = await new ClientFactory({ transports }).createFromAgentCard(card);
  const webhook = {
    url: job.webhook,
    token: WEBHOOK_TOKEN,
    authentication: { scheme: "Bearer", credentials: WEBHOOK_CREDENTIALS },
  };
  return {
    card: async () => cardOf(card),
    extendedCard: async () => cardOf(await client.getAgentCard()),
    // It sends a status that there is not, unless it is told that none is meant.
    list: async (contextId) => {
      const status = TaskState.TASK_STATE_UNSPECIFIED;
      return (await client.listTasks({ contextId, status })).tasks.map(taskOf);
    },
    send: async (prompt) => describedResult(await client.sendMessage(messageOf(prompt))),
    stream: (prompt) => describedAll(client.sendMessageStream(messageOf(prompt))),
    get: async (id) => taskOf(await client.getTask({ id })),
    cancel: async (id) => taskOf(await client.cancelTask({ id })),
    subscribe: (id) => describedAll(client.resubscribeTask({ id })),
    setWebhook: async (taskId, id) =>
      webhookOf(await client.createTaskPushNotificationConfig({ ...webhook, taskId, id })),
    getWebhook: async (taskId, id) =>
      webhookOf(await client.getTaskPushNotificationConfig({ taskId, id })),
    listWebhooks: async (taskId) =>
      (await client.listTaskPushNotificationConfig({ taskId })).configs.map(webhookOf),
    deleteWebhook: (taskId, id) => client.deleteTaskPushNotificationConfig({ taskId, id }),
    sendWithWebhook: async (prompt) =>
      describedResult(
        await client.sendMessage({
          ...messageOf(prompt),
          configuration: { taskPushNotificationConfig: webhook },
        }),
      ),
  };
});
