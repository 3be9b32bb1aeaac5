/** Keys whose value is a secret, whatever it looks like. */
const SECRET_KEY = /(^|_)(token|secret|password|passphrase|authorization|cookie|code|key|key_pem|csr)$/i
/** Texts that are a secret, wherever they stand: tokens, codes, what a header, a URL or an access link carries, private keys. */
const SECRET_TEXT =
  /hearth_[A-Za-z0-9_-]{16,}|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*|\b(?:[0-9a-hjkmnp-tv-z]{6}-){3}[0-9a-hjkmnp-tv-z]{6}\b|Bearer \S+|(?<=:\/\/[^\s/@]*:)[^\s@]+(?=@)|[?&]token=[^\s&]+|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g
const INSTEAD = '[secret]'

/** The text with `[secret]` for what must never be in a log. */
export function textWithoutSecrets(text: string): string {
  return text.replace(SECRET_TEXT, INSTEAD)
}

/** The fields with `[secret]` for what must never be in a log, however deep it lies. */
export function withoutSecrets(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const clean = (key: string, value: unknown) => [key, SECRET_KEY.test(key) ? INSTEAD : cleanValue(value)] as const
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => clean(key, value)))
}

function cleanValue(value: unknown): unknown {
  if (typeof value === 'string') return textWithoutSecrets(value)
  if (Array.isArray(value)) return value.map(cleanValue)
  return typeof value === 'object' && value !== null ? withoutSecrets({ ...value }) : value
}
