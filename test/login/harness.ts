/** The parts that sign-in consists of, on a real database, without HTTP. */
import { randomBytes, randomUUID } from 'node:crypto';
import { type Clock, systemClock } from '#src/core/clock.ts';
import { newId } from '#src/core/ids.ts';
import { anonymousScope, type Scope } from '#src/core/scope.ts';
import type { Audit } from '#src/features/audit/record.ts';
import { createAudit } from '#src/features/audit/record.ts';
import { setPassword } from '#src/features/credentials/commands.ts';
import { createPasswords, type Passwords } from '#src/features/credentials/passwords.ts';
import { createJobs } from '#src/infra/jobs.ts';
import { createLimits, type Limits } from '#src/infra/limits.ts';
import { createLogger, type Logger } from '#src/infra/log.ts';
import { createPasswordHasher } from '#src/infra/password-hash.ts';
import { type Database, openDatabase } from '#src/infra/postgres.ts';
import { createSecretBox, type SecretBox } from '#src/infra/secret-box.ts';
import { createCodes } from '#src/login/codes.ts';
import { createEngine, type Engine, type EngineDeps } from '#src/login/engine.ts';
import type { LoginMethod } from '#src/login/method.ts';
import { builtInMethods } from '#src/login/methods/index.ts';
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts';

export interface TestClock extends Clock {
  /** Moves the time on. */
  forward(seconds: number): void;
}

export function createTestClock(): TestClock {
  let ahead = 0;
  return {
    now: () => new Date(systemClock.now().getTime() + ahead * 1000),
    forward(seconds) {
      ahead += seconds;
    },
  };
}

export interface Harness {
  database: TestDatabase;
  db: Database;
  box: SecretBox;
  clock: TestClock;
  limits: Limits;
  audit: Audit;
  log: Logger;
  passwords: Passwords;
  methods: LoginMethod[];
  engine: Engine;
  tenantId: string;
  /** A stranger at an address of their own. */
  stranger(address?: string): Scope;
  addPerson(options?: PersonOptions): Promise<TestPerson>;
  events(
    type?: string,
  ): Promise<{ type: string; outcome: string; reason: string | null; target_id: string | null; data: Record<string, unknown> }[]>;
  close(): Promise<void>;
}

export interface PersonOptions {
  password?: string | undefined;
  mustChange?: boolean;
  status?: 'active' | 'disabled';
  verified?: boolean;
}

export interface TestPerson {
  id: string;
  email: string;
  username: string;
}

export const PASSWORD = 'correct horse battery staple';

export async function createHarness(
  more: (h: Omit<Harness, 'engine' | 'methods'>) => LoginMethod[] = () => [],
  hooks: Pick<EngineDeps, 'required' | 'demands' | 'enrollable'> = {},
): Promise<Harness> {
  const database = await createTestDatabase();
  const db = openDatabase({ url: database.url });
  const box = createSecretBox([randomBytes(32)]);
  const clock = createTestClock();
  const log = createLogger({ level: 'silent' });
  const limits = createLimits({ db });
  const audit = createAudit({ db, box, clock, jobs: createJobs(db, log), log });
  const passwords = createPasswords({
    hasher: createPasswordHasher({ queueMs: 20_000 }),
    rules: { minLength: 8, contextWords: ['gatehouse'] },
  });
  const tenantId = newId();
  await db.query({ name: 'test-tenant', text: `insert into tenants (id, slug, name, type) values ($1, 'acme', 'Acme', 'team')` }, [
    tenantId,
  ]);

  const stranger = (address = randomAddress()): Scope => ({
    ...anonymousScope(tenantId),
    request: { id: randomUUID(), address, device: 'test', issuer: 'http://localhost:3000' },
  });

  const base = {
    database,
    db,
    box,
    clock,
    limits,
    audit,
    log,
    passwords,
    tenantId,
    stranger,
    async addPerson({ password, mustChange = false, status = 'active', verified = true }: PersonOptions = {}) {
      const id = newId();
      const name = `p${randomBytes(6).toString('hex')}`;
      const person = { id, email: `${name}@example.com`, username: name };
      await db.query(
        {
          name: 'test-person',
          text: `insert into users (id, home_tenant_id, username, username_key, email, email_key, email_verified_at, status)
            values ($1, $2, $3, $3, $4, $4, case when $5 then clock_timestamp() end, $6)`,
        },
        [id, tenantId, person.username, person.email, verified, status],
      );
      if (password !== undefined) {
        const hash = await passwords.hash(password);
        await audit.transact(stranger(), (work) => setPassword({ clock }, work, { userId: id, hash, mustChange, reason: 'registered' }));
      }
      return person;
    },
    async events(type?: string) {
      return db.transaction(
        async (sql) => {
          const rows = await sql('audit_events').select('type', 'outcome', 'reason', 'target_id', 'data').orderBy(['at', 'id']);
          return rows.filter((row: { type: string }) => type === undefined || row.type === type);
        },
        { tenantId },
      );
    },
    async close() {
      await db.close();
      await database.drop();
    },
  };
  const methods = [...builtInMethods({ passwords, box, mail: true, texts: true }), ...more(base)];
  return {
    ...base,
    methods,
    engine: createEngine({
      ...hooks,
      db,
      clock,
      box,
      limits,
      audit: audit.audit,
      transact: audit.transact,
      codes: createCodes({ clock, box, limits }),
      methods,
    }),
  };
}

export const randomAddress = (): string => `10.${[...randomBytes(3)].join('.')}`;
