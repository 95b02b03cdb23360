// Chat with a server from JavaScript: node chat_client.mjs [URL]
// Packages: npm install @langchain/langgraph-sdk @langchain/core
import { randomUUID } from "node:crypto";
import { Client } from "@langchain/langgraph-sdk";

const TURNS = [
  "Who cooks with white wine? script://cc-000002/1 script://cc-000002/2",
  "And what does the cook in the first video say at 7 to 9 s?",
];
const client = new Client({ apiUrl: process.argv[2] ?? "http://127.0.0.1:2024" });
const { thread_id: thread } = await client.threads.create();

for (const text of TURNS) {
  const message = { id: randomUUID(), type: "human", content: [{ type: "text", text }] };
  const run = client.runs.stream(thread, "agentcvr_swap", {
    input: { messages: [message] },
    streamMode: ["values", "messages-tuple", "custom"],
    streamSubgraphs: true,
  });
  for await (const { event, data } of run) {
    if (event === "error") throw new Error(data.message);
    if (event === "custom") console.error(data.text); // progress
    if (event === "messages") show(data[0]);
  }
}
const [{ values }] = await client.threads.getHistory(thread, { limit: 1 });
console.log(values.messages.map((message) => message.type).join(" "));

function show(reply) {
  for (const { text, annotations = [] } of reply.content) {
    console.log(text);
    for (const { url, extras } of annotations) {
      console.log("cites", url, `from ${extras.start_s} s`);
    }
  }
}
