// The OpenID Connect provider of the end-to-end tests: `oidc-provider`, on a port of loopback that the system picks, with
// one client that may ask for tokens by its credentials. It prints its address. `POST /rotate` has it sign with a new key;
// the key before stays published until the next rotation. It ends with its standard input.
//
// Its packages stand in the directory that OIDC_PACKAGES names.

import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(`${process.env.OIDC_PACKAGES}/`);
const { default: Provider } = await import(pathToFileURL(require.resolve("oidc-provider")));

const API = "https://fhir.clinic.example";
const OPAQUE = "https://opaque.clinic.example";

let keys = [];
let serial = 0;
function addKey() {
  serial += 1;
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const key = { ...privateKey.export({ format: "jwk" }), kid: `key-${serial}`, use: "sig", alg: "ES256" };
  keys = [key, ...keys.slice(0, 1)];
}

const client = {
  client_id: "app",
  client_secret: "the secret of the tests' client",
  grant_types: ["client_credentials"],
  redirect_uris: [],
  response_types: [],
  id_token_signed_response_alg: "ES256",
};

function provider(issuer) {
  const server = (resource) => ({
    scope: "physician",
    audience: resource,
    accessTokenTTL: 300,
    ...(resource === API ? { accessTokenFormat: "jwt", jwt: { sign: { alg: "ES256" } } } : { accessTokenFormat: "opaque" }),
  });
  const provider = new Provider(issuer, {
    clients: [client],
    jwks: { keys },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      introspection: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => API,
        getResourceServerInfo: (_, resource) => server(resource),
        useGrantedResource: () => true,
      },
    },
  });
  return provider.callback();
}

let callback;
const http = createServer((request, response) => {
  if (request.method === "POST" && request.url === "/rotate") {
    addKey();
    callback = provider(issuer);
    response.end(keys[0].kid);
  } else {
    callback(request, response);
  }
});
let issuer;
http.listen(0, "127.0.0.1", () => {
  issuer = `http://127.0.0.1:${http.address().port}`;
  addKey();
  callback = provider(issuer);
  console.log(issuer);
});
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
