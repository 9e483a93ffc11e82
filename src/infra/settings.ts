/** The names of the settings: variable and key in config/*.json. */

export type Kind = 'text' | 'number' | 'list';

export interface Setting {
  key: string;
  kind: Kind;
  /** Also from NAME_FILE, and never from config/. */
  secret?: true;
}

export const SETTINGS: Readonly<Record<string, Setting>> = {
  ISSUER: { key: 'issuer', kind: 'text' },
  HOST: { key: 'host', kind: 'list' },
  PORT: { key: 'port', kind: 'number' },
  METRICS_HOST: { key: 'metricsHost', kind: 'text' },
  METRICS_PORT: { key: 'metricsPort', kind: 'number' },
  DATABASE_URL: { key: 'databaseUrl', kind: 'text', secret: true },
  MIGRATION_DATABASE_URL: { key: 'migrationDatabaseUrl', kind: 'text', secret: true },
  DATABASE_REPLICA_URL: { key: 'databaseReplicaUrl', kind: 'text', secret: true },
  DATABASE_POOL_SIZE: { key: 'poolSize', kind: 'number' },
  WORKERS: { key: 'workers', kind: 'number' },
  DATA_DIR: { key: 'dataDir', kind: 'text' },
  REDIS_URL: { key: 'redisUrl', kind: 'text', secret: true },
  ENCRYPTION_KEY: { key: 'encryptionKey', kind: 'list', secret: true },
  COOKIE_KEYS: { key: 'cookieKeys', kind: 'list', secret: true },
  SMTP_URL: { key: 'smtpUrl', kind: 'text', secret: true },
  MAIL_FROM: { key: 'mailFrom', kind: 'text' },
  SMS_URL: { key: 'smsUrl', kind: 'text' },
  SMS_TOKEN: { key: 'smsToken', kind: 'text', secret: true },
  BILLING_URL: { key: 'billingUrl', kind: 'text' },
  BILLING_TOKEN: { key: 'billingToken', kind: 'text', secret: true },
  TRUSTED_PROXIES: { key: 'trustedProxies', kind: 'list' },
  CLIENT_CERTIFICATE_HEADER: { key: 'clientCertificateHeader', kind: 'text' },
  CLIENT_CERTIFICATE_VERIFIED_HEADER: { key: 'clientCertificateVerifiedHeader', kind: 'text' },
  OUTBOUND_ALLOW_HOSTS: { key: 'outboundAllowHosts', kind: 'list' },
  BOOTSTRAP_ADMIN_EMAIL: { key: 'bootstrapAdminEmail', kind: 'text' },
  BOOTSTRAP_ADMIN_PASSWORD: { key: 'bootstrapAdminPassword', kind: 'text', secret: true },
  BOOTSTRAP_CLIENT_ID: { key: 'bootstrapClientId', kind: 'text' },
  BOOTSTRAP_CLIENT_SECRET: { key: 'bootstrapClientSecret', kind: 'text', secret: true },
  LOG_LEVEL: { key: 'logLevel', kind: 'text' },
  OTEL_EXPORTER_OTLP_ENDPOINT: { key: 'otlpEndpoint', kind: 'text' },
};

/** What people call a setting: its variable, where it has one. */
export const nameOf = (key: string): string => Object.entries(SETTINGS).find(([, setting]) => setting.key === key)?.[0] ?? key;

/** A text from outside as the schema wants to see it; what cannot be a number stays a text, for the schema to refuse. */
export function parseSetting(text: string, kind: Kind): unknown {
  if (kind === 'number') return /^\d{1,15}$/.test(text) ? Number(text) : text;
  if (kind === 'text') return text;
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}
