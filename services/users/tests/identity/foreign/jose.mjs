// Makes keys and tokens with jose.
import { writeFileSync } from 'node:fs'
import { SignJWT, exportJWK, generateKeyPair } from 'jose'

const keys = []
const tokens = {}
for (const alg of ['RS256', 'ES256']) {
  const pair = await generateKeyPair(alg, { extractable: true })
  keys.push({ ...(await exportJWK(pair.publicKey)), kid: alg, alg, use: 'sig' })
  tokens[alg] = await new SignJWT({ forum_user: 3, scope: 'openid' })
    .setProtectedHeader({ alg, kid: alg, typ: 'JWT' })
    .setIssuer('https://issuer.example/forum')
    .setAudience('forum-api')
    .setIssuedAt()
    .setNotBefore('0s')
    .setExpirationTime('10m')
    .sign(pair.privateKey)
}
writeFileSync('jwks.json', JSON.stringify({ keys }))
writeFileSync('tokens.json', JSON.stringify(tokens))
