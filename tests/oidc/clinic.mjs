// The identity provider of the stack on machines that cannot pull Keycloak: `oidc-provider` over TLS, with the realm and the
// clients of envoy/keycloak/clinic-realm.json.
//
// PORT, CERT and KEY say where and as whom it serves, OIDC_PACKAGES where its packages stand.

import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const { CERT, KEY, OIDC_PACKAGES, PORT, REALM } = process.env;
const require = createRequire(`${OIDC_PACKAGES}/`);
const { default: Provider } = await import(pathToFileURL(require.resolve("oidc-provider")));

const realm = JSON.parse(readFileSync(REALM, "utf8"));
const path = `/realms/${realm.realm}`;
const issuer = `https://idp.clinic.example${path}`;
const api = "https://fhir.clinic.example";

const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const signing = { ...privateKey.export({ format: "jwk" }), kid: "clinic", use: "sig", alg: "ES256" };

const roles = Object.fromEntries(realm.users.map((user) => [user.serviceAccountClientId, user.realmRoles]));
const clients = realm.clients.map(({ clientId, secret }) => ({
  client_id: clientId,
  client_secret: secret,
  grant_types: ["client_credentials"],
  redirect_uris: [],
  response_types: [],
  token_endpoint_auth_method: "client_secret_post",
  id_token_signed_response_alg: "ES256",
}));

const provider = new Provider(issuer, {
  clients,
  jwks: { keys: [signing] },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => api,
      getResourceServerInfo: () => ({
        scope: "",
        audience: api,
        accessTokenTTL: realm.accessTokenLifespan,
        accessTokenFormat: "jwt",
        jwt: { sign: { alg: "ES256" } },
      }),
      useGrantedResource: () => true,
    },
  },
  // Where Keycloak has them.
  extraTokenClaims: (_, token) => ({ azp: token.clientId, realm_access: { roles: roles[token.clientId] ?? [] } }),
});
// It says its addresses with https, whatever the socket was.
provider.proxy = true;
const answer = provider.callback();

createServer({ cert: readFileSync(CERT), key: readFileSync(KEY), minVersion: "TLSv1.2" }, (request, response) => {
  if (!request.url.startsWith(`${path}/`)) {
    response.writeHead(404).end();
    return;
  }
  // Mounted there: the provider takes the difference for its base.
  request.originalUrl = request.url;
  request.url = request.url.slice(path.length);
  request.headers.host = "idp.clinic.example";
  answer(request, response);
}).listen(Number(PORT), "0.0.0.0", () => console.log(issuer));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(0));
