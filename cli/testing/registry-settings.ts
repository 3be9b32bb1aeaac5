import type { PostgresServer } from '../../infra/postgres/server.ts'

/** The settings of a registry that is in this server. */
export const registrySettings = ({ url, ca_file, password_file }: PostgresServer) => ({
  HEARTH_REGISTRY_URL: url,
  HEARTH_REGISTRY_CA_FILE: ca_file,
  HEARTH_REGISTRY_PASSWORD_FILE: password_file,
})
