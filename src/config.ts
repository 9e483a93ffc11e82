/** Settings: the environment over config/<NODE_ENV>.json over config/default.json, judged as a whole. The only reader of the environment. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js';
import { generatedKey } from './infra/generated-keys.ts';
import { isMailAddress, type MailAddress, parseMailAddress } from './infra/mail-address.ts';
import { checkCidr, checkEncryptionKey, checkHeaderName, checkIssuer, checkSecret, isLoopbackUrl } from './infra/setting-checks.ts';
import { nameOf, parseSetting, SETTINGS, type Setting } from './infra/settings.ts';

export interface Lifetimes {
  accessToken: number;
  authorizationCode: number;
  idToken: number;
  refreshTokenIdle: number;
  refreshTokenAbsolute: number;
  sessionIdle: number;
  sessionAbsolute: number;
  interaction: number;
  /** One-time codes and links. */
  code: number;
  /** How long anybody may cache the key set. */
  jwksMaxAge: number;
  /** How long a signing key signs. */
  signingKeyPeriod: number;
}

export interface Config {
  issuer: string;
  host: string[];
  port: number;
  metricsPort: number;
  metricsHost: string;
  databaseUrl?: string;
  migrationDatabaseUrl?: string;
  databaseReplicaUrl?: string;
  /** Connections of each process to the database. */
  poolSize: number;
  workers: number;
  /** Absolute. */
  dataDir: string;
  redisUrl?: string;
  /** 32 bytes each; the first encrypts. */
  encryptionKeys: Buffer[];
  /** The first signs. */
  cookieKeys: string[];
  smtpUrl?: string;
  mailFrom: MailAddress;
  smsUrl?: string;
  smsToken?: string;
  /** The service that is asked before a tenant is refused by its limits. */
  billingUrl?: string;
  billingToken?: string;
  trustedProxies: string[];
  /** Lower case, both: where a trusted proxy says which certificate the client showed, and whether it verified it. */
  /** Where nobody names one, no certificate counts: a proxy that does not overwrite it hands on what anybody writes. */
  clientCertificateHeader: string | undefined;
  clientCertificateVerifiedHeader: string;
  outboundAllowHosts: string[];
  bootstrap: { adminEmail: string; adminPassword?: string; clientId?: string; clientSecret?: string };
  logLevel: string;
  otlpEndpoint?: string;
  production: boolean;
  /** Whether the issuer is on a loopback host: a trial or development installation. */
  loopback: boolean;
  /** Seconds. */
  lifetimes: Lifetimes;
  passwordPolicy: { minLength: number };
  /** Days between the deletion of a tenant and the end of everything of it. */
  tenantDeletionGraceDays: number;
  /** Days in which a person may change their mind about deleting their account. */
  accountDeletionGraceDays: number;
}

/** All that is wrong with the settings, each fault beginning with the setting's name. No fault quotes a secret. */
export class ConfigError extends Error {
  readonly faults: readonly string[];
  constructor(faults: readonly string[]) {
    super(`The settings are wrong:\n${faults.map((fault) => `  ${fault}`).join('\n')}`);
    this.name = 'ConfigError';
    this.faults = faults;
  }
}

type Raw = Omit<Config, 'host' | 'encryptionKeys' | 'mailFrom' | 'bootstrap' | 'production' | 'loopback' | 'issuer' | 'cookieKeys'> &
  Partial<Record<'issuer' | 'mailFrom' | 'bootstrapAdminPassword' | 'bootstrapClientId' | 'bootstrapClientSecret', string>> &
  Partial<Record<'host' | 'encryptionKey' | 'cookieKeys', string[]>> & { bootstrapAdminEmail: string };

const DIRECTORY = path.resolve(import.meta.dirname, '../config');
const ajv = new Ajv2020({ allErrors: true, strict: true });
const isRaw = ajv.compile<Raw>(JSON.parse(readFileSync(path.join(DIRECTORY, 'schema.json'), 'utf8')) as object);

/**
 * Reads and judges the settings. Outside production, missing keys are made and kept in DATA_DIR.
 * Throws ConfigError with every fault there is.
 */
export function loadConfig(env: NodeJS.ProcessEnv, options: { directory?: string } = {}): Config {
  const { directory = DIRECTORY } = options;
  const faults: string[] = [];
  const mode = env['NODE_ENV'] || 'development';
  const named = /^[a-z][a-z0-9-]*$/.test(mode) && mode !== 'schema' && mode !== 'default';
  if (!named) faults.push('NODE_ENV must be a word like production or test');
  const defaults = readLayer('default', directory, faults);
  const merged = overlay(overlay(defaults, named ? readLayer(mode, directory, faults) : {}), readEnvironment(env, faults));
  const faulty = new Set<string>();
  // What is wrong by itself is taken out, so that the rest can still be judged and all faults be told at once.
  if (!isRaw(merged)) {
    faults.push(...isRaw.errors!.map(describe));
    for (const key of isRaw.errors!.map(keyOf)) {
      faulty.add(nameOf(key));
      if (key in defaults) merged[key] = defaults[key];
      else delete merged[key];
    }
  }
  if (!isRaw(merged)) throw new ConfigError(faults);
  const config = assemble(merged, mode === 'production');
  faults.push(...check(merged, config).filter((fault) => !faulty.has(fault.split(' ', 1)[0]!)));
  if (faults.length > 0) throw new ConfigError([...new Set(faults)]);
  return deepFreeze(withKeys(config, merged));
}

