/** People by the million, past the triggers, as they would have left them. */
import type pg from 'pg';

const GIVEN = `array['Ada','Anan','Boris','Chai','Dara','Emma','Farid','Grace','Hana','Igor','Jane','Kofi','Lek','Maya','Nok','Omar','Ploy','Quinn','Rosa','Somchai','Tariq','Uma','Vera','Wan','Xenia','Yuki','Zara']`;
const FAMILY = `array['Adams','Bennett','Chaiyasit','Dupont','Engel','Fischer','Garcia','Hughes','Ivanov','Jones','Kim','Lopez','Moreau','Nguyen','Okafor','Patel','Quist','Rossi','Suzuki','Tanaka','Ueda','Vega','Weber','Xu','Yang','Zhou']`;

// Ids of version 7, one a millisecond.
const idOf = (n: string): string =>
  `(lpad(to_hex(1700000000000 + ${n}), 12, '0') || '7' || substr(md5((${n})::text), 1, 3) || '8' || substr(md5((${n})::text), 4, 15))::uuid`;

/** Adds people `from` to `to` (without) at home in the tenant, named `user-<n>`; the first of them have this password. */
export async function fillPeople(
  owner: pg.Client,
  tenantId: string,
  from: number,
  to: number,
  password: { hash: string; people: number },
): Promise<void> {
  await withoutTriggers(owner, async () => {
    await owner.query(
      `insert into users (id, home_tenant_id, username, username_key, email, email_key, email_verified_at, given_name, family_name, created_at)
       select ${idOf('n')}, $1, 'user-' || n, 'user-' || n, 'user-' || n || '@many.test', 'user-' || n || '@many.test', now(),
         (${GIVEN})[1 + hashint4(n) % 27 * sign(hashint4(n))::int], (${FAMILY})[1 + hashint4(n + 7) % 26 * sign(hashint4(n + 7))::int], to_timestamp((1700000000000 + n) / 1000.0)
       from generate_series($2::int, $3::int - 1) as n`,
      [tenantId, from, to],
    );
    await addMembers(owner, tenantId, from, to);
  });
  await owner.query(
    `insert into credentials (id, user_id, type, data) select gen_random_uuid(), ${idOf('n')}, 'password', jsonb_build_object('hash', $1::text, 'mustChange', false, 'setAt', now())
     from generate_series($2::int, $3::int) as n`,
    [password.hash, from, Math.min(to, from + password.people) - 1],
  );
}

/** Makes people `from` to `to` members of another tenant as well. */
export const fillMembers = (owner: pg.Client, tenantId: string, from: number, to: number): Promise<void> =>
  withoutTriggers(owner, () => addMembers(owner, tenantId, from, to));

/** Makes tenants, each with ten people of those from `from` on. */
export async function fillTenants(owner: pg.Client, count: number, from: number): Promise<void> {
  await owner.query(
    `insert into tenants (id, slug, name, type) select ${idOf('-n')}, 'many-' || n, 'Tenant ' || n, 'team' from generate_series(1, $1::int) as n`,
    [count],
  );
  await withoutTriggers(owner, async () => {
    await owner.query(
      `insert into memberships (tenant_id, user_id) select ${idOf('-(1 + n / 10)')}, ${idOf('($2::int + n)')} from generate_series(0, $1::int * 10 - 1) as n`,
      [count, from],
    );
    await owner.query(
      `insert into member_names (tenant_id, name, user_id) select m.tenant_id, unnest(names_of(u, m.tenant_id)), u.id
       from memberships m join tenants t on t.id = m.tenant_id and t.slug like 'many-%' join users u on u.id = m.user_id`,
    );
  });
}

async function addMembers(owner: pg.Client, tenantId: string, from: number, to: number): Promise<void> {
  const of = `from generate_series($2::int, $3::int - 1) as n`;
  await owner.query(`insert into memberships (tenant_id, user_id) select $1, ${idOf('n')} ${of}`, [tenantId, from, to]);
  await owner.query(
    `insert into member_names (tenant_id, name, user_id) select $1, unnest(names_of(u, $1)), u.id ${of} join users u on u.id = ${idOf('n')} order by 2, 3`,
    [tenantId, from, to],
  );
}

async function withoutTriggers(owner: pg.Client, work: () => Promise<void>): Promise<void> {
  const all = (what: 'disable' | 'enable') =>
    owner.query(['users', 'memberships'].map((table) => `alter table ${table} ${what} trigger user`).join('; '));
  await owner.query('begin');
  await all('disable');
  await work();
  await all('enable');
  await owner.query('commit');
}
