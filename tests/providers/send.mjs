// Signs deliveries with the senders' own libraries, asks the same libraries for their verdict, and sends them to the
// ingress at $INGRESS. Prints one JSON line for each delivery; tests/tests/providers.rs judges them.
import { createHmac, generateKeyPairSync, sign as signBytes } from "node:crypto";
import { sign as octokitSign, verify as octokitVerify } from "@octokit/webhooks-methods";
import { isValidSlackRequest } from "@slack/bolt";
import "@shopify/shopify-api/adapters/node";
import { ApiVersion, shopifyApi } from "@shopify/shopify-api";
import { createSHA256HMAC } from "@shopify/shopify-api/runtime";
import { Webhook } from "standardwebhooks";
import Stripe from "stripe";

const { INGRESS, TENANT } = process.env;
const secrets = JSON.parse(process.env.SECRETS);
const now = Math.floor(Date.now() / 1000);
let delivery = 0;

/** Whether the call neither throws nor answers false. */
async function believes(call) {
  try {
    return (await call()) !== false;
  } catch {
    return false;
  }
}

const providers = {
  "standard-webhooks": {
    timed: true,
    async sign(secret, body, at) {
      const id = `msg_${(delivery += 1)}`;
      const signature = new Webhook(secret).sign(id, new Date(at * 1000), body);
      return { "webhook-id": id, "webhook-timestamp": String(at), "webhook-signature": signature };
    },
    verify: (secret, body, headers) => new Webhook(secret).verify(body, headers),
  },
  github: {
    async sign(secret, body) {
      const signature = await octokitSign(secret, body);
      return { "x-hub-signature-256": signature, "x-github-delivery": `delivery-${(delivery += 1)}` };
    },
    verify: (secret, body, headers) => octokitVerify(secret, body, headers["x-hub-signature-256"]),
  },
  stripe: {
    timed: true,
    async sign(secret, body, at) {
      const header = Stripe.webhooks.generateTestHeaderString({ payload: body, secret, timestamp: at });
      return { "stripe-signature": header };
    },
    verify: (secret, body, headers) =>
      Stripe.webhooks.constructEvent(body, headers["stripe-signature"], secret),
  },
  slack: {
    timed: true,
    async sign(secret, body, at) {
      const signature = createHmac("sha256", secret).update(`v0:${at}:${body}`).digest("hex");
      return { "x-slack-signature": `v0=${signature}`, "x-slack-request-timestamp": String(at) };
    },
    verify: (secret, body, headers) =>
      isValidSlackRequest({
        signingSecret: secret,
        body,
        headers: { ...headers, "x-slack-request-timestamp": Number(headers["x-slack-request-timestamp"]) },
      }),
  },
  shopify: {
    async sign(secret, body) {
      return {
        "x-shopify-hmac-sha256": await createSHA256HMAC(secret, body),
        "x-shopify-webhook-id": `webhook-${(delivery += 1)}`,
        "x-shopify-topic": "orders/paid",
        "x-shopify-api-version": "2025-07",
        "x-shopify-shop-domain": "shop.example.com",
      };
    },
    async verify(secret, body, headers) {
      const shopify = shopifyApi({
        apiKey: "key",
        apiSecretKey: secret,
        apiVersion: ApiVersion.July25,
        hostName: "localhost",
        isEmbeddedApp: false,
        logger: { log: () => {} },
      });
      const rawRequest = { method: "POST", url: "/", headers };
      return (await shopify.webhooks.validate({ rawBody: body, rawRequest })).valid;
    },
  },
};

async function post(path, body, headers) {
  const answer = await fetch(`http://${INGRESS}/hooks/${TENANT}/${path}`, {
    method: "POST",
    body,
    headers: { "content-type": "application/json", ...headers },
  });
  const text = await answer.text();
  let json = {};
  try {
    json = JSON.parse(text);
  } catch {
    // A handshake is answered with plain text.
  }
  return { status: answer.status, code: json.code ?? null, duplicate: json.duplicate ?? null, text };
}

async function deliver(provider, what, secret, body, headers) {
  const library = await believes(() => providers[provider].verify(secret, body, headers));
  const { text: _, ...answer } = await post(provider, body, headers);
  console.log(JSON.stringify({ provider, what, library, ...answer }));
}

for (const [provider, { sign, timed }] of Object.entries(providers)) {
  const [first, second, wrong] = secrets[provider];
  const body = JSON.stringify({ from: provider, text: "ü \u2028 €", n: 1.5 });
  const genuine = await sign(first, body, now);
  await deliver(provider, "genuine", first, body, genuine);
  await deliver(provider, "repeated", first, body, genuine);
  // The same body at the same time would be a repeat, whichever secret signed it.
  const other = body.replace("1.5", "2.5");
  await deliver(provider, "rotated", second, other, await sign(second, other, now));
  await deliver(provider, "tampered", first, body.replace("1.5", "9.5"), await sign(first, body, now));
  await deliver(provider, "forged", first, body, await sign(wrong, body, now));
  if (timed) {
    await deliver(provider, "stale", first, body, await sign(first, body, now - 600));
    await deliver(provider, "future", first, body, await sign(first, body, now + 600));
  }
}

// No library of these signs with a key pair; node's own Ed25519 is as independent of the daemon's.
const { privateKey, publicKey } = generateKeyPairSync("ed25519");
const raw = publicKey.export({ format: "der", type: "spki" }).subarray(-32);
console.log(JSON.stringify({ public: `whpk_${raw.toString("base64")}` }));
await new Promise((resolve) => process.stdin.once("data", resolve));
process.stdin.pause();
for (const [what, signed] of [["genuine", "{}"], ["tampered", "{ }"]]) {
  const signature = signBytes(null, Buffer.from(`msg_ed.${now}.${signed}`), privateKey).toString("base64");
  const { text: _, ...answer } = await post("asymmetric", "{}", {
    "webhook-id": "msg_ed",
    "webhook-timestamp": String(now),
    "webhook-signature": `v1a,${signature}`,
  });
  console.log(JSON.stringify({ provider: "asymmetric", what, ...answer }));
}