/** The upper layer's settings win one by one, also those of a group such as `lifetimes`. */
function overlay(lower: Record<string, unknown>, upper: Record<string, unknown>): Record<string, unknown> {
  const isGroup = (value: unknown): value is Record<string, unknown> =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  const merged = { ...lower };
  for (const [key, value] of Object.entries(upper))
    merged[key] = isGroup(value) && isGroup(lower[key]) ? { ...lower[key], ...value } : value;
  return merged;
}

function readEnvironment(env: NodeJS.ProcessEnv, faults: string[]): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(SETTINGS)) {
    const text = readSetting(name, setting, env, faults);
    if (text !== undefined) values[setting.key] = parseSetting(text, setting.kind);
  }
  return values;
}

/** An empty variable is one that is not set: compose files cannot leave one out. */
function readSetting(name: string, { secret }: Setting, env: NodeJS.ProcessEnv, faults: string[]): string | undefined {
  const text = env[name]?.trim() || undefined;
  const file = secret ? env[`${name}_FILE`]?.trim() || undefined : undefined;
  if (file === undefined) return text;
  if (text !== undefined) faults.push(`${name} and ${name}_FILE are both set`);
  try {
    const content = readFileSync(file, 'utf8').trim();
    if (!content) faults.push(`${name}_FILE names an empty file`);
    return content || undefined;
  } catch (error) {
    faults.push(`${name}_FILE cannot be read (${(error as NodeJS.ErrnoException).code})`);
    return undefined;
  }
}

function readLayer(name: string, directory: string, faults: string[]): Record<string, unknown> {
  const file = path.join(directory, `${name}.json`);
  if (!existsSync(file)) return {};
  try {
    const layer: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof layer !== 'object' || layer === null || Array.isArray(layer)) throw new TypeError('not an object');
    for (const { key } of Object.values(SETTINGS).filter(({ secret }) => secret))
      if (key in layer) faults.push(`${nameOf(key)} must not stand in config/${name}.json: secrets come from the environment or a file`);
    return layer as Record<string, unknown>;
  } catch (error) {
    faults.push(`config/${name}.json cannot be read: ${(error as Error).message}`);
    return {};
  }
}

const keyOf = ({ instancePath, params }: ErrorObject): string =>
  instancePath.split('/')[1] ?? String((params as Record<string, unknown>)['additionalProperty']);

function describe(error: ErrorObject): string {
  const [key = '', ...rest] = error.instancePath.split('/').slice(1);
  const name = key ? [nameOf(key), ...rest].join('.') : 'config';
  const { allowedValues, additionalProperty, missingProperty } = error.params as Record<string, unknown>;
  if (error.keyword === 'enum') return `${name} must be one of ${(allowedValues as unknown[]).join(', ')}`;
  if (error.keyword === 'additionalProperties')
    return `${key ? `${name}.` : ''}${String(additionalProperty)} in config/*.json is not a setting`;
  if (error.keyword === 'required') return `${key ? `${name}.` : ''}${nameOf(String(missingProperty))} is missing`;
  if (error.keyword === 'pattern') return `${name} is not written as it should be (${error.message})`;
  return `${name} ${error.message}`;
}

function assemble(raw: Raw, production: boolean): Config {
  const { encryptionKey: _keys, bootstrapAdminEmail, bootstrapAdminPassword, bootstrapClientId, bootstrapClientSecret, ...rest } = raw;
  const issuer = raw.issuer ?? `http://localhost:${raw.port}`;
  const hostname = URL.canParse(issuer) ? new URL(issuer).hostname : 'localhost';
  return {
    ...rest,
    issuer,
    host: raw.host ?? (production ? ['0.0.0.0', '::'] : ['127.0.0.1', '::1']),
    dataDir: path.resolve(raw.dataDir),
    encryptionKeys: [],
    cookieKeys: raw.cookieKeys ?? [],
    clientCertificateHeader: raw.clientCertificateHeader?.toLowerCase(),
    clientCertificateVerifiedHeader: raw.clientCertificateVerifiedHeader.toLowerCase(),
    mailFrom: parseMailAddress(raw.mailFrom ?? `Gatehouse <no-reply@${hostname}>`) ?? { address: 'no-reply@localhost', name: 'Gatehouse' },
    bootstrap: {
      adminEmail: bootstrapAdminEmail,
      ...(bootstrapAdminPassword === undefined ? {} : { adminPassword: bootstrapAdminPassword }),
      ...(bootstrapClientId === undefined ? {} : { clientId: bootstrapClientId }),
      ...(bootstrapClientSecret === undefined ? {} : { clientSecret: bootstrapClientSecret }),
    },
    production,
    loopback: isLoopbackUrl(issuer),
  };
}

