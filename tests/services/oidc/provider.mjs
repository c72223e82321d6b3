// An OpenID provider on loopback, in memory: oidc-provider with a client for each staff member, that
// gets access tokens (RFC 9068) for an audience; `?alg=` at the audience chooses how they are signed.
// Prints its issuer when it is ready.
import { createServer } from "node:http";
import { exportJWK, generateKeyPair } from "jose";
import Provider from "oidc-provider";

const [audience, secret, ...staff] = process.argv.slice(2);
const jwk = async (alg, options) => {
  const { privateKey } = await generateKeyPair(alg, { extractable: true, ...options });
  return { ...(await exportJWK(privateKey)), alg, use: "sig", kid: alg.toLowerCase() };
};
const algorithms = ["RS256", "ES256", "EdDSA"];
const keys = [];
for (const algorithm of algorithms) keys.push(await jwk(algorithm));

const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: staff.map((id) => ({
      client_id: id,
      client_secret: secret,
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
    })),
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, resource) => {
          const { origin, searchParams } = new URL(resource);
          const alg = searchParams.get("alg") ?? "RS256";
          return {
            audience: origin === new URL(audience).origin ? audience : resource,
            accessTokenFormat: "jwt",
            accessTokenTTL: 300,
            jwt: { sign: { alg, kid: alg.toLowerCase() } },
            scope: "",
          };
        },
      },
    },
    jwks: { keys },
  });
  server.on("request", provider.callback());
  console.log(issuer);
});