/** What the schema cannot say: everything that concerns meaning, or more than one setting. */
function check(raw: Raw, config: Config): string[] {
  const { production, loopback, bootstrap, lifetimes } = config;
  const faults: string[] = [];
  const say = (name: string, fault: string | undefined | false): void => {
    if (fault) faults.push(`${name} ${fault}`);
  };
  say('ISSUER', checkIssuer(config.issuer));
  for (const [name, key] of [
    ['DATABASE_URL', 'databaseUrl'],
    ['ENCRYPTION_KEY', 'encryptionKey'],
    ['COOKIE_KEYS', 'cookieKeys'],
  ] as const)
    say(name, production && raw[key] === undefined && 'is required with NODE_ENV=production');
  for (const key of [
    'databaseUrl',
    'migrationDatabaseUrl',
    'databaseReplicaUrl',
    'smtpUrl',
    'smsUrl',
    'billingUrl',
    'otlpEndpoint',
  ] as const)
    say(nameOf(key), raw[key] !== undefined && !URL.canParse(raw[key]) && 'is not a URL');
  for (const key of raw.encryptionKey ?? []) say('ENCRYPTION_KEY', checkEncryptionKey(key));
  for (const key of config.cookieKeys) say('COOKIE_KEYS', checkSecret(key, production ? 32 : 16));
  for (const cidr of config.trustedProxies) say('TRUSTED_PROXIES', checkCidr(cidr));
  for (const key of ['clientCertificateHeader', 'clientCertificateVerifiedHeader'] as const)
    if (config[key] !== undefined) say(nameOf(key), checkHeaderName(config[key]));
  say(
    'CLIENT_CERTIFICATE_VERIFIED_HEADER',
    config.clientCertificateHeader === config.clientCertificateVerifiedHeader && 'must be another header than CLIENT_CERTIFICATE_HEADER',
  );
  say(
    'MAIL_FROM',
    raw.mailFrom !== undefined && !parseMailAddress(raw.mailFrom) && 'must be an address, or a name and an address in angle brackets',
  );
  say('SMS_TOKEN', raw.smsUrl !== undefined && raw.smsToken === undefined && 'is required with SMS_URL');
  say('SMS_URL', raw.smsToken !== undefined && raw.smsUrl === undefined && 'is required with SMS_TOKEN');
  say('SMS_URL', raw.smsUrl?.startsWith('http:') && !isLoopbackUrl(raw.smsUrl) && 'must begin with https://');
  say('BILLING_URL', raw.billingToken !== undefined && raw.billingUrl === undefined && 'is required with BILLING_TOKEN');
  say('BILLING_URL', raw.billingUrl?.startsWith('http:') && !isLoopbackUrl(raw.billingUrl) && 'must begin with https://');
  say('BOOTSTRAP_ADMIN_EMAIL', !isMailAddress(bootstrap.adminEmail) && 'is not an e-mail address');
  say(
    'BOOTSTRAP_CLIENT_SECRET',
    bootstrap.clientId !== undefined && bootstrap.clientSecret === undefined && 'is required with BOOTSTRAP_CLIENT_ID',
  );
  say(
    'BOOTSTRAP_CLIENT_ID',
    bootstrap.clientSecret !== undefined && bootstrap.clientId === undefined && 'is required with BOOTSTRAP_CLIENT_SECRET',
  );
  if (production || !loopback) {
    if (bootstrap.clientSecret !== undefined) say('BOOTSTRAP_CLIENT_SECRET', checkSecret(bootstrap.clientSecret, 32));
    if (bootstrap.adminPassword !== undefined) say('BOOTSTRAP_ADMIN_PASSWORD', checkSecret(bootstrap.adminPassword, 12));
  }
  say(
    'lifetimes.refreshTokenIdle',
    lifetimes.refreshTokenIdle > lifetimes.refreshTokenAbsolute && 'must not be longer than refreshTokenAbsolute',
  );
  say('lifetimes.sessionIdle', lifetimes.sessionIdle > lifetimes.sessionAbsolute && 'must not be longer than sessionAbsolute');
  return faults;
}

function withKeys(config: Config, raw: Raw): Config {
  try {
    const encryption = raw.encryptionKey ?? [generatedKey(config.dataDir, 'encryption.key')];
    const cookieKeys = raw.cookieKeys ?? [generatedKey(config.dataDir, 'cookie.key')];
    return { ...config, encryptionKeys: encryption.map((key) => Buffer.from(key, 'base64')), cookieKeys };
  } catch (error) {
    throw new ConfigError([`DATA_DIR ${(error as Error).message}`]);
  }
}

function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value))
    if (typeof part === 'object' && part !== null && !ArrayBuffer.isView(part)) deepFreeze(part as object);
  return Object.freeze(value);
}
